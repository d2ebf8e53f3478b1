"""The row of a durable job while the job runs: each run begins and ends there, under its fence.

Redis hears of an end after its row, so that the row decides. Next: worker/executor.py runs the job.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from django.db import Error, transaction
from django.db.models import QuerySet
from django.utils import timezone

from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.run import STALE, RunResult
from django_jobqueue.jobs.states import STATE_AFTER, Outcome, Reason
from django_jobqueue.ledger import outbox
from django_jobqueue.ledger.changes import close, final_state, reopen
from django_jobqueue.ledger.record import row_of
from django_jobqueue.ledger.table import open_row, row
from django_jobqueue.signals import job_reopened

if TYPE_CHECKING:
    from django_jobqueue.models import Enqueued

logger = logging.getLogger("django_jobqueue.worker")

T = TypeVar("T")
AWAY_DELAY = 10_000  # ms until a run is tried again whose row could not be read
OVERTAKEN_DELAY = 1_000  # ms until a job may be claimed again whose row another run holds


class Overtaken(Exception):
    """The row is final, or another run holds it: what this run has written is rolled back."""


class LedgerRun:
    """One run of a durable job, as its row sees it."""

    def __init__(self, alias: str, database: str, job: Job) -> None:
        self._alias = alias
        self._database = database
        self._job = job
        self.written: RunResult | None = None  # of an atomic run whose transaction has committed
        self.is_value_bad = False  # the function has returned what can't be stored

    def begin(self) -> RunResult | None:
        """Make the row this run's; return how the job ends without a run, if it can't begin.

        So it is if the row is final. If the database does not answer, the job is released.
        """
        try:
            if self._open_row().update(fence=self._job.fence) or self._begin_round():
                return None
        except Exception as error:  # of the database, or of a receiver
            logger.error("Job %s is released, its row can't be written: %s", self._job.id, error)
            return RunResult(Outcome.RELEASED, reason=Reason.LEDGER_AWAY, delay_ms=AWAY_DELAY)
        return self.as_row_says()

    def atomically(self, call: Callable[[], T], result_of: Callable[[T], RunResult]) -> T:
        """Call the function and write its end in one transaction; return the value.

        Raises: what the function raises, Overtaken, and what the database raises at the commit.
        """
        token = outbox.inside.set(self._database)
        try:
            with transaction.atomic(using=self._database, durable=True):
                value = call()
                self.is_value_bad = True
                result = result_of(value)
                self.is_value_bad = False
                self._write(result, None)
        finally:
            outbox.inside.reset(token)
        self.written = _settled(result)
        return value

    def end(self, result: RunResult, exception: BaseException | None) -> RunResult:
        """Write the end of a run to its row; return the result that Redis is to have.

        If the database refuses, Redis notes the end, and settling.py writes the row later.
        """
        if result.settled or not STATE_AFTER[result.outcome].is_final:
            return result
        try:
            with transaction.atomic(using=self._database):
                self._write(result, exception)
        except Overtaken:
            return self.as_row_says()
        except Exception:
            logger.exception("The end of job %s is written to its row later.", self._job.id)
            return result
        return _settled(result)

    def as_row_says(self) -> RunResult:
        """Return how the run ends in Redis if its row is final, or another run's."""
        try:
            found = row(self._database, self._job.id).first()
        except Error as error:
            logger.error("The row of job %s can't be read: %s", self._job.id, error)
            found = None
        if found is None or not found.is_final or found.round < self._job.round:
            reason, delay = Reason.OVERTAKEN, OVERTAKEN_DELAY
            return RunResult(Outcome.RELEASED, reason=reason, delay_ms=delay, settled=STALE)
        outcome = Outcome(final_state(found).value)
        return _settled(RunResult(outcome, (found.result or "").encode(), found.reason))

    def _open_row(self) -> "QuerySet[Enqueued]":
        return open_row(self._database, self._job.id, self._job.round)

    def _begin_round(self) -> bool:
        """Open the row for this job's round, or add it; return whether the run may begin."""
        job = self._job
        with transaction.atomic(using=self._database):
            found = row(self._database, job.id).select_for_update().first()
            if found is None:  # a schedule has enqueued it, or the row was removed
                new = row_of(job, self._alias)
                new.fence, new.accepted_at = job.fence, new.created_at
                new.save(force_insert=True, using=self._database)
                if job.round > 1:  # the row of its earlier rounds was removed
                    job_reopened.send(type(new), row=new)
            elif found.round < job.round:
                reopen(found, job.round, fence=job.fence, accepted_at=timezone.now())
            else:
                return False
        return True

    def _write(self, result: RunResult, exception: BaseException | None) -> None:
        """Make the row final, in the transaction that is open.

        Raises: Overtaken.
        """
        job = self._job
        if not close(
            self._open_row().filter(fence=job.fence),
            {
                "job_id": UUID(job.id),
                "alias": self._alias,
                "round": job.round,
                "fence": job.fence,
            },
            state=STATE_AFTER[result.outcome],
            value=result.value.decode() or None,
            reason=result.reason,
            exception=exception,
        ):
            raise Overtaken(f"Another run of job {job.id} holds its row, or has ended it.")


def _settled(result: RunResult) -> RunResult:
    return result._replace(settled=STATE_AFTER[result.outcome])
