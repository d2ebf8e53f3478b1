"""wait(reraise=True): the task's own exception, made of what this process has imported already."""

import sys
from typing import Any

import pytest
from django.utils.functional import SimpleLazyObject

from django_jobqueue import task
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.reraise import reraise_error
from django_jobqueue.jobs.states import State
from django_jobqueue.testing import drain


class Refused(Exception):
    """An exception of a project."""


class Detailed(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")


class Outer:
    class Inner(LookupError):
        """An exception that is defined in a class."""


def never() -> object:
    raise AssertionError("Somebody has looked into it.")


LAZY = SimpleLazyObject(never)
KINDS: dict[str, tuple[Any, str]] = {
    "refused": (lambda: Refused("no: not\nthis"), "no: not\nthis"),
    "builtin": (lambda: ValueError("bad value"), "bad value"),
    "inner": (lambda: Outer.Inner("there"), "there"),
    "key": (lambda: KeyError("it's"), '"it\'s"'),
    "no key": (lambda: KeyError(), ""),
    "place": (lambda: KeyError((1, None)), "(1, None)"),
    "odd key": (lambda: KeyError(Outer), repr(repr(Outer))),
    "silent": (lambda: Refused(), ""),
}


@task
def fails(kind: str) -> None:
    if kind == "detailed":
        raise Detailed(7, "seven")
    if kind == "noted":
        error = Refused("no")
        error.add_note("asked twice")
        raise error
    raise KINDS[kind][0]()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_own_exception(engine: Engine, kind: str) -> None:
    result = fails.enqueue(kind)
    drain()
    wanted, text = KINDS[kind]
    with pytest.raises(type(wanted())) as raised:
        result.wait(30, reraise=True)
    assert str(raised.value) == text
    assert "in its worker" in str(raised.value.__cause__)
    assert "raise KINDS[kind]" in str(raised.value.__cause__)
    with pytest.raises(ValueError) as plain:  # noqa: PT011  # Django's, whose words differ
        result.wait(30)
    assert plain.value.__cause__ is None


def test_exception_that_takes_more_is_a_value_error(engine: Engine) -> None:
    result = fails.enqueue("detailed")
    drain()
    with pytest.raises(ValueError):  # noqa: PT011  # Django's, whose words differ by version
        result.wait(30, reraise=True)


def test_notes_are_part_of_the_message(engine: Engine) -> None:
    """The end of a traceback does not tell one from the other."""
    result = fails.enqueue("noted")
    drain()
    with pytest.raises(Refused) as raised:
        result.wait(30, reraise=True)
    assert str(raised.value) == "no\nasked twice"


class Found:
    """A failed job whose path somebody has written."""

    id, state, reason = "id", State.FAILED, "exception"

    def __init__(self, path: str) -> None:
        self.errors = [self]
        self.exception_class_path, self.traceback = path, f"Traceback\n{path}: message\n"


@pytest.mark.parametrize(
    "path",
    [
        "antigravity.Nothing",  # not imported: it stays so
        "os.system",
        "subprocess.Popen",
        "builtins.SystemExit",
        "builtins.KeyboardInterrupt",
        "builtins.str",
        "tests.backend.test_reraise.fails.func.Refused",
        "tests.backend.test_reraise.Outer.__class__",
        "",
        "...",
        "nothing",
        "tests.backend.test_reraise.LAZY.Refused",
        "a." * 100_000 + "b",
    ],
)
def test_nothing_else_is_made(path: str) -> None:
    """Who can write to Redis chooses among exceptions, and imports nothing."""
    before = set(sys.modules)
    reraise_error(Found(path))
    assert set(sys.modules) == before


def test_job_that_was_lost_has_not_raised() -> None:
    """An earlier attempt has, and that is not why it failed."""
    lost = Found("builtins.OSError")
    lost.reason = "lost"
    reraise_error(lost)
