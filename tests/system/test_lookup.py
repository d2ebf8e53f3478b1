"""From the path in a job to the task: what real workers make of it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from tests.project import elsewhere, tasks
from tests.support.processes import PATIENCE, ROOT, WorkerProcess

Start = Callable[..., WorkerProcess]


def test_task_outside_of_tasks_py_is_found(worker_process: Start, engine: Engine) -> None:
    """By its signed path: its module is imported at the first job."""
    result = elsewhere.shout.enqueue("found")
    worker_process("--processes", "1")
    assert result.wait(PATIENCE) == "FOUND!"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("tests.project.elsewhere.no_task", "is no task but function"),
        ("tests.project.elsewhere.gone", "does not define"),
        ("tests.project.nowhere.task", "No module named"),
        ("tests.project.broken.task", "out of order"),
        ("tests.project.leaving.task", "no task 'tests.project.leaving.task': SystemExit: 3"),
        ("os.system", "is no task but"),
        ("noop", "doesn't look like a module path"),
    ],
)
def test_path_that_leads_to_no_task(
    worker_process: Start, engine: Engine, make_job: Callable[..., str], path: str, says: str
) -> None:
    """The job is held for half a minute, the log says why, and the worker goes on."""
    job_id = make_job(task=path)
    after = tasks.noop.enqueue()
    worker = worker_process("--processes", "1", "--burst")
    assert worker.wait() == 0

    job = engine.inspector.job(job_id)
    assert (job.state, job.reason, job.attempts) == (State.SCHEDULED, "task_unknown", 0)
    assert [run.outcome for run in job.runs] == ["released"]
    (line,) = [line for line in worker.output().splitlines() if "is held for 30 s" in line]
    assert "WARNING" in line
    assert path in line
    assert says in line
    after.refresh()
    assert after.state is State.SUCCEEDED


def test_task_above_the_error_of_its_module_is_not_found(
    worker_process: Start, engine: Engine, make_job: Callable[..., str]
) -> None:
    """Nor by the second job, for which the process imports the module again."""
    ids = [make_job(task="tests.project.broken.early") for _ in range(3)]
    worker = worker_process("--processes", "1", "--burst")
    assert worker.wait() == 0
    assert [engine.inspector.job(job_id).reason for job_id in ids] == ["task_unknown"] * 3
    assert worker.output().count("RuntimeError: out of order") == 3


def test_held_job_runs_when_its_task_is_there(
    worker_process: Start, engine: Engine, make_job: Callable[..., str], tmp_path: Path
) -> None:
    """A deploy that brings the module is enough: the next look finds it."""
    job_id = make_job(task="late_module.late")
    assert worker_process("--processes", "1", "--burst").wait() == 0
    assert engine.inspector.job(job_id).reason == "task_unknown"
    (tmp_path / "late_module.py").write_text(
        "from django_jobqueue import task\n\n\n@task\ndef late():\n    return 'in time'\n"
    )
    engine.jobs.requeue(job_id)  # now, not in half a minute
    path = os.pathsep.join(map(str, (tmp_path, ROOT, ROOT / "testproject")))
    worker = worker_process("--processes", "1", "--burst", PYTHONPATH=path)
    assert worker.wait() == 0
    assert engine.inspector.job(job_id).result == b'"in time"'
