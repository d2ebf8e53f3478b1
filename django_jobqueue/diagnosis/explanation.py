"""Why a job is not running, or where it runs, in sentences from the live state.

`explain` is for all: JobResult.explain(), the page of a job, and the command line.
"""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_jobqueue.compat import TaskResultDoesNotExist
from django_jobqueue.diagnosis.locks import lock
from django_jobqueue.engine import Engine
from django_jobqueue.engine.limits import KeyStats
from django_jobqueue.engine.situation import MINUTES, Situation, read_situation
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.result import JobResult
from django_jobqueue.jobs.states import OPEN, Reason, State
from django_jobqueue.jobs.text import one_line
from django_jobqueue.ledger import table

GRACE_MS = 2_000  # a job that is due is promoted within a second, if somebody is there to do it


def explain_result(engine: Engine, result: JobResult[..., Any]) -> list[str]:
    """Return sentences about the job of a result, which may not be stored yet.

    Raises: TaskResultDoesNotExist, QueueUnavailable.
    """
    if result.is_dropped:
        return [_("It was never stored: it was cancelled before its commit, or rolled back.")]
    if result.is_pending:
        return [_("It waits for the commit of its transaction, and is stored then.")]
    try:
        return explain(engine, result.id)
    except JobNotFound as error:
        raise TaskResultDoesNotExist(result.id) from error


def explain(engine: Engine, job_id: str) -> list[str]:
    """Return sentences that say why a job is not running, where it runs, or how it ended.

    Raises: JobNotFound, QueueUnavailable.
    """
    try:
        situation = read_situation(engine.client, job_id)
    except JobNotFound:
        if _waits_in_ledger(engine, job_id):
            return [_("It is written in the ledger, and waits until a worker stores it in Redis.")]
        winner = engine.locks.stands_for(job_id)
        if not winner:
            raise
        text = _("Job %(id)s stands for it, because it had the same unique key.")
        return [text % {"id": winner}, *explain(engine, winner)]
    return [*Explanation(situation, engine).sentences(), *lock(engine, situation.job)]


def _waits_in_ledger(engine: Engine, job_id: str) -> bool:
    database = engine.options.database
    if not table.has_row(database, engine.alias, job_id):
        return False
    return table.row(database, job_id).filter(state=OPEN).exists()


