"""What a call says of its job besides the arguments: by when it is to be started.

Each function raises InvalidTask, with the value and what is allowed.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from django_jobqueue.compat import InvalidTask
from django_jobqueue.exceptions import YEAR

Moment = datetime | timedelta
MILLISECOND = timedelta(milliseconds=1)


def check_expires(task: str, expires: object) -> None:
    """Check the option `expires` of a task."""
    if expires is None:
        return
    if isinstance(expires, datetime):
        if settings.USE_TZ and timezone.is_naive(expires):
            raise InvalidTask(f"{task}: expires={expires!r} has no time zone: make it aware.")
    elif not isinstance(expires, timedelta) or not MILLISECOND <= expires <= timedelta(0, YEAR):
        raise InvalidTask(
            f"{task}: expires={expires!r} must be a timedelta from 1 ms to 366 days, which counts "
            "from the enqueue, or a datetime."
        )


def expiry(task: Any) -> str:
    """Return `expires` of a call as its job holds it: ms, or "+" and ms from when it is stored."""
    expires, run_after = task.expires, task.run_after
    if run_after is not None and _at(expires) <= _at(run_after):
        raise InvalidTask(
            f"{task.module_path}: expires={expires!r} is not after run_after={run_after!r}: no job "
            "could start in time."
        )
    if isinstance(expires, timedelta):
        return f"+{expires // MILLISECOND}"
    return str(max(1, int(expires.timestamp() * 1000)))


def _at(moment: Moment) -> float:
    """Return a moment as seconds since the epoch; a timedelta counts from now on."""
    if isinstance(moment, timedelta):
        return timezone.now().timestamp() + moment.total_seconds()
    return moment.timestamp()
