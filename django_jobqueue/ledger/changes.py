"""The two changes of a row that others take part in: it becomes final, or opens again.

Both happen in the transaction that is open, and so does what the receivers of their signals write.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.utils import timezone

from django_jobqueue.jobs.states import DUPLICATE, OPEN, State
from django_jobqueue.ledger.table import table
from django_jobqueue.signals import job_reopened, job_settled

if TYPE_CHECKING:
    from django_jobqueue.models import Enqueued

REASON_LENGTH = 100  # characters that a row holds


def final_state(row: "Enqueued") -> State:
    """Return the state that a job has in Redis whose row is final."""
    return State.CANCELLED if row.state == DUPLICATE else State(row.state)


def close(
    rows: "QuerySet[Enqueued]",
    known: dict[str, Any],
    *,
    state: State | str,
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
    model, fields = table(), known | end
    if job_settled.has_listeners(model):
        names = [each.attname for each in model._meta.concrete_fields if each.attname in fields]
        row = model.from_db(rows.db, names, [fields[name] for name in names])
        job_settled.send(model, row=row, exception=exception)
    return True


def reopen(row: "Enqueued", round: int, **fields: Any) -> None:
    """Open a row for another round, and tell of it."""
    blank = {"fence": "", "result": None, "reason": "", "finished_at": None, "accepted_at": None}
    changes = {"state": OPEN, "round": round, **blank, **fields}
    for name, value in changes.items():
        setattr(row, name, value)
    row.save(update_fields=list(changes))
    job_reopened.send(type(row), row=row)
