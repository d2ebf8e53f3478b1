"""quiet, stop and stacks: tell workers what to do, and ask where their slots are."""

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_jobqueue.engine.remote_control import Word
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.text import one_line, spelled
from django_jobqueue.management.terminal.asking import confirm
from django_jobqueue.management.terminal.printing import Terminal
from django_jobqueue.steering.workers import ask_for_stacks


def add_workers(parser: ArgumentParser) -> None:
    parser.add_argument("worker", nargs="+", help="id of a worker: see the action workers")


def add_worker(parser: ArgumentParser) -> None:
    parser.add_argument("worker", help="id of a worker: see the action workers")


def quiet(terminal: Terminal, options: dict[str, Any]) -> None:
    def question(many: int) -> str:
        return ngettext(
            "Let %(count)s worker be quiet, until it is started anew?",
            "Let %(count)s workers be quiet, until they are started anew?",
            many,
        )

    _tell(terminal, Word.QUIET, question, options["worker"])


def stop(terminal: Terminal, options: dict[str, Any]) -> None:
    def question(many: int) -> str:
        return ngettext("Stop %(count)s worker?", "Stop %(count)s workers?", many)

    _tell(terminal, Word.STOP, question, options["worker"])


def _tell(
    terminal: Terminal, word: Word, question: Callable[[int], str], workers: list[str]
) -> None:
    """Tell workers a word, after a question.

    Raises: CommandError if one is not there.
    """
    many = len(workers)
    confirm(terminal, question(many) % {"count": phrases.count(many)})
    told = {name: terminal.engine.remote_control.tell(name, word) for name in workers}
    if terminal.as_json:
        terminal.show_json(told)
    for name, is_known in told.items():
        if is_known:
            terminal.note(_("%(worker)s: told") % {"worker": one_line(name)})
    missing = ", ".join(one_line(name) for name in told if not told[name])
    if missing:
        raise CommandError(_("No such worker: %(workers)s") % {"workers": missing})


def stacks(terminal: Terminal, options: dict[str, Any]) -> None:
    """Show where each slot of a worker is.

    Raises: CommandError if the worker does not answer.
    """
    worker = options["worker"]
    if worker not in (one.id for one in terminal.engine.inspector.workers()):
        raise CommandError(_("No such worker: %(workers)s") % {"workers": one_line(worker)})
    found = ask_for_stacks(terminal.engine, worker)
    if found is None:
        raise CommandError(_("The worker has not answered: it is gone, or can't reach Redis."))
    if terminal.as_json:
        terminal.show_json(found)
        return
    for slot, stack in sorted(found.items()):
        terminal.tell(one_line(slot))
        said = _("It has not answered.") if stack is None else spelled(stack, kept="\n")
        for line in said.splitlines():
            terminal.tell(f"    {line}")
