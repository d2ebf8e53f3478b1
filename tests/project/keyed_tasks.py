"""Tasks of whose keys only so many jobs run at once."""

import os
import time

from django_jobqueue import JobContext, Limit, Rate, task
from tests.project.tasks import note


@task(concurrency=Limit(1, key="item:{item_id}"))
def lend(item_id: int | str) -> str:
    return f"lent {item_id}"


@task(concurrency=[Limit(1, key="item:{item_id}"), Limit(2)])
def give_back(item_id: int) -> str:
    return f"back {item_id}"


@task(concurrency=Limit(2, key="sum:{b}", when="cancel_older"))
def add(a: int, b: int) -> int:
    return a + b


@task(takes_context=True, concurrency=Limit(1, key="{key}"), max_recoveries=1000)
def overlap(context: JobContext, key: str, path: str, seconds: float = 0.002) -> None:
    """Note when a run begins and ends, by the clock of this machine."""
    name = context.task_result.id
    note(path, f"{time.monotonic_ns()} begin {key} {name} {os.getpid()}")
    time.sleep(seconds)
    note(path, f"{time.monotonic_ns()} end {key} {name} {os.getpid()}")


@task(concurrency=Limit(1, key="api"), rate=Rate("20/s", key="api:{account_id}", burst=5))
def call_api(account_id: int) -> None:
    """Call an API that allows 20 calls a second."""


@task(takes_context=True, rate=Rate("50/s", key="burst"))
def call_often(context: JobContext, path: str) -> None:
    note(path, f"{time.monotonic_ns()}")


@task(fair_by="{tenant_id}")
def serve(tenant_id: object, number: int = 0) -> int:
    return number
