"""How processes end: killed for what they do, and why they ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from django_jobqueue.worker.ends import MemoryWatch, kill_if
from tests.rig import until


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that counts in a file descriptor."""
    code = "import time\nwhile True: print('x', flush=True); time.sleep(0.001)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read(1)
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_process_is_killed_if_the_reason_stands(child: subprocess.Popen[bytes]) -> None:
    assert kill_if(child.pid, lambda: True)
    assert child.wait(10) == -signal.SIGKILL


def test_process_goes_on_if_the_reason_has_gone(child: subprocess.Popen[bytes]) -> None:
    """It was stopped while the question was asked, and runs again."""
    states = []

    def has_gone() -> bool:
        states.append(state_of(child.pid))
        return False

    assert not kill_if(child.pid, has_gone)
    assert states == ["T"]
    until(lambda: state_of(child.pid) in "RS")
    assert child.poll() is None


def test_process_that_has_ended_meanwhile_can_be_collected(
    child: subprocess.Popen[bytes],
) -> None:
    """Its exit code is left to who waits for it."""
    os.kill(child.pid, signal.SIGTERM)
    kill_if(child.pid, lambda: True)
    assert child.wait(10) in (-signal.SIGTERM, -signal.SIGKILL)


@pytest.mark.parametrize(
    "text", ["oom_kill_disable 0\nunder_oom 0\noom_kill {}\n", "oom 9\noom_kill {}\nmax 1\n"]
)
def test_kills_of_the_kernel_are_noticed(tmp_path: Path, text: str) -> None:
    """In the words of both versions of control groups."""
    counter = tmp_path / "events"
    counter.write_text(text.format(3))
    watch = MemoryWatch([tmp_path / "missing", counter])
    assert not watch.has_just_killed()
    counter.write_text(text.format(4))
    watch.look()
    assert watch.has_just_killed()


def test_old_kills_explain_nothing(tmp_path: Path, monkeypatch) -> None:
    counter = tmp_path / "events"
    counter.write_text("oom_kill 3\n")
    watch = MemoryWatch([counter])
    counter.write_text("oom_kill 4\n")
    watch.look()
    monkeypatch.setattr("django_jobqueue.worker.ends.JUST", 0.0)
    assert not watch.has_just_killed()


def test_machine_without_counters_has_no_such_kills(tmp_path: Path) -> None:
    assert not MemoryWatch([tmp_path / "missing"]).has_just_killed()
    assert not MemoryWatch().has_just_killed()
