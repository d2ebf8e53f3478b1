"""How a request stands: what its row tells and, while it is open, what Redis tells of its job.

Reading it costs one round trip to Redis, none once the request has ended.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import Progress
from django_jobqueue.requests.engines import engine_of
from django_jobqueue.requests.models import JobRequest

ENOUGH = 5  # percent done from which the rest is estimated by the speed so far
SYMBOLS = {"succeeded": "✔", "partly": "◐", "failed": "✖", "cancelled": "⊘"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A request at one instant."""

    job_request: JobRequest
    now: datetime
    job: Job | None = None  # None: the request has ended, or Redis doesn't know the job (yet)
    place: int | None = None  # how many jobs are before it
    lease_ends: int = 0  # ms since the epoch; 0: it does not run, or that is not known
    is_away: bool = False  # Redis does not answer

    @property
    def done(self) -> bool:
        return self.job_request.is_final

    @property
    def state(self) -> str:
        """Return the request's state if it is final, else its job's."""
        if self.done:
            return self.job_request.state
        return str(self.job.state if self.job else "open" if self.is_away else State.QUEUED)

    @property
    def symbol(self) -> str:
        return SYMBOLS.get(self.job_request.state, "")

    @property
    def progress(self) -> Progress | None:
        if self.done or self.job is None or self.job.progress is None:
            return None
        return Progress(*self.job.progress)

    @property
    def text(self) -> str:
        """Return how it stands in a few words."""
        if self.done:
            return self.job_request.get_state_display().capitalize()
        if self.is_away:
            return _("In progress. How far it is can't be told at the moment.")
        if self.job is None:
            return _("Waiting for its turn")
        if self.job.cancelling:
            return _("Being cancelled")
        if self.job.state is State.QUEUED:
            return _place(self.place)
        return _OF_STATE[self.job.state]()

    @property
    def detail(self) -> str:
        """Return what the job tells of its progress, in one line."""
        progress = self.progress
        if progress is None:
            return ""
        if not progress.total:
            return progress.text
        values = {"percent": progress.percent, "text": progress.text}
        return (_("%(percent)d %% %(text)s") % values).strip()

    @property
    def elapsed(self) -> float:
        """Return the seconds since it was asked for, or that it took."""
        took = self.job_request.ended_after
        return self.job_request.age(self.now) if took is None else max(0.0, took)

    @property
    def remaining(self) -> float | None:
        """Return the seconds until it will be done, by its own speed or by that of others."""
        if self.done or self.is_away:
            return None
        by_speed = self._by_speed()
        if by_speed is not None:
            return by_speed
        expected = self.job_request.expected
        return expected - self.elapsed if expected and expected > self.elapsed else None

    def _by_speed(self) -> float | None:
        """Return the seconds that the rest takes, unless the job's worker may be dead."""
        progress, now = self.progress, self.now.timestamp() * 1000
        if progress is None or self.job is None or self.lease_ends < now:
            return None
        if progress.percent < ENOUGH or progress.current > progress.total:
            return None
        ran = max(0.0, now - self.job.attempted_at) / 1000
        return ran * (progress.total - progress.current) / progress.current

    @property
    def times(self) -> str:
        """Return how long it has taken and how long it will take, in words."""
        values = {"elapsed": spoken(self.elapsed)}
        if self.done:
            return _("It took %(elapsed)s.") % values
        if self.remaining is None:
            return _("Requested %(elapsed)s ago.") % values
        values["remaining"] = spoken(self.remaining)
        return _("Requested %(elapsed)s ago, about %(remaining)s left.") % values

    @property
    def retry_after(self) -> int:
        """Return the whole seconds after which to ask again: more, the longer it takes."""
        age = self.elapsed
        return 1 if age < 30 else 2 if age < 120 else 5 if age < 600 else 10

    def as_json(self) -> dict[str, Any]:
        """Return it as a long-running operation: when done, either a result or an error."""
        row, progress = self.job_request, self.progress
        return {
            "id": row.public_id,
            "title": row.title,
            "done": self.done,
            "state": self.state,
            "text": self.text,
            "progress": progress and {**progress._asdict(), "percent": progress.percent},
            "detail": self.detail,
            "place": self.place,
            "created": row.created_at.isoformat(),
            "finished": row.finished_at and row.finished_at.isoformat(),
            "elapsed": round(self.elapsed, 1),
            "remaining": None if self.remaining is None else round(self.remaining, 1),
            "times": self.times,
            "result": _result(row),
            "error": _error(row),
            "links": _links(row),
        }


