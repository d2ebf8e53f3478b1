"""run: call a task from the terminal."""

import json
import re
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from django_jobqueue.compat import InvalidTask
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.states import State
from django_jobqueue.management.terminal.choosing import seconds
from django_jobqueue.management.terminal.printing import Terminal
from django_jobqueue.management.terminal.tasks import known_task

_NAMED = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)


def add_run(parser: ArgumentParser) -> None:
    parser.add_argument("task", help="whole path of a task")
    parser.add_argument(
        "words",
        nargs="*",
        metavar="arg",
        help="arguments, some as name=value; as JSON, else as text: 7 '\"7\"'",
    )
    parser.add_argument("--queue", help="another queue than the task's")
    parser.add_argument("--priority", type=int, help="another priority than the task's")
    parser.add_argument("--in", dest="delay", type=seconds, metavar="SPAN", help="not before: 5m")
    parser.add_argument(
        "--wait", type=seconds, metavar="SPAN", help="wait so long for its end, and show its value"
    )


def run(terminal: Terminal, options: dict[str, Any]) -> None:
    """Enqueue a job of a task.

    Raises: CommandError if the call does not fit, or if the job does not succeed in time.
    """
    task = known_task(options["task"])
    named = {
        "queue_name": options["queue"],
        "priority": options["priority"],
        "run_after": options["delay"] and timedelta(seconds=options["delay"]),
        "backend": terminal.engine.alias,
        # Who types a command is in no transaction; a program that calls it may be.
        "on_commit": False if hasattr(task, "on_commit") else None,
    }
    args, kwargs = parse_call(options["words"])
    try:
        chosen = task.using(**{name: value for name, value in named.items() if value is not None})
        result = chosen.enqueue(*args, **kwargs)
    except (TypeError, ValueError, InvalidTask) as error:
        raise CommandError(str(error)) from error
    if options["wait"] is None:
        _tell(terminal, result)
        return
    try:
        result.wait(options["wait"])
    except TimeoutError as error:
        raise CommandError(str(error)) from error
    except ValueError:  # it failed, or was cancelled
        result.refresh()
    _tell(terminal, result)
    if result.state is not State.SUCCEEDED:
        text = _("Job %(id)s is %(state)s: %(error)s")
        state = phrases.STATES[result.state]
        raise CommandError(text % {"id": result.id, "state": state, "error": _last_error(result)})


def parse_call(words: list[str]) -> tuple[list[Any], dict[str, Any]]:
    """Return positional and named arguments; a word that is no JSON is a text.

    Raises: CommandError for a position after a name, and for a name that comes twice.
    """
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for one in words:
        found = _NAMED.fullmatch(one)
        if found is None:
            if kwargs:
                text = _("'%(word)s' has no name, and stands after one that has.")
                raise CommandError(text % {"word": one})
            args.append(_value(one))
        elif found[1] in kwargs:
            text = _("The argument '%(name)s' is given twice.")
            raise CommandError(text % {"name": found[1]})
        else:
            kwargs[found[1]] = _value(found[2])
    return args, kwargs


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _last_error(result: Any) -> str:
    errors = [one.exception_class_path for one in result.errors]
    return errors[-1] if errors else str(result.reason)


def _tell(terminal: Terminal, result: Any) -> None:
    value = result.return_value if result.state is State.SUCCEEDED else None
    if terminal.as_json:
        terminal.show_json({"id": result.id, "state": result.state.value, "value": value})
        return
    terminal.tell(f"{result.id}: {phrases.STATES[result.state]}")
    if result.state is State.SUCCEEDED:
        terminal.tell(json.dumps(value, ensure_ascii=False))
