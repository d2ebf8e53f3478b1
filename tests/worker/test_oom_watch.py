"""Kills of the kernel for memory are noticed."""

from pathlib import Path

import pytest

from django_jobqueue.worker.oom_watch import OomWatch


@pytest.mark.parametrize(
    "text", ["oom_kill_disable 0\nunder_oom 0\noom_kill {}\n", "oom 9\noom_kill {}\nmax 1\n"]
)
def test_kills_of_the_kernel_are_noticed(tmp_path: Path, text: str) -> None:
    """In the words of both versions of control groups."""
    counter = tmp_path / "events"
    counter.write_text(text.format(3))
    watch = OomWatch([tmp_path / "missing", counter])
    assert not watch.has_just_killed()
    counter.write_text(text.format(4))
    watch.look()
    assert watch.has_just_killed()


def test_old_kills_explain_nothing(tmp_path: Path, monkeypatch) -> None:
    counter = tmp_path / "events"
    counter.write_text("oom_kill 3\n")
    watch = OomWatch([counter])
    counter.write_text("oom_kill 4\n")
    watch.look()
    monkeypatch.setattr("django_jobqueue.worker.oom_watch.OOM_WINDOW", 0.0)
    assert not watch.has_just_killed()


def test_machine_without_counters_has_no_such_kills(tmp_path: Path) -> None:
    assert not OomWatch([tmp_path / "missing"]).has_just_killed()
    assert not OomWatch().has_just_killed()