def of(job_request: JobRequest) -> Status:
    """Return how a request stands now."""
    now = timezone.now()
    if job_request.is_final or job_request.job_id is None:
        return Status(job_request=job_request, now=now)
    try:
        inspector = engine_of(job_request.alias).inspector
        job, place, lease_ends = inspector.glance(str(job_request.job_id), job_request.queue)
    except JobQueueError:
        return Status(job_request=job_request, now=now, is_away=True)
    return Status(job_request=job_request, now=now, job=job, place=place, lease_ends=lease_ends)


def of_each(job_requests: Sequence[JobRequest]) -> list[Status]:
    """Return how many requests stand now, without places and leases; one round trip per alias."""
    now = timezone.now()
    jobs: dict[str, Job] = {}
    is_open = [row for row in job_requests if not row.is_final and row.job_id]
    for alias in {row.alias for row in is_open}:
        with suppress(JobQueueError):
            ids = [str(row.job_id) for row in is_open if row.alias == alias]
            jobs |= {job.id: job for job in engine_of(alias).inspector.jobs(ids)}
    return [
        Status(job_request=row, now=now, job=None if row.is_final else jobs.get(str(row.job_id)))
        for row in job_requests
    ]


def spoken(seconds: float) -> str:
    """Return a duration in words, about as exact as people say it."""
    whole = max(1, round(seconds))
    if whole < 60:
        return ngettext("%(n)d second", "%(n)d seconds", whole) % {"n": whole}
    minutes = round(whole / 60)
    if minutes < 60:
        return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}
    hours = round(minutes / 60)
    if hours < 48:
        return ngettext("%(n)d hour", "%(n)d hours", hours) % {"n": hours}
    days = round(hours / 24)
    return ngettext("%(n)d day", "%(n)d days", days) % {"n": days}


_OF_STATE = {
    State.SCHEDULED: lambda: _("Waiting for its time"),
    State.WAITING: lambda: _("Waiting for its turn"),
    State.RUNNING: lambda: _("In progress"),
    # The job has ended, and its request ends a moment later.
    State.SUCCEEDED: lambda: _("Nearly done"),
    State.FAILED: lambda: _("Nearly done"),
    State.CANCELLED: lambda: _("Being cancelled"),
}


def _place(before: int | None) -> str:
    if before is None:
        return _("Waiting for its turn")
    if not before:
        return _("Waiting: it is next")
    text = ngettext("Waiting: %(n)d before you", "Waiting: %(n)d before you", before)
    return text % {"n": before}


def _result(row: JobRequest) -> dict[str, Any] | None:
    if row.state not in {"succeeded", "partly"}:
        return None
    return {
        "text": row.result_text,
        "url": row.result_url,
        "file": row.download_url if row.has_file else None,
        "failures": row.failures,
    }


def _error(row: JobRequest) -> dict[str, str] | None:
    if row.state not in {"failed", "cancelled"}:
        return None
    return {"code": row.state, "message": row.error_text}


def _links(row: JobRequest) -> dict[str, str]:
    found = {"self": row.get_absolute_url()}
    if not row.is_final:
        found["cancel"] = row.cancel_url
    elif row.can_retry:
        found["retry"] = row.retry_url
    return found
