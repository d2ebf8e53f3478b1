"""Bring Redis and the ledger together: notes of ends, jobs to store, rows that nobody needs.

The maintenance process of each worker does so, and `manage.py jobqueue reconcile`. Any number of
them may do it at the same time: a row changes once, and a job is stored once.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from django_jobqueue.engine import Engine
from django_jobqueue.engine.jobs import CHUNK
from django_jobqueue.engine.unsettled import Note
from django_jobqueue.exceptions import JobQueueError, QueueUnavailable
from django_jobqueue.flow import debounce
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import OPEN
from django_jobqueue.ledger import outbox, rounds
from django_jobqueue.ledger.record import job_of
from django_jobqueue.ledger.settling import Settling
from django_jobqueue.ledger.table import rows

if TYPE_CHECKING:
    from django_jobqueue.models import Enqueued

logger = logging.getLogger("django_jobqueue.worker")

RELAY_AFTER = timedelta(seconds=5)  # age of a row that its own process should have stored by then
FIRST = UUID(int=0)
Rows = Sequence["Enqueued"]


@dataclass(slots=True)
class Report:
    """What was done."""

    settled: int = 0  # ends that Redis had noted
    stored: int = 0  # jobs that Redis did not have
    purged: int = 0  # rows past their retention


class Reconciliation:
    """The ledger of one alias."""

    def __init__(
        self,
        engine: Engine,
        tidy: Callable[[], object] = lambda: None,
        still: Callable[[], object] = lambda: None,
    ) -> None:
        """Call `tidy` after receivers, which may have queried, and `still` before each step."""
        self._engine = engine
        self._settling = Settling(engine, tidy)
        self._still = still
        self._at = self._relayed = FIRST  # where the walk and the relay go on
        self.report = Report()

    def run_all(self) -> None:
        """Do all of it once.

        Raises: QueueUnavailable, and what the database raises.
        """
        while self.relay(timedelta(0)):
            pass
        self.restart()
        while self.walk():
            pass
        while self.purge():
            pass

    def settle(self) -> None:
        """Write the ends to the rows that Redis has noted.

        Raises: QueueUnavailable.
        """
        self.report.settled += self._settling.settle_all(self._still)

    def relay(self, after: timedelta = RELAY_AFTER) -> bool:
        """Store a page of jobs that Redis has not accepted yet; return whether more may be left.

        Raises: QueueUnavailable.
        """
        self.settle()
        self._still()
        waiting = self._open().filter(accepted_at=None, created_at__lte=timezone.now() - after)
        page = list(waiting.filter(job_id__gt=self._relayed)[:CHUNK])
        self._store(page)
        self._relayed = page[-1].job_id if len(page) == CHUNK else FIRST
        return self._relayed != FIRST

    def walk(self) -> bool:
        """Compare a page of open rows with Redis; return whether this was not the last one.

        Raises: QueueUnavailable.
        """
        self._still()
        accepted = self._open().filter(accepted_at__isnull=False, job_id__gt=self._at)
        page = list(accepted.values_list("job_id", "round")[:CHUNK])
        self._at = page[-1][0] if len(page) == CHUNK else FIRST
        held = self._engine.unsettled.held(str(job_id) for job_id, _ in page)
        differ = [job_id for job_id, round in page if _differs(held.get(str(job_id)), round)]
        if differ:
            self._correct(differ)
        return self._at != FIRST

    def purge(self) -> bool:
        """Remove final rows past their retention; return whether more may be left."""
        self._still()
        options = self._engine.options
        until = timezone.now() - timedelta(seconds=options.ledger_retention)
        old = self._rows().exclude(state=OPEN).filter(finished_at__lt=until)
        ids = list(old.values_list("pk", flat=True)[:CHUNK])
        if ids:
            # Its round must be final still: a requeue may have opened it meanwhile.
            gone = self._rows().exclude(state=OPEN).filter(pk__in=ids).delete()
            self.report.purged += gone[0]
        return len(ids) == CHUNK

    def restart(self) -> None:
        """Let the walk begin anew."""
        self._at = FIRST

    def _rows(self) -> "QuerySet[Enqueued]":
        return rows(self._engine.options.database).filter(alias=self._engine.alias)

    def _open(self) -> "QuerySet[Enqueued]":
        return self._rows().filter(state=OPEN).order_by("job_id")

    def _correct(self, ids: Iterable[UUID]) -> None:
        """Set rows and jobs right that differ.

        Notes are read after Redis was looked at, and then the rows again: what has ended and is
        gone from Redis since then is not stored again.
        """
        self.settle()
        rows = list(self._open().filter(pk__in=ids))
        held = self._engine.unsettled.held(str(row.job_id) for row in rows)
        lost = []
        for row in rows:
            self._still()
            note = held.get(str(row.job_id))
            if note is not None and note.round == row.round and note.state.is_final:
                self.report.settled += self._settling.is_settled(note)
            elif _differs(note, row.round):
                lost.append(row)
        for row in lost:
            note = held.get(str(row.job_id))
            if note is not None and not (note.has_task and note.round):  # damaged
                self._engine.jobs.delete(note.id)
        self._store(lost)

    def _store(self, rows: Rows) -> None:
        """Store the jobs of open rows: those in their first round together and in order."""
        first = [row for row in rows if row.round == 1]
        jobs = self._jobs(first)
        try:
            if jobs:
                times = self._engine.jobs.enqueue(jobs)
        except QueueUnavailable as error:
            if error.passing or len(jobs) == 1:
                raise
            self._store_each(first)
        else:
            if jobs:
                self._note_stored(self._delivered(jobs, times))
        self._store_each([row for row in rows if row.round > 1])

    def _store_each(self, rows: Rows) -> None:
        for row in rows:
            self._still()
            try:
                job = rounds.store(self._engine, row)
            except (JobQueueError, ValueError) as error:
                if getattr(error, "passing", False):
                    raise
                logger.error("Job %s can't be stored from its row: %s", row.job_id, error)
            else:
                self._note_stored([job] if job else [])

    def _delivered(self, jobs: Sequence[Job], times: Sequence[int]) -> list[Job]:
        """Return those that are stored; the others wait for a job that is not in the ledger."""
        pairs = zip(jobs, times, strict=True)
        return [job for job, at in pairs if debounce.deliver(self._engine, job, at)]

    def _jobs(self, rows: Rows) -> list[Job]:
        """Return the jobs of rows; one that can't be read is logged and left out."""
        jobs = []
        for row in rows:
            try:
                jobs.append(job_of(row))
            except ValueError as error:
                logger.error("Job %s can't be stored from its row: %s", row.job_id, error)
        return jobs

    def _note_stored(self, jobs: Sequence[Job]) -> None:
        outbox.accept(self._engine, jobs)
        if jobs:
            self._engine.unsettled.mark_durable()
        self.report.stored += len(jobs)


def _differs(held: Note | None, round: int) -> bool:
    """Return whether Redis lacks a job in this round, or has ended it."""
    if held is None or not held.has_task:
        return True
    return held.round < round or (held.round == round and held.state.is_final)
