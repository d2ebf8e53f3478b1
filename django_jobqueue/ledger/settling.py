"""End the rows of durable jobs that ended without a slot, as Redis has noted it.

A row that is final already wins: then the job in Redis is set to its state.
Next: reconciling.py does so regularly.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from django.db import transaction

from django_jobqueue.engine import Engine
from django_jobqueue.engine.unsettled import Note
from django_jobqueue.exceptions import (
    JobCancelled,
    JobInterrupt,
    JobNotFound,
    JobQueueError,
    JobTimeout,
)
from django_jobqueue.jobs.states import Reason, State
from django_jobqueue.ledger.changes import close, final_state
from django_jobqueue.ledger.record import at
from django_jobqueue.ledger.table import open_row, row

logger = logging.getLogger("django_jobqueue.worker")

PAGE = 100  # notes read at once
PAUSES = (1.0, 60.0)  # seconds until a note is tried again that could not be written; doubled


class Settling:
    """The notes of one alias."""

    def __init__(self, engine: Engine, tidy: Callable[[], object]) -> None:
        """Call `tidy` after each note, because its receivers may leave a connection unusable."""
        self._engine = engine
        self._tidy = tidy
        # When an end is tried again (monotonic), and the pause after that; by id and round.
        self._failed: dict[tuple[str, int], tuple[float, float]] = {}

    def settle_all(self, still: Callable[[], object]) -> int:
        """Write the rows of all notes; return how many were handled; call `still` before each.

        A note whose row can't be written stays, and is tried again.
        Raises: QueueUnavailable.
        """
        handled, stay = 0, 0
        while notes := self._engine.unsettled.read(stay, PAGE):
            for member, note in notes.items():
                still()
                if note is None or self.is_settled(note):  # what can't be read helps nobody
                    self._engine.unsettled.drop([member])
                    handled += 1
                else:
                    stay += 1
        return handled

    def is_settled(self, note: Note) -> bool:
        """Write an end to its row, unless that failed a moment ago; return whether it is done.

        Raises: QueueUnavailable.
        """
        due, pause = self._failed.get(note[:2], (0.0, PAUSES[0]))
        if time.monotonic() < due:
            return False
        try:
            settle(self._engine, note)
        except JobQueueError:
            raise
        except Exception:  # of the database, or of a receiver
            self._failed[note[:2]] = (time.monotonic() + pause, min(2 * pause, PAUSES[1]))
            with suppress(Exception):  # the log may be unable to format it
                logger.exception("The end of a durable job can't be written to its row: %s", note)
            return False
        finally:
            self._tidy()
        self._failed.pop(note[:2], None)
        return True


def settle(engine: Engine, note: Note) -> bool:
    """Write an end to its row, or set the job to what the row says; return whether it was written.

    Raises: ValueError if it is no end; QueueUnavailable, and what the database or a receiver
    raises.
    """
    if not note.state.is_final:
        raise ValueError(f"Job {note.id} has not ended: it is {note.state}.")
    database = engine.options.database
    value = engine.unsettled.value(note.id) if note.state is State.SUCCEEDED else None
    with transaction.atomic(using=database):
        known = {"job_id": UUID(note.id), "alias": engine.alias, "round": note.round}
        if close(
            open_row(database, note.id, note.round),
            known,
            state=note.state,
            value=value,
            reason=note.reason,
            at=at(note.at),
            exception=exception_of(note.state, note.reason),
        ):
            return True
    found = row(database, note.id).filter(round=note.round).first()
    if found is not None and found.is_final and final_state(found) is not note.state:
        end = (final_state(found), found.reason, found.result or "")
        with suppress(JobNotFound):
            engine.unsettled.settle(note.id, note.round, *end)
    return False


def exception_of(state: State, reason: str) -> JobInterrupt | None:
    """Return the exception with which a slot would have ended a job, if there is one."""
    if state is State.CANCELLED:
        return JobCancelled(reason)
    return JobTimeout() if reason == Reason.TIMED_OUT else None
