"""Change all jobs that match, by a job of its own: as many as there are, and safe to repeat.

What was stored or has ended after the job was enqueued is left alone, and a requeue carries the
job's id as its nonce. So a run that goes on where another one was killed changes no job twice.
"""

import secrets
import zlib
from typing import Any

from django.utils.translation import gettext as _

from django_jobqueue import compat
from django_jobqueue.engine import Engine, get_engine
from django_jobqueue.engine.claims import ALL_QUEUES
from django_jobqueue.engine.server import read_server
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.context import JobContext
from django_jobqueue.jobs.job import Job as Snapshot
from django_jobqueue.jobs.result import JobResult
from django_jobqueue.models import Job
from django_jobqueue.retry import Exponential
from django_jobqueue.steering import audit
from django_jobqueue.steering.job_action import (
    DELETE,
    ActionReport,
    JobAction,
    action_named,
    apply,
)
from django_jobqueue.steering.matching import Matcher
from django_jobqueue.steering.selection import Selection
from django_jobqueue.task import task

QUEUE = "all-matching"  # if the default one is paused, and workers serve all queues
PARTS = 20  # jobs that a change over time is divided among
URGENT = 100  # priority: it is not to wait for the jobs that it changes
CHANGE, DELETION = 2, 3  # flags of the admin's log, which not every project installs


@task(
    takes_context=True,
    durable=False,
    max_attempts=10,
    max_recoveries=100,
    backoff=Exponential(base=2, cap=300),
)
def change_matching(
    context: JobContext,
    action: str,
    chosen: dict[str, Any],
    user: int | str | None,
    part: int,
    parts: int,
) -> dict[str, int]:
    """Apply an action to the jobs of a selection; return how many this run has changed or not."""
    return Change(context, action_named(action), Selection.from_json(chosen), part, parts).run(user)


def start(
    alias: str,
    action: JobAction,
    chosen: Selection,
    user: int | str | None,
    spread: int = 0,
) -> list[JobResult[..., Any]]:
    """Enqueue what changes all that match, over `spread` seconds; return the results of its jobs.

    They share a tag, by which they can be found and cancelled together.
    Raises: QueueUnavailable.
    """
    parts = PARTS if spread else 1
    named = change_matching.using(
        backend=alias, queue_name=_queue(get_engine(alias)), priority=URGENT
    )
    tagged = named.using(tags=[f"{action.kind}:{secrets.token_hex(4)}"])
    calls = [(action.name, chosen.as_json(), user, part, parts) for part in range(parts)]
    return list(tagged.enqueue_many(calls, spread=spread or None))


def _queue(engine: Engine) -> str:
    """Return a queue that is allowed, not paused, and served by a live worker, if there is one."""
    allowed = compat.task_backends[engine.alias].queues
    now, lease_ms = read_server(engine.client).now, engine.options.lease_ms
    live = [one for one in engine.inspector.workers() if one.is_live(now, lease_ms)]
    named = [name for one in live for name in one.queues if name != ALL_QUEUES]
    wanted = dict.fromkeys([compat.DEFAULT_TASK_QUEUE_NAME, *sorted(named), QUEUE])
    names = [name for name in wanted if not allowed or name in allowed] or sorted(allowed)
    for one in engine.inspector.queue_stats(names):
        if not one.paused and any(worker.serves(one.name) for worker in live):
            return one.name
    return names[0]


class Change:
    """One run of a change."""

    def __init__(
        self, context: JobContext, action: JobAction, chosen: Selection, part: int, parts: int
    ) -> None:
        result = context.task_result
        self._context = context
        self._action = action
        self._chosen = chosen
        self._part, self._parts = part, parts
        self._id = result.id
        self._engine = get_engine(result.backend)
        (own,) = self._engine.inspector.jobs([result.id])
        self._started = own.enqueued_at
        self._changed: list[Job] = []  # as many as have entries of their own in the log
        self._counts = {"changed": 0, "told_to_end": 0, "refused": 0, "missing": 0}

    def run(self, user: int | str | None) -> dict[str, int]:
        matcher, looked = Matcher(self._engine, self._chosen), 0
        total = self._chosen.count(self._engine)
        for page in self._chosen.walk(self._engine):
            looked += len(page)
            self._apply([job for job in matcher.matching(page) if self._is_meant(job)])
            self._tell(looked, max(total, looked))
        self._audit(user)
        return self._counts

    def _is_meant(self, job: Snapshot) -> bool:
        """Return whether the change was there when it was asked for, and falls to this part."""
        if job.id == self._id or zlib.crc32(job.id.encode()) % self._parts != self._part:
            return False
        return _latest(job, self._action) <= self._started

    def _apply(self, jobs: list[Snapshot]) -> None:
        rows = [Job.of(self._engine.alias, job) for job in jobs]
        report = apply(self._action, rows, nonce=self._id)
        self._count(report)
        if report.fault:
            raise QueueUnavailable(report.fault)

    def _count(self, report: ActionReport) -> None:
        done = report.done
        self._counts["changed"] += len(done)
        self._counts["told_to_end"] += len(report.told_to_end)
        self._counts["refused"] += sum(report.refused.values())
        self._counts["missing"] += report.missing
        self._changed += done[: max(0, audit.EACH + 1 - len(self._changed))]

    def _tell(self, looked: int, total: int) -> None:
        changed = phrases.count(self._counts["changed"])
        text = _("looked at, %(changed)s changed")
        self._context.progress(looked, total, text % {"changed": changed})

    def _audit(self, user: int | str | None) -> None:
        """Write an entry for each job, unless one tells of all: see `start`."""
        if len(self._changed) <= audit.EACH:
            flag = DELETION if self._action is DELETE else CHANGE
            audit.note(user, self._changed, str(self._action.log), flag, "")


def _latest(job: Snapshot, action: JobAction) -> int:
    """Return when a job last became what the action is for."""
    if action.script == "requeue" or (action is DELETE and job.state.is_final):
        return max(job.enqueued_at, job.attempted_at, job.finished_at or 0)
    return job.enqueued_at
