"""Sign the payloads of rows with the newest signing key, so that an older one can be removed."""

from typing import TYPE_CHECKING
from uuid import UUID

from django_jobqueue.engine import Engine
from django_jobqueue.exceptions import BadSignature
from django_jobqueue.ledger.record import job_of, with_payload
from django_jobqueue.ledger.table import is_there, rows

if TYPE_CHECKING:
    from django_jobqueue.models import Enqueued

PAGE = 100  # rows read at once: at most 6 MiB by the default cap of a payload


def re_sign_rows(engine: Engine) -> int:
    """Sign the payloads of all rows again that an older key signed; return how many."""
    if not is_there(engine.options.database):
        return 0
    own = rows(engine.options.database).filter(alias=engine.alias)
    changed, last = 0, UUID(int=0)
    while page := list(own.filter(pk__gt=last).order_by("pk")[:PAGE]):
        last = page[-1].job_id
        changed += sum(_re_sign(engine, row) for row in page)
    return changed


def _re_sign(engine: Engine, row: "Enqueued") -> int:
    """Sign the payload of a row again if an older key signed it; return 1 if so, else 0.

    A row that was changed meanwhile is left as it is.
    """
    try:
        job = job_of(row)
        data = engine.signer.verify(job.id, job.task, job.payload or b"")
    except (ValueError, BadSignature):
        return 0
    signed = engine.signer.sign(job.id, job.task, data)
    if signed == job.payload:
        return 0
    unchanged = rows(engine.options.database).filter(pk=row.pk, record=row.record)
    return unchanged.update(record=with_payload(row, signed))
