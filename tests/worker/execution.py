"""A job as a slot claims it, and its run without Redis."""

import multiprocessing
from typing import Any

from django_jobqueue.backend import JobQueueBackend
from django_jobqueue.conf import load
from django_jobqueue.jobs.job import Job, new_id
from django_jobqueue.jobs.result import JobResult
from django_jobqueue.jobs.signing import Signer
from django_jobqueue.jobs.states import State
from django_jobqueue.testing.run import NoReport
from django_jobqueue.worker.execution import Execution
from django_jobqueue.worker.executor import Executor
from django_jobqueue.worker.limits.interrupt import Interrupt
from django_jobqueue.worker.limits.shared_state import SharedState

PATH = "tests.project.tasks."
options = load("default")
signer = Signer(options.signing_keys)
executor = Executor("default", options, signer, JobQueueBackend)


def claimed(name: str, data: bytes = b'{"args":[],"kwargs":{}}', **given: Any) -> Job:
    job_id = new_id()
    task = given.pop("path", PATH + name)
    fields: dict[str, Any] = {
        "queue": "default",
        "state": State.RUNNING,
        "fence": "1-abc",
        "worker": "worker",
        "attempted_at": 2_000_000,
        "payload": signer.sign(job_id, task, data),
        "enqueued_at": 1_000_000,
        "started_at": 2_000_000,
    }
    return Job(id=job_id, task=task, **(fields | given))


def run(job: Job, by: Executor = executor) -> Execution:
    interrupt = Interrupt(SharedState(multiprocessing, ["0.0"]).slot("0.0"))
    return by.execute(job, NoReport(), interrupt)


def ended(execution: Execution, now: int = 3_000_000) -> JobResult[..., Any]:
    """Return the job's result after its run."""
    return executor.result(execution.job_after(now), execution.task)
