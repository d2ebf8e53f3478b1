"""Hide secret arguments in calls, values and texts that are shown to people.

Only the display changes: the real call is stored, signed and run. A name marks its value as secret.
Next: admin/jobs/page.py and worker/executor.py show the rest.
"""

import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from django_jobqueue.jobs import failure
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.signature import signature_of
from django_jobqueue.jobs.text import one_line

HIDDEN = "••••"
MAX_TRACEBACK = 16_384  # bytes; the end is kept, because it has the error text
MIN_LENGTH = 6  # characters of a secret that is hidden in texts: shorter ones match by chance
LONGEST_IN_URL = 2_000  # characters of a secret that is hidden percent-encoded too
# Found anywhere in a name, in any case. `author` doesn't match; `authorization` does.
USUAL = "pass|secret|token|api[_-]?key|auth(?!or(?!i))|credential|card|cvv|iban|private"

_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Redactor:
    """Hide the secrets in calls of one task."""

    def __init__(self, task: Any | None, words: Sequence[str] = ()) -> None:
        """Set the names to hide; `words` are further parts of names that mark secrets.

        Without the task, the names of positional arguments are unknown, so all are hidden.
        """
        self._task = task
        self._sensitive = frozenset(getattr(task, "sensitive", ()))
        self._pattern = _pattern(tuple(words))

    def hides(self, name: str) -> bool:
        """Return whether values of this name are hidden."""
        return self._is_secret(name, "")

    def call(self, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Return a call without its secrets."""
        names = self._names(len(args))
        shown = [self._shown(name, value) for name, value in zip(names, args, strict=True)]
        return shown, self.value(kwargs)

    def value(self, value: Any) -> Any:
        """Return a value with the secret entries of its mappings hidden."""
        if isinstance(value, Mapping):
            return {name: self._shown(name, item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return value

    def text(self, text: str, args: list[Any], kwargs: dict[str, Any]) -> str:
        """Return a text with the secrets of a call hidden, except those below MIN_LENGTH."""
        named = [*zip(self._names(len(args)), args, strict=True), *kwargs.items()]
        forms = {form for name, value in named for form in self._forms(name, value)}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, HIDDEN)
            if len(form) <= LONGEST_IN_URL and ("%" in text or "+" in text):
                text = re.sub("".join(map(_in_url, form)), HIDDEN, text)
        return text

    def traceback(self, error: BaseException, job: Job) -> str:
        """Return the end of a traceback with the secrets of the job's call and metadata hidden."""
        text = self._without(failure.full_text(error), job)
        data = text.encode(errors="backslashreplace")
        if len(data) <= MAX_TRACEBACK:
            return data.decode()
        cut = "[…]\n"
        return cut + data[len(cut.encode()) - MAX_TRACEBACK :].decode(errors="ignore")

    def line(self, error: BaseException, job: Job) -> str:
        """Return what an exception says in one line, with the same secrets hidden."""
        return one_line(self._without(failure.message(error), job))

    def _without(self, text: str, job: Job) -> str:
        return self.text(self.text(text, job.args, job.kwargs), [], job.metadata)

    def _shown(self, name: str | None, value: Any) -> Any:
        return HIDDEN if self._is_secret(name, value) else self.value(value)

    def _is_secret(self, name: str | None, value: Any) -> bool:
        if value is None or isinstance(value, bool):
            return False  # these values reveal nothing
        return name is None or name in self._sensitive or bool(self._pattern.search(name))

    def _names(self, count: int) -> list[str | None]:
        """Return the names of the first `count` positional arguments; None for unknown ones."""
        names: list[str | None] = []
        for parameter in self._parameters():
            if parameter.kind in _BY_PLACE:
                names.append(parameter.name)
            elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                starred = None if self._may_be_given_on() else parameter.name
                names += [starred] * (count - len(names))
        return (names + [None] * count)[:count]

    def _parameters(self) -> list[inspect.Parameter]:
        if self._task is None:
            return []
        try:
            taken = signature_of(self._task.func, self._task.takes_context)
        except (TypeError, ValueError):  # the callable has no readable signature
            return []
        return list(taken.parameters.values())

    def _may_be_given_on(self) -> bool:
        """Return whether a decorator may give what it takes to a parameter that holds a secret.

        It may give it with others, in another order: which value is the secret, nobody knows.
        """
        inner: Any = getattr(self._task, "func", None)
        names: set[str] = set()
        while inner := getattr(inner, "__wrapped__", None):
            try:
                names |= signature_of(inner, takes_context=False).parameters.keys()
            except (TypeError, ValueError):  # the callable has no readable signature
                return True
        return bool(names) and (bool(self._sensitive) or any(map(self._pattern.search, names)))

    def _forms(self, name: str | None, value: Any) -> Iterator[str]:
        """Yield the forms in which the secrets in a value of this name may appear in a text."""
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


def _in_url(char: str) -> str:
    """Return a pattern of a character that may be percent-encoded, as each library does it."""
    encoded = "".join(f"%{byte:02x}" for byte in char.encode(errors="replace"))
    return f"(?:{re.escape(char)}|(?i:{encoded}){'|[+]' if char == ' ' else ''})"


def _leaves(value: Any) -> Iterator[str]:
    """Yield the strings and numbers in a value, as strings."""
    if isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _leaves(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
