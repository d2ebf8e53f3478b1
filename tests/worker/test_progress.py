"""Progress and log lines of a run: stored while that is quick, dropped when it is not."""

import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from django_jobqueue import JobContext
from django_jobqueue.engine import Engine, new_engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.locate import BEST_EFFORT_TIMEOUTS, SOCKET_TIMEOUT
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.text import MAX_LINE
from django_jobqueue.worker import progress as progress
from django_jobqueue.worker.progress import ProgressReporter, ReportPause
from embedded.server import EmbeddedServer
from tests.support.places import claimed, finish

Make = Callable[..., str]


@pytest.fixture
def job(engine: Engine, slot: Slot, make_job: Make) -> Job:
    make_job()
    return claimed(engine, slot)


@pytest.fixture
def quick(engine: Engine) -> Iterator[Engine]:
    """The engine through which a worker stores what runs tell; a busy server loses some of it."""
    found = new_engine("default", BEST_EFFORT_TIMEOUTS)
    yield found
    found.client.close()


def context_of(report: ProgressReporter) -> JobContext:
    result: Any = None  # nobody looks at it
    return JobContext(task_result=result, fence="1-a", _report=report)


def texts(engine: Engine, job: Job) -> list[str]:
    return [text for _, text in engine.inspector.job(job.id).log]


def test_lines_are_stored_one_by_one(engine: Engine, job: Job) -> None:
    """Unlike progress, each counts; what does harm is spelled, what is long is cut."""
    context = context_of(ProgressReporter(engine.jobs, job, ReportPause()))
    for text in ("first", "two\nlines", "\x1b[31mred", "x" * 1000):
        context.log(text)
    assert texts(engine, job) == ["first", "two lines", "\\x1b[31mred", "x" * (MAX_LINE - 1) + "…"]


def test_progress_is_stored_now_and_then(engine: Engine, job: Job, monkeypatch) -> None:
    """The first, the last, and what comes after a while; its text is a line too."""
    monkeypatch.setattr(progress, "PROGRESS_EVERY", 60.0)
    context = context_of(ProgressReporter(engine.jobs, job, ReportPause()))
    context.progress(1, 9, "fir\x1bst")
    context.progress(2, 9, "too soon")
    assert engine.inspector.job(job.id).progress == (1, 9, "fir\\x1bst")
    context.progress(9, 9, "x" * 1000)
    assert engine.inspector.job(job.id).progress == (9, 9, "x" * (MAX_LINE - 1) + "…")


@pytest.mark.parametrize(
    ("told", "stored"),
    [
        *(((11, 10), (10, 10)), ((-1, 10), (0, 10)), ((1, -5), (0, 0)), ((2.5, 4.9), (2, 4))),
        *(((math.nan, 1), (0, 1)), ((math.inf, 5), (5, 5)), ((-math.inf, 5), (0, 5))),
        *(((1, math.nan), (0, 0)), ((1, math.inf), (0, 0)), ((10**400, 3), (3, 3))),
    ],
)
def test_wrong_count_stops_nothing(
    engine: Engine, job: Job, told: tuple[Any, Any], stored: tuple[int, int]
) -> None:
    """A task that has miscounted has still done its work."""
    context = context_of(ProgressReporter(engine.jobs, job, ReportPause()))
    context.progress(*told)
    assert engine.inspector.job(job.id).progress == (*stored, "")


def test_half_a_character_stops_nothing(engine: Engine, job: Job) -> None:
    """UTF-8 has none, and the task must not fail for it."""
    context = context_of(ProgressReporter(engine.jobs, job, ReportPause()))
    context.log("\ud83d")
    context.progress(1, 1, "\ud83d")
    assert texts(engine, job) == ["\\ud83d"]
    assert engine.inspector.job(job.id).progress == (1, 1, "\\ud83d")


