"""Raise in a caller what a job has raised in its worker.

The path of the class comes from Redis, where others may write: nothing is imported for it, and only
a class of exceptions that this process has imported already is made, from its stored message. On
the way to it there are modules and classes alone: to look into another object may run its code.
"""

import sys
from ast import literal_eval
from types import ModuleType
from typing import Any, cast

from django_jobqueue.jobs.states import Reason, State

MOST = 500  # characters of a path


def reraise_error(result: Any) -> None:
    """Raise the last error of a failed job as its own class; do nothing if it can't be made."""
    if result.state is not State.FAILED or result.reason != Reason.EXCEPTION or not result.errors:
        return
    path, traceback = result.errors[-1].exception_class_path, result.errors[-1].traceback
    kind = _imported(path)
    made = None if kind is None else _made(kind, _said(path, traceback))
    if made is not None:
        raise made from ValueError(f"Job {result.id} failed in its worker:\n{traceback}")


def _imported(path: str) -> type[Exception] | None:
    """Return the class of exceptions at a path in a module that is imported already."""
    parts = path.split(".") if len(path) <= MOST else []
    for at in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(parts[:at]))
        if found is None:
            continue
        for name in parts[at:]:
            found = vars(found).get(name) if type(found) is ModuleType or _is_class(found) else None
        is_error = _is_class(found) and issubclass(found, Exception)
        return cast(type[Exception], found) if is_error else None
    return None


def _is_class(found: Any) -> bool:
    """Return whether it is a class; isinstance would ask the object itself."""
    return issubclass(type(found), type)


def _said(path: str, traceback: str) -> str:
    """Return what the exception said: the end of a traceback, after the name of its class."""
    name = path.removeprefix("builtins.")
    return traceback.rpartition(f"\n{name}: ")[2].rstrip("\n") if f"\n{name}: " in traceback else ""


def _made(kind: type[Exception], said: str) -> Exception | None:
    try:
        given = _key(said) if said and kind.__str__ is KeyError.__str__ else said
        made = kind(given) if said else kind()
    except Exception:  # it takes other arguments
        return None
    return made if type(made) is kind else None


def _key(said: str) -> Any:
    """Return the key of a KeyError, which says its repr; the repr itself if it is no literal."""
    try:
        return literal_eval(said)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return said
