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


def check(person: Person, *, is_new: bool = True) -> None:
    """Raise LimitReached if the person may not have one more request open.

    `is_new`: it is a submission; otherwise an ended request is retried.
    """
    options, now = conf.load(), timezone.now()
    for rows in _counted(person):
        found = rows.aggregate(
            recent=Count("pk", filter=Q(created_at__gt=now - MINUTE)),
            first=Min("created_at", filter=Q(created_at__gt=now - MINUTE)),
            open=Count("pk", filter=Q(state=RequestState.OPEN)),
        )
        if found["open"] >= options.open_requests:
            raise LimitReached(_too_many_open(options.open_requests), 30)
        if is_new and found["recent"] >= options.submissions_per_minute:
            wait = _seconds_until(found["first"], now)
            raise LimitReached(_too_fast(options.submissions_per_minute, wait), wait)


def _counted(person: Person) -> list["QuerySet[JobRequest]"]:
    """Return the requests that count as the person's, by each way to know the person."""
    recent = Q(created_at__gt=timezone.now() - MINUTE) | Q(state=RequestState.OPEN)
    rows: Any = JobRequest.objects.using(router.db_for_write(JobRequest)).filter(recent)
    if person.user is not None:
        return [rows.filter(owner=person.user)]
    known: list[dict[str, Any]] = [{"ip": person.ip}]
    if person.address:
        known.append({"address__iexact": person.address})
    return [rows.filter(owner=None, **one) for one in known]


def _seconds_until(first: datetime | None, now: datetime) -> int:
    return max(1, math.ceil(((first or now) + MINUTE - now).total_seconds()))


def _too_many_open(most: int) -> str:
    text = ngettext(
        "You have %(most)d request in progress, which is as many as you may have at once. Wait "
        "until it is done, or cancel it.",
        "You have %(most)d requests in progress, which is as many as you may have at once. Wait "
        "until one is done, or cancel one.",
        most,
    )
    return text % {"most": most}


def _too_fast(most: int, wait: int) -> str:
    text = ngettext(
        "That was quick: %(most)d request a minute is the most that is taken. Please try again in "
        "%(wait)d s.",
        "That was quick: %(most)d requests a minute are the most that are taken. Please try again "
        "in %(wait)d s.",
        most,
    )
    return text % {"most": most, "wait": wait}
