"""What type checkers know of tasks; `make lint` checks the types, this only that the code runs."""

from collections.abc import Coroutine, Sequence
from typing import Any, assert_type

from django_jobqueue import JobContext, JobResult, Latest, schedule, task
from tests.project.tasks import add, noop


@task
async def fetch(url: str) -> bytes:
    return url.encode()


@task(max_attempts=2)
async def fetch_again(url: str) -> bytes:
    return url.encode()


@task(takes_context=True)
def tell(context: JobContext, name: str) -> int:
    return context.attempt


@task(takes_context=True)
async def atell(context: JobContext, name: str) -> int:
    return context.attempt


async def types(context: JobContext) -> None:
    """Nobody calls it."""
    assert_type(add(1, 2), int)
    assert_type(add.enqueue(1, 2).return_value, int)
    assert_type(add.using(priority=1).enqueue(1, b=2).wait(), int)
    assert_type(add.latest(1, 2), Latest[int] | None)

    assert_type(await fetch("/"), bytes)
    assert_type(fetch.enqueue("/").return_value, bytes)
    assert_type(await fetch.using(priority=1)("/"), bytes)
    assert_type([fetch_again("/")], list[Coroutine[Any, Any, bytes]])
    assert_type((await fetch_again.aenqueue("/")).wait(), bytes)

    assert_type(tell(context, "anna"), int)
    assert_type(tell.enqueue("anna").return_value, int)
    assert_type(await atell(context, "anna"), int)
    assert_type(atell.enqueue("anna").return_value, int)
    tell("anna")  # type: ignore[arg-type, call-arg]
    tell.enqueue(context, "anna")  # type: ignore[call-arg]
    add.enqueue("1")  # type: ignore[arg-type, call-arg]
    await add(1, 2)  # type: ignore[misc]

    results: Sequence[JobResult[Any, int]] = add.enqueue_many([(1, 2), [3, 4], {"a": 5, "b": 6}])
    assert_type(results[0].return_value, int)
    add.enqueue_many(["12"])  # type: ignore[list-item]
    add.enqueue_many([1, 2])  # type: ignore[list-item]

    schedule("never", noop, every=60, overlap="wait")  # type: ignore[arg-type]
    schedule("never", noop, every=60, catch_up="some")  # type: ignore[arg-type]


def test_tasks_are_as_they_are_typed() -> None:
    """At runtime there is one class of tasks."""
    assert {type(each).__name__ for each in (add, fetch, fetch_again, tell, atell)} == {"Task"}
