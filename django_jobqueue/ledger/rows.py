"""The two changes of a row that others take part in: it becomes final, or opens again.

Both happen in the transaction that is open, and so does what the receivers of their signals write.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models
from django.utils import timezone

from django_jobqueue.jobs.states import State
from django_jobqueue.models import Enqueued, LedgerState
from django_jobqueue.signals import job_reopened, job_settled

REASON_LENGTH = 100  # characters that a row holds


def open_row(database: str, job_id: str, round: int) -> "models.QuerySet[Enqueued]":
    """Return the row of a job, if it is open in this round."""
    rows = Enqueued.objects.using(database)
    return rows.filter(pk=UUID(job_id), round=round, state=LedgerState.OPEN)


def close(
    rows: "models.QuerySet[Enqueued]",
    known: dict[str, Any],
    *,
    state: State,
    value: str | None = None,
    reason: str = "",
    at: datetime | None = None,
    exception: BaseException | None = None,
) -> bool:
    """Make an open row final and tell of it; return whether there was one.

    `known` are further fields of the row: the receivers need not read them.
    """
    end = {
        "state": str(state),
        "result": value,
        "reason": reason[:REASON_LENGTH],
        "finished_at": at or timezone.now(),
    }
    if not rows.update(**end):
        return False
    if job_settled.has_listeners(Enqueued):
        fields = known | end
        names = [each.attname for each in Enqueued._meta.concrete_fields if each.attname in fields]
        row = Enqueued.from_db(rows.db, names, [fields[name] for name in names])
        job_settled.send(Enqueued, row=row, exception=exception)
    return True


def reopen(row: Enqueued, round: int, **fields: Any) -> None:
    """Open a row for another round, and tell of it."""
    blank = {"fence": "", "result": None, "reason": "", "finished_at": None, "accepted_at": None}
    changes = {"state": LedgerState.OPEN, "round": round, **blank, **fields}
    for name, value in changes.items():
        setattr(row, name, value)
    row.save(update_fields=list(changes))
    job_reopened.send(Enqueued, row=row)
