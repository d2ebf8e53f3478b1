"""The words for an exception that a task raised: its class, its message, its traceback.

An exception is code of the project: asked for its words it may raise in turn, or answer with what
no encoding has. Each function here returns printable text, whatever the exception does.
"""

import traceback
from collections.abc import Callable

from django_jobqueue.jobs.text import one_line


def class_path(error: BaseException) -> str:
    """Return the dotted path of its class, without blanks."""
    kind = type(error)
    path = _asked(lambda: one_line(f"{kind.__module__}.{kind.__qualname__}"))
    return "_".join(path.split()) if path else "unknown"


def message(error: BaseException) -> str:
    """Return its class and what it says, as a traceback's last line does."""
    name, said = class_path(error).removeprefix("builtins."), _asked(lambda: str(error))
    if said is None:
        return f"{name}: (it can't be shown)"
    return f"{name}: {said}" if said else name


def full_text(error: BaseException) -> str:
    """Return its traceback with all causes; if one of them has no words, its own frames."""
    whole = _asked(lambda: "".join(traceback.format_exception(error)))
    if whole is not None:
        return whole
    frames = _asked(lambda: "".join(traceback.format_tb(error.__traceback__))) or ""
    return f"Traceback (most recent call last):\n{frames}{message(error)}\n"


def _asked(ask: Callable[[], str]) -> str | None:
    """Return the answer as text that can be encoded; None if there is none."""
    try:
        return ask().encode(errors="backslashreplace").decode()
    except BaseException:  # nothing interrupts the slot here: the exception itself raised it
        return None
