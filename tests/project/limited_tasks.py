"""Tasks that have limits, keep them or don't."""

import asyncio
import hashlib
import os
import threading
import time

from django_jobqueue import JobContext, task
from django_jobqueue.exceptions import JobInterrupt
from tests.project.tasks import note

FOR_EVER = 3600.0  # seconds
HOARD: list[bytearray] = []


@task(takes_context=True)
def sleep(context: JobContext, path: str, seconds: float = FOR_EVER) -> str:
    note(path, f"start {context.task_result.id}")
    time.sleep(seconds)
    note(path, f"end {context.task_result.id}")
    return "slept"


@task(takes_context=True, timeout=1, max_attempts=2, backoff=0.0)
def sleep_too_long(context: JobContext, path: str) -> None:
    note(path, f"start {context.task_result.id}")
    time.sleep(FOR_EVER)


@task(takes_context=True, timeout=1)
def clean_up(context: JobContext, path: str) -> None:
    note(path, f"start {context.task_result.id}")
    try:
        time.sleep(FOR_EVER)
    except JobInterrupt as interrupt:
        note(path, f"clean-up {type(interrupt).__name__}")
        raise


@task(takes_context=True, timeout=0.5, kill_grace=1.0)
def clean_up_slowly(context: JobContext, path: str) -> None:
    note(path, f"start {context.task_result.id}")
    try:
        time.sleep(FOR_EVER)
    finally:
        note(path, "asked")
        time.sleep(0.3)
        note(path, "clean")


@task(takes_context=True, timeout=1)
def swallow(context: JobContext, path: str) -> str:
    note(path, f"start {context.task_result.id}")
    try:
        time.sleep(FOR_EVER)
    except JobInterrupt:
        return "in time after all"
    return "too late"


@task(takes_context=True, timeout=1, kill_grace=1.0, max_attempts=2, backoff=0.0)
def ignore(context: JobContext, path: str, limited: bool = True) -> None:
    """Catch whatever comes, and go on."""
    note(path, f"start {context.task_result.id}")
    while True:
        try:
            time.sleep(FOR_EVER)
        except BaseException:
            note(path, "ignored")


@task(takes_context=True, kill_grace=0.5)
def compute(context: JobContext, path: str) -> None:
    """Stay in one call that looks at no signals."""
    note(path, f"start {context.task_result.id}")
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)


@task(takes_context=True, timeout=1)
async def asleep(context: JobContext, path: str) -> None:
    note(path, f"start {context.task_result.id}")
    try:
        await asyncio.sleep(FOR_EVER)
    except asyncio.CancelledError:
        note(path, "clean-up")
        raise


@task(timeout=1)
def quick() -> str:
    return "quick"


@task
def grow(megabytes: int) -> int:
    """Keep memory for good."""
    HOARD.append(bytearray(megabytes * 2**20))
    return os.getpid()


@task
def leave_a_thread(seconds: float) -> int:
    """Start a thread that keeps its process from ending."""
    threading.Thread(target=time.sleep, args=[seconds]).start()
    return os.getpid()


@task
def own_pid() -> int:
    return os.getpid()
