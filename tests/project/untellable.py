"""Tasks whose exceptions can't be put into words."""

from typing import Any

from django_jobqueue import compat, task


def unformattable() -> SyntaxError:
    """Return an exception that the module traceback can't format."""
    details: Any = ("t.html", 1, 2, b"bytes")
    return SyntaxError("x", details)


class Mute(Exception):
    def __str__(self) -> str:
        raise SystemExit(self.args[0])

    __repr__ = __str__


class Disguised(Exception):
    """What `isinstance` asks for raises."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("no class")


class Unencodable(Exception):
    def __str__(self) -> str:
        return "half \ud83d"


Unencodable.__qualname__ = "Half \ud83d\nclass"


@task
def fails_to_format() -> None:
    raise unformattable()


@task(max_attempts=2, backoff=60)
def has_unformattable_cause() -> None:
    raise ValueError("the words") from unformattable()


@task
def is_mute() -> None:
    raise Mute("said")


@task
def is_disguised() -> None:
    raise Disguised


@task
def is_unencodable() -> None:
    raise Unencodable


def no_delay(error: BaseException, result: object) -> float:
    raise ValueError from unformattable()


@task(max_attempts=2, backoff=no_delay)
def has_broken_backoff() -> None:
    raise ValueError


@task
def breaks_slot() -> None:
    """Have a receiver end the slot by an exception that the log can't format."""

    def end(**_: object) -> None:
        compat.signals.task_finished.disconnect(end)
        raise SystemExit from unformattable()

    compat.signals.task_finished.connect(end, weak=False)


@task
def has_broken_receiver() -> None:
    """Have a receiver raise what Django's log of receivers can't format."""

    def end(**_: object) -> None:
        compat.signals.task_finished.disconnect(end)
        raise ValueError from unformattable()

    compat.signals.task_finished.connect(end, weak=False)
