"""requeue, cancel, delete, move and the like: jobs by their ids, or all that match."""

import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_jobqueue.compat import InvalidTask
from django_jobqueue.jobs import envelope, phrases
from django_jobqueue.jobs.job import Job as Snapshot
from django_jobqueue.jobs.states import State
from django_jobqueue.management.terminal.asking import confirm
from django_jobqueue.management.terminal.choosing import (
    NARROWING,
    add_filters,
    check_choice,
    selection,
)
from django_jobqueue.management.terminal.printing import Terminal
from django_jobqueue.models import Job
from django_jobqueue.steering.job_action import (
    CANCEL,
    DELETE,
    MOVE,
    REQUEUE,
    RUN_NOW,
    ActionReport,
    JobAction,
    apply,
    wrong_queue,
)
from django_jobqueue.steering.job_action import move as move_to
from django_jobqueue.steering.matching import matching
from django_jobqueue.steering.selection import EMPTIED, Selection

TELL_EVERY = 5.0  # seconds between lines about the progress
# The states that --all means if no state is given: what is done to others must be said.
MEANT = {
    REQUEUE.name: (State.FAILED,),
    CANCEL.name: (State.QUEUED, State.SCHEDULED, State.WAITING, State.RUNNING),
    RUN_NOW.name: (State.SCHEDULED,),
    MOVE: (State.QUEUED, State.SCHEDULED, State.WAITING),
}


def add_choice(parser: ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", metavar="id")
    add_filters(parser)
    parser.add_argument("--all", action="store_true", help="all jobs that match the filters")


def requeue(terminal: Terminal, options: dict[str, Any]) -> None:
    _change(terminal, REQUEUE, options)


def cancel(terminal: Terminal, options: dict[str, Any]) -> None:
    others = [name for name in NARROWING if name != "tag" and options[name]]
    if options["tag"] is None or options["all"] or options["ids"] or others:
        _change(terminal, CANCEL, options)
    else:
        _cancel_tagged(terminal, options["tag"])


def _cancel_tagged(terminal: Terminal, tag: str) -> None:
    try:
        envelope.check_tag(tag, "--tag")
    except InvalidTask as error:
        raise CommandError(str(error)) from error
    _confirm(terminal, CANCEL, terminal.engine.inspector.tags.count(tag))
    done = terminal.engine.tags.cancel(tag)
    if terminal.as_json:
        terminal.show_json({"cancelled": done.cancelled, "told_to_end": done.told})
    values = {"cancelled": phrases.count(done.cancelled), "told": phrases.count(done.told)}
    terminal.note(_("%(cancelled)s jobs cancelled, %(told)s running ones told to end.") % values)


def delete(terminal: Terminal, options: dict[str, Any]) -> None:
    _change(terminal, DELETE, options)


def run_now(terminal: Terminal, options: dict[str, Any]) -> None:
    _change(terminal, RUN_NOW, options)


def add_move(parser: ArgumentParser) -> None:
    add_choice(parser)
    parser.add_argument("--to", required=True, metavar="QUEUE", help="name of the other queue")


def move(terminal: Terminal, options: dict[str, Any]) -> None:
    if wrong := wrong_queue(terminal.engine.alias, options["to"]):
        raise CommandError(wrong)
    _change(terminal, move_to(options["to"]), options)


def empty(terminal: Terminal, options: dict[str, Any]) -> None:
    """Delete the jobs that wait in queues now."""
    names = [name for given in options["queues"] for name in given]
    jobs = list(matching(terminal.engine, Selection(states=EMPTIED, queues=names)))
    _confirm(terminal, DELETE, len(jobs))
    _report(terminal, apply(DELETE, _rows(terminal, jobs)))


def _change(terminal: Terminal, action: JobAction, options: dict[str, Any]) -> None:
    check_choice(options)
    jobs = _chosen(terminal, action, options)
    if action is DELETE or not options["ids"]:
        _confirm(terminal, action, len(jobs))
    known = [job for job in jobs if job.task or action is not RUN_NOW]  # no row waits for a time
    _report(terminal, apply(action, _rows(terminal, known), missing=len(jobs) - len(known)))


def _confirm(terminal: Terminal, action: JobAction, many: int) -> None:
    """Ask, unless nothing would be changed. Raises: CommandError."""
    if many:
        confirm(terminal, _question(action, many))


def _question(action: JobAction, many: int) -> str:
    texts = {
        REQUEUE.name: ngettext("Requeue %(count)s job?", "Requeue %(count)s jobs?", many),
        CANCEL.name: ngettext("Cancel %(count)s job?", "Cancel %(count)s jobs?", many),
        DELETE.name: ngettext("Delete %(count)s job?", "Delete %(count)s jobs?", many),
        RUN_NOW.name: ngettext("Run %(count)s job now?", "Run %(count)s jobs now?", many),
        MOVE: ngettext("Move %(count)s job?", "Move %(count)s jobs?", many),
    }
    return texts[action.kind] % {"count": phrases.count(many)}


def _chosen(terminal: Terminal, action: JobAction, options: dict[str, Any]) -> Sequence[Snapshot]:
    """Return the jobs that are there now; what comes later is not changed."""
    if options["ids"]:
        known = {job.id: job for job in terminal.engine.inspector.jobs(options["ids"])}
        return [known.get(one) or _unknown(one) for one in dict.fromkeys(options["ids"])]
    if not options["state"] and action.kind not in MEANT:
        raise CommandError(_("Say the --state of the jobs to delete."))
    states = options["state"] or MEANT[action.kind]
    return list(matching(terminal.engine, selection(options, states=tuple(states))))


def _unknown(job_id: str) -> Snapshot:
    """Return what stands for a job that Redis does not have: its row may, if it is durable.

    Every action changes scheduled jobs, so each but RUN_NOW asks the ledger too.
    """
    return Snapshot(job_id, "", state=State.SCHEDULED)


def _rows(terminal: Terminal, jobs: Sequence[Snapshot]) -> Iterator[Job]:
    """Yield rows of jobs, and tell how far it is."""
    told = time.monotonic()
    for done, job in enumerate(jobs):
        if time.monotonic() - told > TELL_EVERY:
            told = time.monotonic()
            values = {"done": phrases.count(done), "all": phrases.count(len(jobs))}
            terminal.note(_("%(done)s of %(all)s …") % values)
        yield Job.of(terminal.engine.alias, job)


def _report(terminal: Terminal, report: ActionReport) -> None:
    """Tell what was done.

    Raises: CommandError if some jobs were not changed.
    """
    if terminal.as_json:
        terminal.show_json(
            {
                "done": [row.pk for row in report.done],
                "told_to_end": [row.pk for row in report.told_to_end],
                "refused": {state.value: many for state, many in report.refused.items()},
                "missing": report.missing,
                "fault": report.fault,
            }
        )
    for sentence in report.successes():
        terminal.note(sentence)
    if report.fault:
        raise CommandError(f"{' '.join(report.refusals())} {report.fault}".strip())
    if refusals := report.refusals():
        raise CommandError(" ".join(refusals))
    if not (report.done or report.told_to_end):
        terminal.note(_("No job matches."))
