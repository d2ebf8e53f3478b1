"""status, queues and workers: how an alias is doing."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_jobqueue.diagnosis.overview import Overview, read_overview
from django_jobqueue.diagnosis.problems import problems
from django_jobqueue.engine.activity import Counts
from django_jobqueue.engine.queue_reader import QueueStats
from django_jobqueue.engine.server import Memory
from django_jobqueue.engine.workers import WorkerStats
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.states import State
from django_jobqueue.management.terminal import printing
from django_jobqueue.management.terminal.printing import Column, Terminal, instant, now_ms

EVENTS = {
    "enqueued": gettext_lazy("enqueued"),
    "succeeded": gettext_lazy("succeeded"),
    "failed": gettext_lazy("failed"),
    "retried": gettext_lazy("retried"),
    "recovered": gettext_lazy("recovered"),
}
QUEUES = [
    Column("queue", gettext_lazy("queue"), printing.word),
    Column("paused", gettext_lazy("paused"), lambda value: _("paused") if value else ""),
    *(Column(one.value, phrases.STATES[one], printing.number) for one in State),
    Column("oldest", gettext_lazy("next in line waits"), printing.since),
]
HEALTH = {
    "live": gettext_lazy("live"),
    "quiet": gettext_lazy("quiet"),
    "stopping": gettext_lazy("stopping"),
    "gone": gettext_lazy("gone"),
}


WORKERS = [
    Column("worker", gettext_lazy("worker"), printing.word),
    Column("state", gettext_lazy("state"), lambda value: str(HEALTH.get(value, value))),
    Column("queues", gettext_lazy("queues"), lambda value: printing.words(value or [_("all")])),
    Column("busy", gettext_lazy("busy slots"), printing.number),
    Column("slots", gettext_lazy("slots"), printing.number),
    Column("memory", gettext_lazy("memory"), lambda size: phrases.mebibytes(size) if size else ""),
    Column("jobs", gettext_lazy("jobs done"), printing.number),
    Column("seen", gettext_lazy("last seen"), printing.since),
    Column("started", gettext_lazy("started"), printing.since),
    Column("version", gettext_lazy("version"), printing.word),
]


def add_status(parser: ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="exit code 1 if something is wrong")


def status(terminal: Terminal, options: dict[str, Any]) -> None:
    """Tell what is wrong, then figures."""
    seen = read_overview(terminal.engine)
    found = [one.text for one in problems(seen)]
    if terminal.as_json:
        terminal.show_json(_status(seen, found))
    else:
        for text in found or [_("Nothing is wrong: jobs are run as they come.")]:
            terminal.tell(f"! {text}" if found else text)
        terminal.tell()
        for line in _figures(seen):
            terminal.tell(line)
    if found and options["check"]:
        text = ngettext("%(count)s thing is wrong.", "%(count)s things are wrong.", len(found))
        raise CommandError(text % {"count": phrases.count(len(found))})


def _status(seen: Overview, found: list[str]) -> dict[str, Any]:
    memory = seen.server.memory
    return {
        "problems": found,
        "counts": {state.value: seen.count(state) for state in State},
        "queues": seen.queue_count,
        "workers": len(seen.live),
        "slots": seen.slots,
        "busy_slots": seen.busy_slots,
        "schedulers": seen.server.schedulers,
        "memory": memory and {"used": memory.used, "most": memory.most, "policy": memory.policy},
        "last_hour": {event: seen.last_hour.get(event, 0) for event in EVENTS},
        "last_day": {event: seen.last_day.get(event, 0) for event in EVENTS},
        "ledger": seen.ledger and seen.ledger._asdict(),
        "open_requests": seen.requests and seen.requests.many,
    }


def _figures(seen: Overview) -> list[str]:
    """Return lines, each with a label of the same width."""
    said = [
        (_("jobs"), ", ".join(f"{_count(seen, one)} {phrases.STATES[one]}" for one in State)),
        (_("queues"), phrases.count(seen.queue_count)),
        (_("workers"), _workers(seen)),
        (_("schedulers"), _("%(count)s live") % {"count": phrases.count(seen.server.schedulers)}),
        (_("last hour"), _events(seen.last_hour)),
        (_("last day"), _events(seen.last_day)),
    ]
    if seen.server.memory is not None:
        said.append((_("memory"), _memory(seen.server.memory)))
    if seen.ledger is not None:
        text = _("%(waiting)s jobs wait for Redis, %(unsettled)s ends for their rows")
        values = {name: phrases.count(int(one)) for name, one in seen.ledger._asdict().items()}
        said.append((_("ledger"), text % values))
    if seen.requests is not None:
        text = _("%(count)s open")
        said.append((_("requests"), text % {"count": phrases.count(seen.requests.many)}))
    width = max(len(label) for label, _text in said)
    return [f"{label:<{width}}  {text}" for label, text in said]


def _count(seen: Overview, state: State) -> str:
    return phrases.count(seen.count(state))


def _workers(seen: Overview) -> str:
    text = _("%(live)s live, %(busy)s of %(slots)s slots busy")
    values = {"live": len(seen.live), "busy": seen.busy_slots, "slots": seen.slots}
    return text % {name: phrases.count(number) for name, number in values.items()}


def _events(counts: Counts) -> str:
    return ", ".join(f"{phrases.count(counts.get(one, 0))} {EVENTS[one]}" for one in EVENTS)


def _memory(memory: Memory) -> str:
    text = _("%(used)s of %(most)s, when it is full: %(policy)s")
    if not memory.most:
        text = _("%(used)s, no bound, when it is full: %(policy)s")
    sizes = {"used": phrases.mebibytes(memory.used), "most": phrases.mebibytes(memory.most)}
    return text % {**sizes, "policy": memory.policy}


def add_queues(parser: ArgumentParser) -> None:
    parser.add_argument("prefix", nargs="?", default="", help="how the names begin")
    parser.add_argument("--limit", type=int, default=200, help="queues, at most (200)")


def queues(terminal: Terminal, options: dict[str, Any]) -> None:
    inspector, prefix, limit = terminal.engine.inspector, options["prefix"], options["limit"]
    names = inspector.queues(0, limit, prefix=prefix)
    stats = inspector.queue_stats(names)
    terminal.show(QUEUES, map(_queue, stats), _("No queue holds a job."))
    total = inspector.count_queues(prefix)
    if total > len(names):
        values = {"shown": phrases.count(len(names)), "count": phrases.count(total)}
        terminal.note(_("%(shown)s of %(count)s queues: see --limit.") % values)


def _queue(stats: QueueStats) -> dict[str, Any]:
    pause = stats.pause
    return {
        "queue": stats.name,
        "paused": None if pause is None else {"since": instant(pause.since), "by": pause.by},
        **{state.value: stats.counts[state] for state in State},
        "oldest": instant(stats.oldest_at),
    }


def workers(terminal: Terminal, options: dict[str, Any]) -> None:
    lease_ms, now = terminal.engine.options.lease_ms, now_ms()
    rows = (_worker(one, now, lease_ms) for one in terminal.engine.inspector.workers())
    terminal.show(WORKERS, rows, _("No worker is there: start manage.py jobworker."))


def _worker(stats: WorkerStats, now: int, lease_ms: int) -> dict[str, Any]:
    if stats.is_unseen(now, lease_ms):
        state = "gone"
    else:
        mood = "stopping" if stats.stopping else "quiet" if stats.quiet else "live"
        state = stats.fault or mood
    return {
        "worker": stats.id,
        "state": state,
        "queues": stats.served,
        "busy": len(stats.running),
        "slots": stats.slots,
        "memory": stats.memory or None,
        "jobs": stats.jobs,
        "seen": instant(stats.seen_at),
        "started": instant(stats.started_at),
        "version": stats.version,
    }
