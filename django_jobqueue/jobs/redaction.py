"""Which arguments are secrets, and how a call, a value or a text looks without them.

For eyes alone: what is stored, signed and run is the real call. A secret is known by its name.
Next: admin/job_page.py and worker/executor.py show what is left.
"""

import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

HIDDEN = "••••"
MIN_LENGTH = 6  # characters of a secret that is looked for in a text: shorter ones are everywhere
# Anywhere in a name, in any case. `author` is none; `authorization` is.
USUAL = "pass|secret|token|api[_-]?key|auth(?!or(?!i))|credential|card|cvv|iban|private"

_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Redactor:
    """Hide the secrets in calls of one task."""

    def __init__(self, task: Any | None, words: Sequence[str] = ()) -> None:
        """Prepare; `words` are further parts of names that mark secrets.

        Without the task nobody knows what its positional arguments are called: all are hidden.
        """
        self._task = task
        self._sensitive = frozenset(getattr(task, "sensitive", ()))
        self._pattern = _pattern(tuple(words))

    def call(self, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Return a call without its secrets."""
        names = self._names(len(args))
        shown = [self._shown(name, value) for name, value in zip(names, args, strict=True)]
        return shown, self.value(kwargs)

    def value(self, value: Any) -> Any:
        """Return a value without what its mappings hold under the names of secrets."""
        if isinstance(value, Mapping):
            return {name: self._shown(name, item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return value

    def text(self, text: str, args: list[Any], kwargs: dict[str, Any]) -> str:
        """Return a text in which no secret of a call stands as it is."""
        named = [*zip(self._names(len(args)), args, strict=True), *kwargs.items()]
        forms = {form for name, value in named for form in self._forms(name, value)}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, HIDDEN)
        return text

    def _shown(self, name: str | None, value: Any) -> Any:
        return HIDDEN if self._is_secret(name, value) else self.value(value)

    def _is_secret(self, name: str | None, value: Any) -> bool:
        if value is None or isinstance(value, bool):
            return False  # whether there is a secret is none
        return name is None or name in self._sensitive or bool(self._pattern.search(name))

    def _names(self, count: int) -> list[str | None]:
        """Return what the first positional arguments are called; None: nobody knows."""
        names: list[str | None] = []
        for parameter in self._parameters():
            if parameter.kind in _BY_PLACE:
                names.append(parameter.name)
            elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                names += [parameter.name] * (count - len(names))
        return (names + [None] * count)[:count]

    def _parameters(self) -> list[inspect.Parameter]:
        if self._task is None:
            return []
        try:
            found = inspect.signature(self._task.func).parameters.values()
        except (TypeError, ValueError):  # of a callable that does not tell
            return []
        return list(found)[int(self._task.takes_context) :]

    def _forms(self, name: str | None, value: Any) -> Iterator[str]:
        """Yield how the secrets in a value of this name may be written."""
        if self._is_secret(name, value):
            for secret in _leaves(value):
                if len(secret) >= MIN_LENGTH:
                    yield from (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1])
                    lines = map(str.strip, secret.splitlines())
                    yield from (line for line in lines if len(line) >= MIN_LENGTH)
        elif isinstance(value, Mapping):
            for inner, item in value.items():
                yield from self._forms(inner, item)
        elif isinstance(value, list):
            for item in value:
                yield from self._forms("", item)


@cache
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join([USUAL, *map(re.escape, words)]), re.IGNORECASE)


def _leaves(value: Any) -> Iterator[str]:
    """Yield the texts and numbers in a value, as texts."""
    if isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _leaves(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
