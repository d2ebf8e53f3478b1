"""The tasks that the tests enqueue. They write to a file to show that, and when, they ran."""

import asyncio
import contextlib
import gc
import os
import signal
import stat
import string
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone, translation

from django_jobqueue import Cancel, JobContext, Limit, Retry, compat, task, track


def note(path: str, line: str) -> None:
    """Append a line to a file; survives any kill of this process."""
    with open(path, "ab", buffering=0) as file:
        file.write(f"{line}\n".encode())


def wait_for(path: str, seconds: float = 60.0) -> None:
    """Wait until a file exists, or the time is over."""
    deadline = time.monotonic() + seconds
    while not Path(path).exists() and time.monotonic() < deadline:
        time.sleep(0.01)


@task
def noop() -> None:
    pass


@task
def echo(*args: object, **kwargs: object) -> object:
    return [list(args), kwargs]


@task
def add(a: int, b: int) -> int:
    return a + b


@task
def fail(message: str = "broken") -> None:
    raise ValueError(message)


@task(max_attempts=3, backoff=[0.05, 0.1])
def fail_twice(path: str) -> str:
    note(path, "run")
    if len(Path(path).read_text().splitlines()) < 3:
        raise ConnectionError("not yet")
    return "done"


@task(max_attempts=3, backoff=0.05, no_retry_for=[KeyError])
def fail_for_good() -> None:
    raise KeyError("never again")


@task(concurrency=[Limit(5, key="few"), Limit(2, key="{n}", when="skip")])
def few(n: int) -> int:
    return n


@task(takes_context=True)
def attempt_of(context: JobContext, extra: str = "") -> list[object]:
    return [context.attempt, context.task_result.id, extra]


@task
def speak(text: str) -> str:
    """Print to both outputs, also in a child process."""
    print(text, flush=True)  # noqa: T201
    print(text, file=sys.stderr, flush=True)  # noqa: T201
    subprocess.run(["true"], check=True)
    return "spoken"


@task
def count_open() -> int:
    """Return how many of the three standard descriptors are open and no socket."""
    modes = [os.fstat(descriptor).st_mode for descriptor in range(3)]
    return sum(not stat.S_ISSOCK(mode) for mode in modes)


@task(takes_context=True)
def with_progress(context: JobContext, total: int) -> int:
    for step in range(total + 1):
        context.progress(step, total, f"step {step}")
    return total


@task
def add_tracked(numbers: list[int]) -> int:
    """Add numbers in a loop that is tracked, without a context."""
    return sum(track(numbers, text=lambda number: f"number {number}"))


@task
async def add_tracked_async(numbers: list[int]) -> int:
    async def each() -> AsyncIterator[int]:
        for number in numbers:
            yield number

    return sum([number async for number in track(each(), total=len(numbers), text="adding")])


@task(takes_context=True)
def ask_for_retry(context: JobContext) -> str:
    if context.attempt == 1:
        raise Retry(after=0.05)
    return "second"


class OwnRetry(Retry):
    def __init__(self) -> None:
        pass


@task(backoff=0.05)
def ask_in_own_words() -> None:
    raise OwnRetry


@task
def cancel_itself() -> None:
    raise Cancel("enough")


@task
def exit_process() -> None:
    raise SystemExit(3)


@task
def unstorable() -> object:
    return object()


@task
def too_large() -> str:
    return 300_000 * "x"


@task(takes_context=True)
def write(context: JobContext, path: str, text: str) -> None:
    note(path, f"{text} {context.task_result.id} {os.getpid()}")


@task(takes_context=True)
def hold(context: JobContext, path: str, until: str, seconds: float = 60.0) -> str:
    """Note the start, wait until a file exists, note the end."""
    note(path, f"start {context.task_result.id} {os.getpid()}")
    wait_for(until, seconds)
    note(path, f"end {context.task_result.id} {os.getpid()}")
    return "held"


@task
def kill_own_process(path: str, times: int = 100) -> str:
    note(path, f"start {os.getpid()}")
    if len(Path(path).read_text().splitlines()) <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


@task
def leave_quietly() -> None:
    os._exit(0)


@task(takes_context=True)
def leave_quietly_once(context: JobContext, path: str) -> str:
    note(path, "run")
    if len(Path(path).read_text().splitlines()) == 1:
        os._exit(0)
    return "second"


@task
def fork(path: str) -> str:
    """Start a process as one should not: it leaves the task by an exception."""
    pid = os.fork()
    if not pid:
        raise SystemExit
    note(path, str(pid))
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return "parent"


@task
def break_slot() -> None:
    """Have somebody listen to the end of a job who ends more than that."""

    def end(**_: object) -> None:
        compat.signals.task_finished.disconnect(end)
        raise SystemExit

    compat.signals.task_finished.connect(end, weak=False)


