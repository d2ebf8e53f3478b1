"""The options by which actions choose jobs."""

import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from django_jobqueue.jobs.states import State
from django_jobqueue.management.terminal.printing import now_ms
from django_jobqueue.steering.selection import Selection

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
NARROWING = ("state", "queue", "task", "search", "older_than", "tag", "exception")


def seconds(text: str) -> float:
    """Parse a span such as 90s, 15m, 1h or 7d."""
    found = re.fullmatch(r"(\d{1,7}(?:\.\d+)?)([smhd])", text.strip())
    if not found:
        raise ArgumentTypeError(f"{text!r} is no span of time such as 90s, 15m, 1h or 7d")
    return float(found[1]) * UNITS[found[2]]


def state_of(text: str) -> State:
    """Parse the name of a state."""
    try:
        return State(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is none of {', '.join(State)}") from error


def add_filters(parser: ArgumentParser) -> None:
    parser.add_argument("--tag", help="one of the tags")
    parser.add_argument(
        "--exception", help="path of the class that the latest run failed with; -: it had none"
    )
    parser.add_argument(
        "--state",
        action="append",
        type=state_of,
        metavar="STATE",
        help=f"one of {', '.join(State)}; may be given several times, as all that follow",
    )
    parser.add_argument("--queue", action="append", help="name of a queue")
    parser.add_argument("--task", action="append", help="whole path of a task")
    parser.add_argument("--search", action="append", help="part of a task's path, or of an id")
    parser.add_argument(
        "--older-than",
        type=seconds,
        metavar="SPAN",
        help="ended, else started, else enqueued before that: 90s, 15m, 1h, 7d",
    )


def selection(options: Mapping[str, Any], **given: Any) -> Selection:
    """Return what the filters choose; `given` replaces what they say."""
    age = options["older_than"]
    chosen: dict[str, Any] = {
        "states": tuple(options["state"] or ()),
        "queues": tuple(options["queue"] or ()),
        "tasks": tuple(options["task"] or ()),
        "words": tuple(options["search"] or ()),
        "tag": options["tag"] or "",
        "exception": options["exception"] or "",
        "before": None if age is None else now_ms() - round(age * 1000),
    }
    return Selection(**(chosen | given))


def check_choice(options: Mapping[str, Any]) -> None:
    """Refuse ids together with filters, and a change of all jobs that nobody asked for.

    Raises: CommandError.
    """
    narrowed = [name for name in NARROWING if options[name]]
    if options["ids"] and (narrowed or options["all"]):
        raise CommandError(_("Give ids, or filters with --all, not both."))
    if not options["ids"] and not (narrowed and options["all"]):
        text = _("Say which jobs: ids, or at least one filter together with --all.")
        raise CommandError(text)
