"""Time-outs and cancelled runs, with real workers: asked to end, killed, and never a job beside."""

import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import State
from tests.project import limited_tasks, tasks
from tests.support.processes import PATIENCE, WorkerProcess, lines, started, until

Start = Callable[..., WorkerProcess]
SOON = 8.0  # seconds; the worker would hear of it at its next renewal, 10 s after the first
THREADS = ("--processes", "1", "--threads", "2")


def final(engine: Engine, job_id: str) -> Job:
    until(lambda: engine.inspector.job(job_id).state.is_final, what="the job is final")
    return engine.inspector.job(job_id)


def outcomes(job: Job) -> list[str]:
    return [run.outcome for run in job.runs]


def test_time_out_is_an_attempt(worker_process: Start, engine: Engine, oracle: Path) -> None:
    """It is retried as an error is, without a loss of the process."""
    result = limited_tasks.sleep_too_long.enqueue(str(oracle))
    worker = worker_process("--processes", "1").until_ready()
    slots = worker.slots()

    job = final(engine, result.id)

    assert (job.state, job.reason, job.attempts) == (State.FAILED, "timed_out", 2)
    assert outcomes(job) == ["retried", "failed"]
    assert {run.exception for run in job.runs} == {"django_jobqueue.exceptions.JobTimeout"}
    assert "time.sleep(FOR_EVER)" in job.runs[0].traceback
    assert worker.slots() == slots
    assert tasks.add.enqueue(1, 2).wait(PATIENCE) == 3


def test_task_may_clean_up(worker_process: Start, engine: Engine, oracle: Path) -> None:
    result = limited_tasks.clean_up.enqueue(str(oracle))
    worker_process("--processes", "1")
    assert final(engine, result.id).reason == "timed_out"
    assert lines(oracle)[-1] == "clean-up JobTimeout"


def test_task_that_ends_when_asked_has_succeeded(
    worker_process: Start, engine: Engine, oracle: Path
) -> None:
    """What the task makes of it counts."""
    result = limited_tasks.swallow.enqueue(str(oracle))
    worker_process("--processes", "1")
    assert result.wait(PATIENCE) == "in time after all"


def test_task_that_goes_on_is_killed(worker_process: Start, engine: Engine, oracle: Path) -> None:
    """After its grace; the attempt counts, and no other job is hit."""
    result = limited_tasks.ignore.enqueue(str(oracle))
    worker = worker_process("--processes", "1")

    job = final(engine, result.id)

    assert (job.state, job.reason) == (State.FAILED, "timed_out")
    assert (job.attempts, job.recoveries) == (2, 0)
    assert outcomes(job) == ["retried", "failed"]
    assert lines(oracle).count("ignored") == 2
    assert worker.output().count("was killed: timed_out") == 2
    assert "was killed: timed_out" in worker.output()
    assert tasks.add.enqueue(1, 2).wait(PATIENCE) == 3


def test_coroutine_is_timed_out(worker_process: Start, engine: Engine, oracle: Path) -> None:
    result = limited_tasks.asleep.enqueue(str(oracle))
    worker_process("--processes", "1")
    job = final(engine, result.id)
    assert (job.reason, lines(oracle)[-1]) == ("timed_out", "clean-up")
    assert tasks.add.enqueue(1, 2).wait(PATIENCE) == 3


@pytest.mark.parametrize("task", ["sleep", "ignore", "compute", "asleep"])
def test_running_job_is_cancelled(
    worker_process: Start, engine: Engine, oracle: Path, task: str
) -> None:
    """Whatever it does: it is gone soon, at the latest after its grace."""
    result = getattr(limited_tasks, task).enqueue(str(oracle))
    worker_process("--processes", "1")
    started(oracle)
    began = time.monotonic()
    assert result.cancel()

    job = final(engine, result.id)

    assert (job.state, job.reason) == (State.CANCELLED, "cancelled")
    assert outcomes(job) == ["cancelled"]
    assert time.monotonic() - began < SOON
    assert tasks.add.enqueue(1, 2).wait(PATIENCE) == 3


def test_cancelled_in_a_thread(worker_process: Start, engine: Engine, oracle: Path) -> None:
    """A coroutine is cancelled there too; Python code is interrupted."""
    first, second = limited_tasks.asleep.enqueue(str(oracle)), tasks.hold.enqueue(str(oracle), "-")
    worker_process(*THREADS)
    started(oracle, 2)
    for result in (first, second):
        result.cancel()
    for result in (first, second):
        assert final(engine, result.id).state is State.CANCELLED
    assert tasks.add.enqueue(1, 2).wait(PATIENCE) == 3


def test_threads_may_be_asked_at_the_same_instant(
    worker_process: Start, engine: Engine, oracle: Path
) -> None:
    """A signal that comes while another is answered stops neither the threads nor the answers."""
    results = [tasks.hold.enqueue(str(oracle), "-") for _ in range(2)]
    worker = worker_process("--processes", "1", "--threads", "32")
    started(oracle, 2)
    (process,) = worker.slots()
    for _ in range(100_000):
        os.kill(process, signal.SIGUSR1)
    for result in results:
        result.cancel()
    assert [final(engine, result.id).state for result in results] == [State.CANCELLED] * 2


def test_cancelled_scheduled_job_never_runs(
    worker_process: Start, engine: Engine, oracle: Path
) -> None:
    result = limited_tasks.sleep.using(run_after=timedelta(seconds=1)).enqueue(str(oracle), 0)
    assert result.cancel()
    assert result.state is State.CANCELLED
    worker_process("--processes", "1", "--burst").wait()
    assert lines(oracle) == []


def test_finished_job_is_not_cancelled(worker_process: Start, engine: Engine) -> None:
    result = limited_tasks.quick.enqueue()
    worker_process("--processes", "1", "--burst").wait()
    assert not result.cancel()
    assert result.state is State.SUCCEEDED


def test_time_out_does_no_harm_to_those_in_time(worker_process: Start, engine: Engine) -> None:
    """Its limit ends with the run."""
    results = [limited_tasks.quick.enqueue() for _ in range(20)]
    worker_process("--processes", "1")
    assert [result.wait(PATIENCE) for result in results] == ["quick"] * 20
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 1.5)
    assert tasks.add.enqueue(1, 2).wait(PATIENCE) == 3


def test_supervisor_that_was_frozen_enforces_what_is_due(
    worker_process: Start, engine: Engine, oracle: Path
) -> None:
    """The run has its grace from the moment at which it is asked."""
    result = limited_tasks.clean_up_slowly.enqueue(str(oracle))
    worker = worker_process("--processes", "1")
    started(oracle)
    worker.signal(signal.SIGSTOP)
    frozen = time.monotonic()
    until(lambda: time.monotonic() - frozen > 2)
    assert lines(oracle)[1:] == []
    worker.signal(signal.SIGCONT)

    job = final(engine, result.id)

    assert (job.reason, job.recoveries) == ("timed_out", 0)
    assert lines(oracle)[1:] == ["asked", "clean"]