@task
def leave_orphan() -> None:
    """Start a process whose parent ends at once, as daemons are started."""
    subprocess.run(["sh", "-c", "sleep 0.1 &"], check=True)


@task
def go_abroad(language: str, zone: str) -> None:
    translation.activate(language)
    timezone.activate(zone)


@task
def whereabouts() -> list[str | None]:
    return [translation.get_language(), timezone.get_current_timezone_name()]


@task
async def aecho(value: object) -> object:
    return value


@task
def count_users() -> int:
    from django.contrib.auth.models import User  # noqa: PLC0415 - the app may be absent

    return User.objects.count()


@task
def enqueue_elsewhere(queue: str) -> None:
    noop.using(queue_name=queue).enqueue()


@task(takes_context=True)
def retry_after(context: JobContext, seconds: float) -> None:
    raise Retry(after=seconds)


def ask(alias: str) -> list[int]:
    """Query PostgreSQL; return the numbers of this process, this thread and its connection."""
    get_user_model().objects.using(alias).count()
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return [os.getpid(), threading.get_native_id(), *cursor.fetchone()]


@task(backoff=0.05)
def query(alias: str, path: str, gate: str, atomic: bool = False) -> list[int]:
    """Query, note it, wait until a file exists, query again."""
    with transaction.atomic(using=alias) if atomic else contextlib.nullcontext():
        note(path, " ".join(map(str, ask(alias))))
        wait_for(gate)
        return ask(alias)


@task(backoff=0.05)
async def aquery(alias: str, path: str, gate: str) -> list[int]:
    """Do the same with the ORM's own coroutine and with functions called in a thread."""
    await get_user_model().objects.using(alias).acount()
    note(path, " ".join(map(str, await sync_to_async(ask)(alias))))
    await asyncio.to_thread(wait_for, gate)
    return await sync_to_async(ask)(alias)


@task
def collect_garbage() -> list[int]:
    """Return how many objects are left alone, and by how many KiB this process grows."""

    def own() -> int:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty:"))

    before = own()
    gc.collect()
    return [gc.get_freeze_count(), own() - before]


@task
def leave_transaction(alias: str, way: str) -> int:
    """Add a user in a transaction that nobody ends; return the number of this process."""
    if way == "no autocommit":
        transaction.set_autocommit(False, using=alias)
    else:
        transaction.atomic(using=alias).__enter__()
    get_user_model().objects.using(alias).create(username="unfinished")
    if way == "closed in atomic":
        connections[alias].close()
    return os.getpid()


@task
def find_unfinished(alias: str) -> list[object]:
    """Return the number of this process, and what a transaction left open would show."""
    found = get_user_model().objects.using(alias).filter(username="unfinished").exists()
    return [os.getpid(), found, transaction.get_autocommit(using=alias)]


@task
def borrow_connection(alias: str) -> int:
    """Put a connection in place that only another thread may close."""

    def lend() -> BaseDatabaseWrapper:
        ask(alias)
        return connections[alias]

    with ThreadPoolExecutor(1) as threads:
        connections[alias] = threads.submit(lend).result()
    return os.getpid()


@task(takes_context=True)
def circle(context: JobContext, path: str) -> None:
    """Go round: run, wait a moment, run again."""
    note(path, f"run {context.task_result.id}")
    raise Retry(after=0.001)


@task(takes_context=True)
def tell_until(context: JobContext, path: str, text: str) -> str:
    """Tell of itself until a file exists."""
    while not Path(path).exists():
        context.log("still here")
        time.sleep(0.05)
    return text


capitalise = task(string.capwords)  # a function of others, in one line


@task(backoff=0.05, retry_for=[ConnectionError], max_attempts=2)
async def in_a_group(kinds: list[str]) -> None:
    """Raise exceptions side by side in a TaskGroup, which raises them as a group."""
    errors = {"retry": Retry(after=7), "cancel": Cancel(), "network": ConnectionError()}

    async def end(kind: str) -> None:
        raise errors.get(kind, ValueError())

    async with asyncio.TaskGroup() as group:
        for kind in kinds:
            group.create_task(end(kind))


@task(takes_context=True, backoff=0)
def count_attempts(context: JobContext) -> None:
    raise ValueError(f"attempt {context.attempt} of {context.max_attempts}")


@task(takes_context=True)
def ask_until(context: JobContext, most: int) -> None:
    """Ask for a retry for ever, but for a guard."""
    if context.attempt > most:
        raise ValueError(f"{context.attempt} is enough")
    raise Retry(after=0)


@task(name="old_place.tasks.moved")
def moved(value: int) -> int:
    """Stand here since a short time."""
    return value + 1