class Explanation:
    """The sentences about one situation."""

    def __init__(self, situation: Situation, engine: Engine) -> None:
        self._seen = situation
        self._job = situation.job
        self._engine = engine
        self._lease_ms = engine.options.lease_ms
        self._held_ms = int(engine.options.unknown_task_grace * 1000)
        self._queue = one_line(situation.job.queue)
        live = [one for one in situation.workers if one.is_live(situation.now, self._lease_ms)]
        self._live = {one.id: one for one in live}
        self._serving = [one for one in live if one.serves(situation.job.queue)]

    def sentences(self) -> list[str]:
        if self._job.state.is_final:
            return [self._end()]
        if self._job.state is State.RUNNING:
            return self._run()
        if self._job.state is State.WAITING:
            return [*self._wait(), *self._obstacles()]
        if self._job.state is State.SCHEDULED:
            return [*self._delay(), *self._obstacles()]
        return [*self._obstacles(), *self._line()]

    def _end(self) -> str:
        at = self._since(self._job.finished_at or 0)
        values = {"state": phrases.STATES[self._job.state], "time": at}
        if not self._job.reason:
            return _("It is final: %(state)s at %(time)s.") % values
        values["reason"] = phrases.reason(self._job.reason)
        return _("It is final: %(state)s at %(time)s, because %(reason)s.") % values

    def _run(self) -> list[str]:
        if self._seen.lease_ends is not None and self._seen.lease_ends <= self._seen.now:
            return self._lost()
        text = _("It runs now on %(worker)s, since %(time)s (attempt %(attempt)s of %(most)s).")
        values = {
            "worker": one_line(self._job.worker),
            "time": self._since(self._job.attempted_at),
            "attempt": phrases.count(self._job.attempt),
            "most": phrases.count(self._job.max_attempts),
        }
        found = [text % values]
        if self._job.cancelling:
            found.append(_("Somebody has cancelled it: its worker was told to end it."))
        holder = next((one for one in self._seen.workers if one.id == self._job.worker), None)
        if holder is None or holder.is_unseen(self._seen.now, self._lease_ms):
            text = _("Its worker is not seen any more. It is lost when its lease ends: %(time)s.")
            found.append(text % {"time": self._since(self._seen.lease_ends or 0)})
        return found

    def _lost(self) -> list[str]:
        """Tell of a lease that has ended; the reaper is part of every worker and scheduler."""
        values = {
            "worker": one_line(self._job.worker),
            "time": self._since(self._seen.lease_ends or 0),
        }
        text = _(
            "Its lease ended at %(time)s: its worker %(worker)s is gone, or cut off from Redis."
        )
        if self._job.recoveries < self._job.max_recoveries:
            then = _("It awaits the reaper of a worker, which puts it back into its queue.")
        else:
            then = _("It awaits the reaper of a worker, which fails it: it was lost too often.")
        return [text % values, then, *([] if self._live else [self._no_worker()])]

    def _wait(self) -> list[str]:
        """Tell for which key it waits, who runs instead, and who comes first."""
        if (key := self._seen.key) is None and self._job.flow:
            return [self._parents()]
        if key is None:
            return [_("It waits for something other than a time.")]
        found = [self._rate(key) if key.free_at else _holders(key)]
        if key.before:
            text = ngettext(
                "%(count)s job that waits for the same key comes first.",
                "%(count)s jobs that wait for the same key come first.",
                key.before,
            )
            found.append(text % {"count": phrases.count(key.before)})
        return found

    def _parents(self) -> str:
        """Tell for which members of its workflow it waits."""
        ids = self._engine.workflows.waits_for(self._job)
        if not ids:
            return _("It waits for its workflow, which is not stored whole yet.")
        values = {"ids": ", ".join(map(one_line, ids)), "flow": self._job.flow.partition(" ")[0]}
        return _("It waits for its parents in workflow %(flow)s, such as %(ids)s.") % values

    def _rate(self, key: KeyStats) -> str:
        text = _("It waits for the rate of the key %(key)s: the next job starts at %(time)s.")
        return text % {"key": one_line(key.name), "time": self._since(key.free_at)}

    def _delay(self) -> list[str]:
        found = []
        if self._job.reason == Reason.TASK_UNKNOWN:
            text = _(
                "Its task %(task)s is unknown to the worker that claimed it last: it is tried "
                "again, and fails if no worker knows the task by %(time)s."
            )
            until = self._since((self._job.held_since or self._seen.now) + self._held_ms)
            found.append(text % {"task": one_line(self._job.task), "time": until})
        elif self._job.reason:
            text = _("It was put off, because %(reason)s.")
            found.append(text % {"reason": phrases.reason(self._job.reason)})
        elif self._job.attempts:
            text = _("Attempt %(attempt)s of %(most)s failed, and it is to be tried again.")
            values = {
                "attempt": phrases.count(self._job.attempts),
                "most": phrases.count(self._job.max_attempts),
            }
            found.append(text % values)
        due = self._job.due_at or 0
        if due > self._seen.now:
            found.append(_("It is not due until %(time)s.") % {"time": self._since(due)})
        elif self._seen.now - due < GRACE_MS:
            found.append(_("It is due now."))
        else:
            text = _(
                "It is due since %(time)s, and no worker or scheduler has moved it to its queue."
            )
            found.append(text % {"time": self._since(due)})
        return found

    def _obstacles(self) -> list[str]:
        """Tell what keeps all jobs of the queue from being claimed."""
        found = []
        if (pause := self._seen.pause) is not None:
            found.append(paused(self._queue, self._since(pause.since), pause.by))
        if 0 < self._seen.limit <= self._seen.running:
            text = _("The queue %(queue)s runs %(count)s jobs, as many as it may (LIMITS).")
            values = {"queue": self._queue, "count": phrases.count(self._seen.running)}
            found.append(text % values)
        if not self._serving:
            found.append(self._no_worker())
        return found

    def _no_worker(self) -> str:
        if not self._live:
            return _("No worker is alive: start manage.py jobworker.")
        text = ngettext(
            "No live worker listens to the queue %(queue)s: %(count)s worker serves others.",
            "No live worker listens to the queue %(queue)s: %(count)s workers serve others.",
            len(self._live),
        )
        return text % {"queue": self._queue, "count": phrases.count(len(self._live))}

    def _line(self) -> list[str]:
        """Tell what is ahead of a queued job, and how long that may take."""
        before = self._seen.before
        if before is None:
            return [_("It is moving right now: ask again.")]
        found = [self._busy()] if self._serving else []
        if before:
            text = ngettext(
                "%(count)s job of its queue is ahead of it.",
                "%(count)s jobs of its queue are ahead of it.",
                before,
            )
            found.append(text % {"count": phrases.count(before)})
        else:
            found.append(_("It is the next of its queue."))
        if before and self._job.fair:
            text = _(
                "It waits for the turn of its key %(key)s: keys take turns, and later jobs of "
                "other keys may come before it."
            )
            found.append(text % {"key": one_line(self._job.fair)})
        if self._serving and self._seen.pause is None:
            found.append(self._pace(before))
        return [one for one in found if one]

    def _busy(self) -> str:
        """Tell of the slots of the workers that serve the queue, if all run jobs."""
        slots = sum(one.slots for one in self._serving)
        if sum(self._seen.busy.get(one.id, 0) for one in self._serving) < slots:
            return ""
        text = ngettext(
            "The only slot that serves its queue is busy.",
            "All %(count)s slots that serve its queue are busy.",
            slots,
        )
        return text % {"count": phrases.count(slots)}

    def _pace(self, before: int) -> str:
        if not self._seen.ended:
            text = ngettext(
                "No run of its queue has ended in the last minute, so nobody knows when it starts.",
                "No run of its queue has ended in the last %(count)s minutes, so nobody knows when "
                "it starts.",
                MINUTES,
            )
            return text % {"count": phrases.count(MINUTES)} if before else ""
        elapsed = max(1, self._seen.now - self._seen.counted_since)
        text = _("At the current rate, %(rate)s per minute, it starts in about %(span)s.")
        values = {
            "rate": phrases.count(max(1, round(self._seen.ended * 60_000 / elapsed))),
            "span": phrases.span((before + 1) * elapsed // self._seen.ended),
        }
        return text % values

    def _since(self, ms: int) -> str:
        return phrases.since(ms, self._seen.now)


def _holders(key: KeyStats) -> str:
    """Return the sentence about a key of which as many jobs run as may."""
    text = _("It waits for the key %(key)s, of which %(held)s of %(most)s jobs run: %(ids)s.")
    most = phrases.count(key.most or None)
    ids = [*key.holders, *(["…"] if key.held > len(key.holders) else [])]
    values = {"key": one_line(key.name), "held": phrases.count(key.held), "most": most}
    return text % {**values, "ids": one_line(", ".join(ids)) or "–"}


def paused(queue: str, since: str, by: str) -> str:
    """Return the sentence about a paused queue."""
    values = {"queue": queue, "time": since, "by": one_line(by)}
    if by:
        return _("The queue %(queue)s was paused by %(by)s at %(time)s.") % values
    return _("The queue %(queue)s was paused at %(time)s.") % values
