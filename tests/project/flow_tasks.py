"""Tasks that are members of workflows."""

import os
from pathlib import Path

from django_jobqueue import JobContext, chain, group, task
from django_jobqueue.flow.signatures import Chain
from django_jobqueue.flow.workflow import Workflow
from tests.project.tasks import note


@task
def number(value: int) -> int:
    return value


@task
def double(value: int) -> int:
    return value * 2


@task
def total(values: list[int | None]) -> int:
    return sum(value or 0 for value in values)


@task
def nothing() -> None:
    pass


@task
def echo(*args: object) -> list[object]:
    return list(args)


@task
def read(path: str) -> str:
    return Path(path).read_text()


@task
def unfit(value: str) -> object:
    """Return what can't be a result: too large, or no JSON."""
    return "x" * 10_000_000 if value == "large" else float("inf")


@task
def broken(*args: object) -> None:
    raise ValueError("broken")


@task(takes_context=True)
def with_context(context: JobContext, value: int, more: int = 0) -> list[object]:
    return [context.task_result.id, value, more]


@task
def told(*args: object) -> None:
    """Note a call in the file named last."""
    *given, path = args
    note(str(path), f"called {os.getpid()} {given!r}")


@task
def mark(path: str, value: int) -> int:
    note(path, f"member {os.getpid()} {value}")
    return value


@task
def start_pages(pages: list[int], path: str) -> str:
    """Start a group whose size only a result tells."""
    return group(double.s(page) for page in pages).then(told.s(path)).enqueue().id


def sizes(members: int, path: str) -> Workflow:
    return group(mark.s(path, n) for n in range(members)).then(told.s(path)).enqueue()


def nested() -> Chain:
    return chain(
        number.s(1),
        group(chain(double.s(), double.s()), echo.si("x"), group(), group(double.s())),
        echo.s("last"),
    )
