"""Unique tasks, as a project defines them."""

import time
from datetime import timedelta

from django_jobqueue import Unique, task
from tests.project.tasks import note


@task(unique=Unique("order_id"))
def settle(order_id: int, path: str = "") -> int:
    if path:
        note(path, f"begin {order_id}")
        time.sleep(0.01)
        note(path, f"end {order_id}")
    return order_id


@task(unique=Unique("order_id", until="start"))
def begin(order_id: int, extra: str = "") -> int:
    return order_id


@task(unique=Unique("order_id", until=timedelta(minutes=10)))
def remind(order_id: int) -> int:
    return order_id


@task(unique=Unique("page_id", debounce=timedelta(seconds=5), at_most=timedelta(minutes=1)))
def reindex(page_id: int, version: int) -> int:
    return version


@task(unique=Unique("page_id", debounce=timedelta(milliseconds=5)))
def reindex_soon(page_id: int, version: int, path: str) -> None:
    note(path, str(version))


@task(unique=Unique())
def nest() -> bool | None:
    """Enqueue itself."""
    return nest.enqueue().created


@task(unique=Unique("page_id", until="start"))
def start_again(page_id: int, times: int) -> bool | None:
    """Enqueue itself so many times, as what has changed since the start needs a run of its own."""
    return start_again.enqueue(page_id, times - 1).created if times else None


@task(unique=Unique("page_id", debounce=timedelta(seconds=5)))
def put_off_again(page_id: int, times: int) -> bool | None:
    return put_off_again.enqueue(page_id, times - 1).created if times else None
