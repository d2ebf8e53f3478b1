"""How much one person may ask for: submissions a minute, and requests that are open at once.

A user is counted by the account, an anonymous person by the address and by the IP address,
whichever has more; all whose IP address is unknown count as one. Submissions at the same instant
don't see each other, so a few more may pass.
"""

import math
from datetime import datetime, timedelta
from typing import Any

from django.db import router
from django.db.models import Count, Min, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import ngettext

from django_jobqueue.requests import conf
from django_jobqueue.requests.models import JobRequest, RequestState
from django_jobqueue.requests.persons import Person

MINUTE = timedelta(minutes=1)


class LimitReached(Exception):
    """A person asks for too much; the text is for that person."""

    def __init__(self, text: str, retry_after: int) -> None:
        super().__init__(text)
        self.retry_after = retry_after  # seconds


def check(person: Person, *, tried_at: datetime | None = None) -> None:
    """Raise LimitReached if the person may not ask for one more, or try one again.

    A retry by the person counts as a submission, one by an operator does not. `tried_at`: when the
    person last tried this request again, if ever.
    """
    options, now = conf.load(), timezone.now()
    if tried_at is not None and tried_at > now - MINUTE:  # its row counts only once
        raise _too_fast(1, tried_at, now)
    recent = Q(created_at__gt=now - MINUTE) | Q(tried_at__gt=now - MINUTE)
    for rows in _counted(person):
        found = rows.aggregate(
            recent=Count("pk", filter=recent),
            first=Min(Coalesce("tried_at", "created_at"), filter=recent),
            open=Count("pk", filter=Q(state=RequestState.OPEN)),
        )
        if found["open"] >= options.open_requests:
            raise LimitReached(_too_many_open(options.open_requests), 30)
        if found["recent"] >= options.submissions_per_minute:
            raise _too_fast(options.submissions_per_minute, found["first"], now)


def _counted(person: Person) -> list["QuerySet[JobRequest]"]:
    """Return the requests that count as the person's, by each way to know the person."""
    since = timezone.now() - MINUTE
    recent = Q(created_at__gt=since) | Q(tried_at__gt=since) | Q(state=RequestState.OPEN)
    rows: Any = JobRequest.objects.using(router.db_for_write(JobRequest)).filter(recent)
    if person.user is not None:
        return [rows.filter(owner=person.user)]
    known: list[dict[str, Any]] = [{"ip": person.ip}]
    if person.address:
        known.append({"address__iexact": person.address})
    return [rows.filter(owner=None, **one) for one in known]


def _too_many_open(most: int) -> str:
    text = ngettext(
        "You have %(most)d request in progress, which is as many as you may have at once. Wait "
        "until it is done, or cancel it.",
        "You have %(most)d requests in progress, which is as many as you may have at once. Wait "
        "until one is done, or cancel one.",
        most,
    )
    return text % {"most": most}


def _too_fast(most: int, first: datetime | None, now: datetime) -> LimitReached:
    """Return what tells the person to wait until the first of these is a minute ago."""
    wait = max(1, math.ceil(((first or now) + MINUTE - now).total_seconds()))
    text = ngettext(
        "That was quick: %(most)d request a minute is the most that is taken. Please try again in "
        "%(wait)d s.",
        "That was quick: %(most)d requests a minute are the most that are taken. Please try again "
        "in %(wait)d s.",
        most,
    )
    return LimitReached(text % {"most": most, "wait": wait}, wait)
