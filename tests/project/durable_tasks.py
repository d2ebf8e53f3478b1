"""Durable tasks; a worker finds them by their paths, as no app lists this module."""

import os
import signal
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.db import DatabaseError, connections, transaction

from django_jobqueue import Cancel, JobContext, Retry, Unique, task
from tests.support.ledger import DATABASE


@task(durable=True)
def add(a: int, b: int) -> int:
    return a + b


@task(durable=True, unique=Unique("a"))
def add_once(a: int, b: int = 0) -> int:
    return a + b


@task(durable=True, unique=Unique("a", until=timedelta(minutes=10)))
def add_at_times(a: int, b: int = 0) -> int:
    return a + b


@task(durable=True, unique=Unique("a", debounce=timedelta(seconds=5)))
def add_latest(a: int, b: int = 0) -> int:
    return a + b


@task(durable=True)
def fail() -> None:
    raise ValueError("on purpose")


@task(durable=True)
def give_up() -> None:
    raise Cancel


@task(durable=True)
def unfit() -> object:
    """Return what is no JSON."""
    return object()


@task(durable=True, takes_context=True)
def again(context: JobContext) -> int:
    """Be retried once."""
    if context.attempt == 1:
        raise Retry(after=0.001)
    return context.attempt


@task(durable=True)
def hold(path: str, gate: str) -> str:
    """Note the start, and end when the gate is there."""
    with Path(path).open("a") as file:
        file.write(f"start {os.getpid()}\n")
    while not Path(gate).exists():
        time.sleep(0.005)
    return "held"


def count() -> None:
    with connections[DATABASE].cursor() as cursor:
        cursor.execute("UPDATE counter SET n = n + 1")


@task(durable=True, atomic=True, max_recoveries=1000)
def count_once() -> int:
    count()
    time.sleep(0.005)  # so long a kill may come before the end
    return 1


@task(durable=True, max_recoveries=1000)
def count_at_least_once() -> int:
    count()
    time.sleep(0.005)
    return 1


@task(durable=True, atomic=True)
async def acount_once() -> int:
    from asgiref.sync import sync_to_async  # noqa: PLC0415 - only this task needs it

    await sync_to_async(count)()
    return 1


@task(durable=True, atomic=True, max_recoveries=1000)
def count_and_die(marker: str) -> str:
    """Be killed right after the first commit, before anybody else hears of it."""
    count()
    transaction.on_commit(lambda: _die_once(marker), using=DATABASE)
    return "committed"


@task(durable=True, atomic=True, max_attempts=2)
def count_and_fail() -> None:
    count()
    raise ValueError("on purpose")


@task(durable=True, atomic=True, max_attempts=5)
def lose_the_row() -> None:
    """Do what another run would, which takes the row over."""
    count()
    with connections[DATABASE].cursor() as cursor:
        cursor.execute("UPDATE django_jobqueue_enqueued SET fence = '9-another'")


@task(durable=True, atomic=True)
def count_unfit() -> object:
    count()
    return object()


@task(durable=True, atomic=True)
def count_and_enqueue(fails: bool) -> str:
    """Enqueue a job of a task that is not durable by itself; return its id."""
    count()
    found = plain.enqueue().id
    if fails:
        raise ValueError("on purpose")
    return str(found)


@task(durable=True, atomic=True)
def count_and_misbehave(how: str) -> str:
    """Count, and do something to the transaction that no task should."""
    count()
    add.enqueue(1, 2)
    getattr(_Misbehaviour, how)()
    return "done"


class _Misbehaviour:
    """What a task can do to the transaction that it runs in."""

    @staticmethod
    def swallow_an_error() -> None:
        with suppress(DatabaseError), connections[DATABASE].cursor() as cursor:
            cursor.execute("INSERT INTO no_such_table VALUES (1)")

    @staticmethod
    def demand_a_rollback() -> None:
        transaction.set_rollback(True, using=DATABASE)

    @staticmethod
    def close_the_connection() -> None:
        connections[DATABASE].close()

    @staticmethod
    def raise_in_a_hook() -> None:
        transaction.on_commit(_fail, using=DATABASE)

    @staticmethod
    def roll_a_part_back() -> None:
        with suppress(ValueError), transaction.atomic(using=DATABASE):
            count()
            add.enqueue(3, 4)
            _fail()


def _fail() -> None:
    raise ValueError("on purpose")


@task(durable=True)
def enqueue_in_a_transaction(fails: str) -> None:
    """Enqueue a durable job in a transaction that fails `inside` or only `after` it."""
    with transaction.atomic(using=DATABASE):
        count()
        add.enqueue(1, 2)
        if fails == "inside":
            _fail()
    if fails == "after":
        _fail()


@task
def plain() -> str:
    return "plain"


@task(durable=True, atomic=True, timeout=0.3, kill_grace=30)
def commit_slowly(path: str) -> str:
    """Take longer than the time-out, but only in the COMMIT and what comes with it."""
    count()
    transaction.on_commit(lambda: _sleep_and_note(path), using=DATABASE)
    return "in time"


@task(durable=True, atomic=True, timeout=0.2, kill_grace=30)
def too_slow() -> None:
    count()
    time.sleep(30)


def _die_once(marker: str) -> None:
    if not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)


def _sleep_and_note(path: str) -> None:
    time.sleep(1)
    Path(path).touch()
