"""How long requests of a task take, from those that ended lately."""

import time
from statistics import median

from django_jobqueue.requests.models import JobRequest, RequestState

LATEST = 20  # requests that are looked at
KEPT = 60.0  # seconds that a process keeps an estimate

_kept: dict[str, tuple[float, float | None]] = {}  # by task: until when, value


def expected(task: str) -> float | None:
    """Return the seconds that a request of a task is expected to take; None if none is known.

    It is the median of the latest, with the time in the queue. A new request keeps it in its row,
    so that no poll asks for it.
    """
    until, found = _kept.get(task, (0.0, None))
    if time.monotonic() >= until:
        found = _median(task)
        _kept[task] = (time.monotonic() + KEPT, found)
    return found


def forget() -> None:
    """Forget all estimates."""
    _kept.clear()


def _median(task: str) -> float | None:
    done = (RequestState.SUCCEEDED, RequestState.PARTLY)
    rows = JobRequest.objects.filter(task=task, state__in=done, finished_at__isnull=False)
    latest = rows.order_by("-finished_at")
    rows = latest.only("created_at", "reopened_at", "finished_at")[:LATEST]
    seconds = [row.ended_after for row in rows if row.ended_after is not None]
    return median(seconds) if seconds else None
