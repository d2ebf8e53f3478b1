"""What is wrong with an alias, in sentences, the worst first."""

from collections.abc import Iterator
from typing import NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_jobqueue.diagnosis.explanation import paused
from django_jobqueue.diagnosis.overview import WAITING, Overview
from django_jobqueue.engine.queue_reader import QueueStats
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.text import one_line

FULL = 0.9  # of the memory
LAG = 60.0  # seconds that the ledger may be behind
LONG_WAIT_MS = 600_000
DAY_MS = 86_400_000
MANY_FAILURES = 0.1  # of the runs that ended
FEW_FAILURES = 10  # up to which a share says little, and would come and go with each run
GONE_MS = 3_600_000  # a worker that was last seen before that is no news
MOST_NAMED = 10  # queues, workers or schedules; the others are counted


class Problem(NamedTuple):
    """One thing that is wrong."""

    about: str  # what one must be allowed to view to know it: queue, worker or schedule
    text: str
    name: str = ""  # of the one that it is about, if it is about one


def problems(seen: Overview) -> list[Problem]:
    """Return what is wrong with an alias."""
    found = [Problem("queue", text) for text in _server(seen)]
    for kind in (_queues, _workers, _schedules):
        found += _shortened(kind(seen))
    return found + [Problem("queue", text) for text in (*_failures(seen), *_ledger(seen))]


def _shortened(every: Iterator[Problem]) -> list[Problem]:
    found = list(every)
    named, left = found[:MOST_NAMED], len(found) - MOST_NAMED
    if left > 0:
        text = ngettext("…and %(count)s more like this.", "…and %(count)s more like these.", left)
        named.append(Problem(found[0].about, text % {"count": phrases.count(left)}))
    return named


def _server(seen: Overview) -> Iterator[str]:
    memory = seen.server.memory
    if memory is not None and memory.most and memory.used >= FULL * memory.most:
        text = _("Redis uses %(share)s %% of its memory: when it is full, it takes no new jobs.")
        yield text % {"share": phrases.count(memory.used * 100 // memory.most)}


def _queues(seen: Overview) -> Iterator[Problem]:
    """Tell of jobs that nobody runs."""
    waiting = [one for one in seen.by_urgency() if _waiting(one)]
    if not seen.live:
        yield Problem("queue", _no_worker(seen, waiting))
    for one in waiting:
        if why := _why_nobody_runs(one, seen):
            yield Problem("queue", f"{why} {_jobs_wait(one, seen)}", one.name)


def _why_nobody_runs(one: QueueStats, seen: Overview) -> str:
    """Return what is wrong with a queue whose jobs wait; empty: nothing, or no worker is alive."""
    if one.pause is not None:
        since = phrases.since(one.pause.since, seen.server.now)
        return paused(one_line(one.name), since, one.pause.by)
    values = {"queue": one_line(one.name)}
    if seen.live and not seen.serving(one.name):
        return _("No live worker listens to the queue %(queue)s.") % values
    if seen.live and one.oldest_at and seen.server.now - one.oldest_at > LONG_WAIT_MS:
        return _("The workers are behind with the queue %(queue)s.") % values
    return ""


def _no_worker(seen: Overview, waiting: list[QueueStats]) -> str:
    text = _("No worker is alive: start manage.py jobworker.")
    counts = [seen.count(state) or 0 for state in WAITING]
    if not sum(counts):
        return text
    oldest = min((one.oldest_at for one in waiting if one.oldest_at), default=None)
    return f"{text} {_wait(sum(counts), oldest, seen.server.now)}"


def _waiting(stats: QueueStats) -> int:
    return sum(stats.counts[state] for state in WAITING)


def _jobs_wait(stats: QueueStats, seen: Overview) -> str:
    return _wait(_waiting(stats), stats.oldest_at, seen.server.now)


def _wait(many: int, oldest: int | None, now: int) -> str:
    values = {"count": phrases.count(many)}
    if oldest is None:
        return ngettext("%(count)s job waits.", "%(count)s jobs wait.", many) % values
    values["time"] = phrases.since(oldest, now)
    text = ngettext(
        "%(count)s job waits since %(time)s.",
        "%(count)s jobs wait, the next one since %(time)s.",
        many,
    )
    return text % values


def _workers(seen: Overview) -> Iterator[Problem]:
    for one in seen.workers:
        values = {"worker": one_line(one.id), "fault": one_line(one.fault)}
        if one.is_unseen(seen.server.now, seen.lease_ms):
            if not one.running and seen.server.now - one.seen_at > GONE_MS:
                continue  # its jobs were taken back long ago
            values["time"] = phrases.since(one.seen_at, seen.server.now)
            text = _("The worker %(worker)s is gone: it was last seen at %(time)s.")
        elif one.fault:
            text = _("The worker %(worker)s says: %(fault)s")
        else:
            continue
        yield Problem("worker", text % values, one.id)


def _schedules(seen: Overview) -> Iterator[Problem]:
    if seen.schedules and not seen.server.schedulers:
        text = _("Nothing is fired: no scheduler is alive. Start manage.py jobscheduler.")
        if at := seen.server.scheduler_seen_at:
            last = _("The last one was seen at %(time)s.")
            text = f"{text} {last % {'time': phrases.since(at, seen.server.now)}}"
        yield Problem("schedule", text)
    for name, why in seen.schedule_faults:
        values = {"name": one_line(name), "why": one_line(why)}
        text = _("The schedule %(name)s can't be fired: %(why)s")
        yield Problem("schedule", text % values, name)
    for name, stats in seen.schedules.items():
        if stats.missed and seen.server.now - stats.missed_at < DAY_MS:
            text = ngettext(
                "The schedule %(name)s has missed %(count)s fire, at %(time)s.",
                "The schedule %(name)s has missed %(count)s fires, the last at %(time)s.",
                stats.missed,
            )
            values = {
                "name": one_line(name),
                "count": phrases.count(stats.missed),
                "time": phrases.since(stats.missed_at, seen.server.now),
            }
            yield Problem("schedule", text % values, name)


def _failures(seen: Overview) -> Iterator[str]:
    failed = seen.last_hour.get("failed", 0)
    ended = failed + seen.last_hour.get("succeeded", 0)
    if failed > FEW_FAILURES and failed >= MANY_FAILURES * ended:
        text = ngettext(
            "%(failed)s of %(count)s job that ended in the last hour has failed.",
            "%(failed)s of %(count)s jobs that ended in the last hour have failed.",
            ended,
        )
        yield text % {"failed": phrases.count(failed), "count": phrases.count(ended)}


def _ledger(seen: Overview) -> Iterator[str]:
    if seen.database_fault:
        yield _("The database can't be read: %(why)s") % {"why": one_line(seen.database_fault)}
    if seen.ledger is not None and seen.ledger.seconds > LAG:
        text = ngettext(
            "%(count)s durable job waits for Redis since %(span)s: the workers' log says why.",
            "%(count)s durable jobs wait for Redis, the first since %(span)s: the workers' log "
            "says why.",
            seen.ledger.waiting,
        )
        span = phrases.span(int(seen.ledger.seconds * 1000))
        yield text % {"count": phrases.count(seen.ledger.waiting), "span": span}
