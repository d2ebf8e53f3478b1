"""Tasks that are members of workflows."""

import os
from pathlib import Path
from typing import Any

from django_jobqueue import JobContext, Retry, Unique, chain, group, task
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


@task(takes_context=True)
def crawl(context: JobContext, page: dict[str, Any]) -> str:
    """Add a job for each page that this one links to."""
    context.add_to_group(crawl.s(more) for more in page["more"])
    return str(page["name"])


@task(takes_context=True)
def adds_and_fails(context: JobContext, values: list[int]) -> None:
    """Add one job, and at the second attempt all of them."""
    for value in values[: None if context.attempt > 1 else 1]:
        context.add_to_group(number.s(value))
    if context.attempt == 1:
        raise Retry(after=0)


@task(takes_context=True)
def adds_broken(context: JobContext) -> str:
    context.add_to_group(broken.s(), number.s(5))
    return "added"


@task(takes_context=True)
def adds(context: JobContext, kind: str) -> None:
    """Add what can't be added."""
    given: dict[str, Any] = {
        "1": 1,
        "callback": number.s(1).on_done(nothing.si()),
        "group": group(number.s(1)),
        "unique": number.using(unique=Unique()).s(1),
        "commit": number.using(on_commit=True).s(1),
    }
    context.add_to_group(number.s(0), given[kind])


@task(takes_context=True)
def cancels_and_adds(context: JobContext) -> None:
    Workflow.get(context._flow.workflow).cancel()
    context.add_to_group(number.s(1))