def test_run_that_lost_its_lease_tells_nothing(engine: Engine, slot: Slot, job: Job) -> None:
    """And hears nothing of it: the fence decides about the outcome too."""
    report = ProgressReporter(engine.jobs, job, ReportPause())
    report.log("in time")
    finish(engine, slot, job)
    report.log("late")
    report.progress(1, 1, "late")
    assert texts(engine, job) == ["in time"]
    assert engine.inspector.job(job.id).progress is None


def test_server_that_hangs_costs_a_moment(
    engine: Engine, quick: Engine, job: Job, redis_server: EmbeddedServer, monkeypatch
) -> None:
    """Then nothing is sent for a while, whatever the run tells; after that it is tried again."""
    pause = ReportPause()
    patient = context_of(ProgressReporter(engine.jobs, job, pause))
    patient.log("before")
    context = context_of(ProgressReporter(quick.jobs, job, pause))
    context.log("over the connection that is about to hang")
    pause.until = 0.0
    os.kill(redis_server.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        context.log("lost")
        first = time.monotonic()
        for number in range(1000):
            context.log("not sent")
            context.progress(number, 1000, "not sent")
        rest = time.monotonic()
    finally:
        os.kill(redis_server.pid, signal.SIGCONT)
    print(f"first {first - began:.3f} s, 2000 more {rest - first:.3f} s")  # noqa: T201
    assert first - began < SOCKET_TIMEOUT / 2
    assert rest - first < SOCKET_TIMEOUT / 2
    assert began < pause.until - progress.PAUSE_AFTER_FAILURE <= first
    pause.until = 0.0
    patient.log("after")
    assert texts(engine, job)[0] == "before"
    assert texts(engine, job)[-1] == "after"
    assert "not sent" not in texts(engine, job)


def test_server_that_is_away_is_not_asked_again_and_again(
    engine: Engine, job: Job, settings, tmp_path: Path, caplog
) -> None:
    """No exception, one line at DEBUG, no second call within the pause; the end counts."""
    caplog.set_level("DEBUG", "django_jobqueue")
    tasks = settings.TASKS["default"]
    options = tasks["OPTIONS"] | {"URL": f"unix://{tmp_path}/nobody"}
    settings.TASKS = {"default": tasks | {"OPTIONS": options}}
    report = ProgressReporter(new_engine("default", BEST_EFFORT_TIMEOUTS).jobs, job, ReportPause())
    context = context_of(report)
    for _ in range(5):
        context.log("a secret that is not logged")
        context.progress(1, 1, "a secret that is not logged")
    assert [line.levelname for line in caplog.records] == ["DEBUG"]
    assert "was not stored" in caplog.text
    report.end()
    assert [line.levelname for line in caplog.records] == ["DEBUG", "DEBUG", "WARNING"]
    assert f"missing in the log of job {job.id}, because Redis did not" in caplog.text
    assert caplog.text.endswith("in time: 5\n")
    assert "a secret" not in caplog.text


def test_log_says_where_lines_may_be_missing(engine: Engine, job: Job, caplog) -> None:
    """Before the next line that is stored, or at the end of the run."""
    pause = ReportPause()
    report = ProgressReporter(engine.jobs, job, pause)
    note = "Lines that may be missing here, because Redis did not answer in time: "
    report.log("first")
    pause.until = time.monotonic() + 60
    report.log("lost")
    report.log("lost")
    pause.until = 0.0
    report.log("later")
    pause.until = time.monotonic() + 60
    report.log("lost")
    report.end()
    assert texts(engine, job) == ["first", f"{note}2", "later", f"{note}1"]
    assert [line.levelname for line in caplog.records] == ["WARNING"]
    assert caplog.text.endswith("in time: 3\n")


def test_run_that_lost_nothing_says_nothing(engine: Engine, job: Job, caplog) -> None:
    report = ProgressReporter(engine.jobs, job, ReportPause())
    report.log("all")
    report.end()
    assert texts(engine, job) == ["all"]
    assert caplog.records == []
