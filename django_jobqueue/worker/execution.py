"""A run that has ended, as the executor hands it to the slot."""

from dataclasses import replace
from typing import Any, NamedTuple

from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.run import Run, RunResult
from django_jobqueue.jobs.states import STATE_AFTER


class Execution(NamedTuple):
    """A run that has ended: its job and its result, for Redis and for the receivers of signals."""

    job: Job
    result: RunResult
    task: Any = None  # None: the job was not run
    exception: BaseException | None = None
    cause: str = ""  # its class and text in one line, without the secrets of the call

    def job_after(self, now_ms: int) -> Job:
        """Return the job as it is after the run."""
        job, result = self.job, self.result
        state = STATE_AFTER[result.outcome]
        run = Run(
            attempt=job.attempt,
            fence=job.fence,
            worker=job.worker,
            started_at=job.attempted_at,
            finished_at=now_ms,
            outcome=result.outcome,
            exception=result.exception,
            traceback=result.traceback,
        )
        return replace(
            job,
            state=state,
            finished_at=now_ms if state.is_final else None,
            attempts=job.attempts + run.counts,
            runs=(*job.runs, run),
            reason=result.reason,
            result=result.value or None,
        )
