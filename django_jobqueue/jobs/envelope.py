"""What a task says of its jobs besides the arguments: metadata, tags, times of start and removal.

Each function raises InvalidTask, with the value and what is allowed.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from django_jobqueue.compat import InvalidTask
from django_jobqueue.exceptions import YEAR
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.payload import pure_metadata
from django_jobqueue.jobs.states import State

Moment = datetime | timedelta
MILLISECOND = timedelta(milliseconds=1)
MINUTE = timedelta(minutes=1)
MAX_TAGS = 5  # of a job
MAX_TAG = 64  # characters


def check_tags(task: str, given: Any) -> tuple[str, ...]:
    """Return the tags of a task or a job, each once."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise InvalidTask(f'{task}: tags={given!r} must be a list, such as ["tenant:7"].')
    tags = list(given)
    for tag in tags:
        check_tag(tag, task)
    if len(set(tags)) > MAX_TAGS:
        raise InvalidTask(f"{task}: tags={tags!r} are {len(set(tags))}: a job has at most 5.")
    return tuple(dict.fromkeys(tags))


def check_tag(tag: object, where: str) -> None:
    """Check one tag."""
    is_word = isinstance(tag, str) and tag.isprintable() and " " not in tag
    if not is_word or not 0 < len(str(tag)) <= MAX_TAG:
        raise InvalidTask(
            f"{where}: the tag {tag!r} must be a string of 1 to 64 printable characters without "
            "white space."
        )


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


def check_retention(task: str, retention: object, unique: Any) -> None:
    """Check the option `retention` of a task, which may be unique for a time."""
    if retention is None:
        return
    if not isinstance(retention, timedelta) or not MINUTE <= retention <= timedelta(0, YEAR):
        raise InvalidTask(
            f"{task}: retention={retention!r} must be a timedelta from 1 minute to 366 days."
        )
    window = unique.until if unique else None
    if isinstance(window, timedelta) and window > retention:
        raise InvalidTask(
            f"{task}: retention={retention!r} is shorter than until={window!r} of its Unique: the "
            "lock would go with its job."
        )


def keep_ms(task: Any, most: float) -> int:
    """Return how long a task's succeeded jobs are kept; 0: as long as others, `most` seconds."""
    kept: timedelta | None = getattr(task, "retention", None)
    return kept // MILLISECOND if kept is not None and kept.total_seconds() < most else 0


def is_plain(task: Any) -> bool:
    """Return whether calls of the task say nothing but their arguments: most tasks' do."""
    keys = task.unique or task.concurrency or task.rate or task.fair_by
    return not (keys or task.metadata or task.tags or task.expires)


def fill(job: Job, task: Any) -> None:
    """Put the metadata, the tags and the expiry of a called task into its new job."""
    if metadata := getattr(task, "metadata", None):
        job.metadata = pure_metadata(metadata)
    job.tags = getattr(task, "tags", ())
    if getattr(task, "expires", None) is not None:
        job.expires = _expiry(task)


def check(job: Job) -> None:
    """Check the tags of a new job."""
    if job.tags:
        job.tags = check_tags(job.task, job.tags)


def _expiry(task: Any) -> str:
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


def defer(job: Job, run_after: datetime | timedelta) -> None:
    """Give a new job the time at which it is due; a timedelta counts from its storing."""
    job.state = State.SCHEDULED
    if isinstance(run_after, timedelta):
        job.delay = run_after
    else:
        job.due_at = int(run_after.timestamp() * 1000)
