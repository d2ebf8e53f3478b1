"""The parameters of a task's function as callers see them, and which calls fit them."""

import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from typing import Any

from django_jobqueue.jobs.payload import pure

_BY_STAR = inspect.Parameter.VAR_POSITIONAL


@cache
def signature_of(function: Any, takes_context: bool) -> inspect.Signature:
    """Return the signature that callers use: the function's own without the context.

    Of a decorated function it is the decorator's: what that gives on, only a call would tell.
    """
    taken = inspect.signature(function, follow_wrapped=False)
    given = list(taken.parameters.values())
    if takes_context and given and given[0].kind is not _BY_STAR:
        given = given[1:]
    return taken.replace(parameters=given, return_annotation=inspect.Signature.empty)


def arguments_of(task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `pure` arguments of a call by name, with the defaults that are JSON.

    Raises: TypeError if the task's function can't be called with them.
    """
    bound = signature_of(task.func, task.takes_context).bind(*args, **kwargs)
    bound.apply_defaults()
    found = {}
    for name, value in bound.arguments.items():
        with suppress(TypeError):  # not JSON: it can only be a default
            found[name] = pure(value, name)
    return found


def check_call(task: Any, args: Any, kwargs: Any) -> None:
    """Raise TypeError if the task's function can't be called with these arguments."""
    _check_shape(task.func, task.takes_context, len(args), tuple(kwargs))


@lru_cache(maxsize=1024)  # whether a call fits depends on nothing else, and many are alike
def _check_shape(function: Any, takes_context: bool, count: int, names: tuple[str, ...]) -> None:
    taken = signature_of(function, takes_context)
    try:
        taken.bind(*[None] * count, **dict.fromkeys(names))
    except TypeError as error:
        path = f"{function.__module__}.{function.__qualname__}"
        raise TypeError(f"{path}{taken} can't be called with these arguments: {error}.") from None
