"""How far Redis and the ledger are apart: the one figure to watch."""

from typing import NamedTuple

from django.db.models import Count, Min
from django.utils import timezone

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import OPEN
from django_jobqueue.ledger.table import rows


class Lag(NamedTuple):
    """The durable jobs of an alias that one of the two does not know of yet."""

    waiting: int  # rows whose jobs Redis has not stored
    seconds: float  # the age of the oldest of them
    unsettled: int  # ends in Redis that are not written to their rows


def lag(engine: Engine) -> Lag:
    """Return the lag of an alias.

    Raises: QueueUnavailable, and what the database raises.
    """
    own = rows(engine.options.database).filter(alias=engine.alias)
    waiting = own.filter(accepted_at=None, state=OPEN)
    found = waiting.aggregate(many=Count("pk"), oldest=Min("created_at"))
    age = (timezone.now() - found["oldest"]).total_seconds() if found["oldest"] else 0.0
    return Lag(found["many"], max(0.0, age), engine.unsettled.count())
