"""The keys that jobs share: a template over the names of arguments, such as "item:{item_id}"."""

import inspect
import re
from collections.abc import Mapping
from string import Formatter
from typing import Any
from urllib.parse import quote

from django_jobqueue.compat import InvalidTask
from django_jobqueue.jobs.signature import signature_of

MAX_KEY = 200  # characters
_STARRED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_UNSAFE = re.compile(r"[%\s\x00-\x1f\x7f-\x9f]")  # a key is one word, wherever it is stored


def check_template(template: object, where: str, option: str = "key") -> None:
    """Raise InvalidTask for what is no template of a key."""
    given = f"{where}: {option}={template!r}"
    if not isinstance(template, str) or len(template) > MAX_KEY:
        raise InvalidTask(f"{given} must be a string of at most {MAX_KEY} characters.")
    try:
        parts = [part[1:] for part in Formatter().parse(template) if part[1] is not None]
    except ValueError as error:
        raise InvalidTask(f"{given} is no template: {error}.") from None
    for name, form, conversion in parts:
        if not str(name).isidentifier() or form or conversion:
            raise InvalidTask(
                f"{given} may only have names of arguments in its braces, such "
                'as "item:{item_id}"; {{ and }} stand for braces.'
            )


def names_in(template: str) -> list[str]:
    """Return the names of the arguments in a template."""
    return [name for _, name, *_ in Formatter().parse(template) if name is not None]


def check_names(template: str, where: str, task: Any, option: str = "key") -> None:
    """Raise InvalidTask for a template that names no argument of the task, or a sensitive one."""
    parameters = signature_of(task.func, task.takes_context).parameters
    known = [name for name, one in parameters.items() if one.kind not in _STARRED]
    if missing := [name for name in names_in(template) if name not in known]:
        raise InvalidTask(
            f"{where}: {option}={template!r} names the argument {missing[0]!r}, which "
            f"{task.func.__qualname__} does not have; it has: {', '.join(known) or 'none'}."
        )
    if hidden := [name for name in names_in(template) if name in task.sensitive]:
        raise InvalidTask(
            f"{where}: {option}={template!r} names the argument {hidden[0]!r}, which is sensitive: "
            "keys stand in Redis and in the admin as they are."
        )


def arguments_of(task: Any, args: Any, kwargs: Any) -> Mapping[str, Any]:
    """Return the arguments of a call by name, those that were left out with their defaults."""
    bound = signature_of(task.func, task.takes_context).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.arguments


def render(template: str, where: str, arguments: Mapping[str, Any]) -> str:
    """Return the key of a call.

    Raises: InvalidTask for a value that can't be in a key, and for a key that is too long.
    """
    texts = {name: _text(name, arguments[name], where) for name in names_in(template)}
    key = _UNSAFE.sub(lambda found: quote(found[0]), template.format(**texts))
    if not 0 < len(key) <= MAX_KEY:
        raise InvalidTask(
            f"{where}: the key {key[:MAX_KEY]!r} has {len(key)} characters; it may have 1 to "
            f"{MAX_KEY}, of which white space and % take three."
        )
    return key


def _text(name: str, value: object, where: str) -> str:
    """Return an argument as text: a string as it is, else the JSON of it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str | int):
        return str(value)
    raise InvalidTask(
        f"{where}: the argument {name!r} is {value!r}; in a key it must be a string, a whole "
        "number, True, False or None."
    )
