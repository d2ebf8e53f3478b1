"""The fields of a stored record of a job, and how each is read."""

from collections.abc import Callable
from typing import Any

from django_jobqueue.jobs.states import STATE_OF
from django_jobqueue.jobs.text import MAX_NUMBER, ms, number, text


def _ms_or_none(value: bytes) -> int | None:
    return ms(value) or None


def expiry_ms(expires: str, enqueued_at: int) -> int | None:
    """Return an expiry as ms since the epoch; None if there is none, or it is not known yet."""
    if not expires.startswith("+"):
        return int(expires) if expires else None
    return min(enqueued_at + int(expires), MAX_NUMBER - 1) if enqueued_at else None


def _expiry(value: bytes) -> str:
    found = text(value)
    return found if ms(found) else ""


# Their names in the class Job, and their parsers.
RECORD_FIELDS: dict[bytes, tuple[str, Callable[[bytes], Any]]] = {
    b"state": ("state", STATE_OF.__getitem__),
    b"queue": ("queue", text),
    b"task": ("task", text),
    b"priority": ("priority", number),
    b"max_attempts": ("max_attempts", number),
    b"max_recoveries": ("max_recoveries", number),
    b"schedule": ("schedule", text),
    b"nominal": ("nominal_at", _ms_or_none),
    b"enqueued_at": ("enqueued_at", ms),
    b"started_at": ("started_at", _ms_or_none),
    b"attempted_at": ("attempted_at", ms),
    b"finished_at": ("finished_at", _ms_or_none),
    b"took": ("took", ms),
    b"held_since": ("held_since", _ms_or_none),
    b"attempts": ("attempts", number),
    b"recoveries": ("recoveries", number),
    b"round": ("round", number),
    b"tags": ("tags", lambda value: tuple(text(value).split())),
    b"unique": ("unique", text),
    b"expires": ("expires", _expiry),
    b"limits": ("limits", lambda value: tuple(text(value).split())),
    b"fair": ("fair", text),
    b"flow": ("flow", text),
    b"step": ("step", number),
    b"parked": ("parked", text),
    b"worker": ("worker", text),
    b"fence": ("fence", text),
    b"reason": ("reason", text),
    b"cancel": ("cancel", text),
    b"payload": ("payload", bytes),  # unless it is long
}
