"""pause and resume: whether jobs of queues are claimed."""

import getpass
import socket
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _

from django_jobqueue.management.arguments import queues as parse_queues
from django_jobqueue.management.terminal.printing import Terminal


def add_names(parser: ArgumentParser) -> None:
    parser.add_argument("queues", nargs="+", type=parse_queues, metavar="queue")


def pause(terminal: Terminal, options: dict[str, Any]) -> None:
    by = _user()
    said = (_("paused"), _("it was paused before"))
    _change(terminal, options, lambda name: terminal.engine.queues.pause(name, by=by), said)


def resume(terminal: Terminal, options: dict[str, Any]) -> None:
    said = (_("resumed"), _("it was not paused"))
    _change(terminal, options, terminal.engine.queues.resume, said)


def _change(
    terminal: Terminal, options: dict[str, Any], act: Callable[[str], bool], said: tuple[str, str]
) -> None:
    names = [name for given in options["queues"] for name in given]
    known = {"default", *terminal.engine.inspector.known_queues(names)}
    changed = {name: act(name) for name in names}
    if terminal.as_json:
        terminal.show_json([name for name in names if changed[name]])
    for name in names:
        terminal.note(f"{name}: {said[0] if changed[name] else said[1]}")
        if name not in known:  # it may be for later, or a slip
            terminal.note(_("No job is in a queue named %(queue)s.") % {"queue": name})


def _user() -> str:
    """Return who is at the terminal, for people who look at the queue."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may have no name for its user
        user = _("somebody")
    return _("%(user)s on %(host)s") % {"user": user, "host": socket.gethostname()}
