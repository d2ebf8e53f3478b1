"""What a row of the ledger holds to store its job again."""

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils import timezone

from django_jobqueue.engine.jobs import MILLISECOND
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.moments import in_zone
from django_jobqueue.jobs.states import State
from django_jobqueue.ledger.table import table

if TYPE_CHECKING:
    from django_jobqueue.models import Enqueued

# Of a job, beside its id and its payload; what has the value of a new job is left out.
FIELDS = (
    "queue",
    "priority",
    "max_attempts",
    "max_recoveries",
    "schedule",
    "nominal_at",
    "due_at",
    "tags",
    "expires",
    "unique",
    "fair",
    "limits",
)
_BLANK = Job("", "")


def row_of(job: Job, alias: str) -> "Enqueued":
    """Return the row of a job; if it is new, its delay and its expiry count from now on."""
    now = timezone.now()
    if job.expires.startswith("+"):
        job.expires = str((job.enqueued_at or _ms(now)) + int(job.expires))
    job.unique = re.sub(r" \+(\d+)", lambda ms: f" {_ms(now) + int(ms[1])}", job.unique)
    if job.delay is not None:
        job.due_at = _ms(now) + max(0, job.delay // MILLISECOND)
        job.delay = None
    return table()(
        job_id=UUID(job.id),
        alias=alias,
        record=_dumped(job),
        created_at=now,
        round=job.round,
    )


def job_of(row: "Enqueued") -> Job:
    """Return the job of a row, to be stored.

    Raises: ValueError if its record can't be read.
    """
    found = json.loads(row.record)
    if not isinstance(found, dict) or not isinstance(found.get("payload"), str):
        raise ValueError(f"the record of row {row.job_id} is no mapping with a payload")
    job = Job(str(row.job_id), str(found.get("task", "")))
    for name in FIELDS:
        if name in found:
            setattr(job, name, found[name])
    job.state = State.QUEUED if job.due_at is None else State.SCHEDULED
    job.tags, job.limits = tuple(job.tags), tuple(job.limits)
    job.payload, job.round = found["payload"].encode(), row.round
    if row.round > 1:  # somebody wants it again, after all
        job.expires = ""
    return job


def with_payload(row: "Enqueued", payload: bytes) -> str:
    """Return the row's record with another payload."""
    return _changed(row, payload=payload.decode())


def with_queue(row: "Enqueued", queue: str) -> str:
    """Return the row's record with another queue."""
    return _changed(row, queue=queue)


def _changed(row: "Enqueued", **fields: str) -> str:
    return json.dumps(json.loads(row.record) | fields, ensure_ascii=False)


def at(ms: int) -> datetime:
    """Return a time of Redis as the database takes it; 0: now."""
    return in_zone(ms) if ms else timezone.now()


def _dumped(job: Job) -> str:
    values: dict[str, Any] = {name: getattr(job, name) for name in FIELDS}
    given = {name: value for name, value in values.items() if value != getattr(_BLANK, name)}
    payload = (job.payload or b"").decode()
    return json.dumps({"task": job.task, **given, "payload": payload}, ensure_ascii=False)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
