"""The tasks of the storm. Each writes what it does to a file outside the system under test."""

import ctypes
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django_jobqueue import JobContext, task
from django_jobqueue.exceptions import JobInterrupt, JobTimeout

ORACLE = "CHAOS_ORACLE"  # environment variable: path of the file
TIMEOUT = 0.5  # seconds
KILL_GRACE = 0.5  # seconds
CLEAN_UP = 0.1  # seconds
STEP = 0.02  # seconds; a thread is interrupted between two of them
UNSTOPPABLE = 2.0  # seconds that a run stays at most which is deaf and can't be killed


@contextmanager
def noted(context: JobContext) -> Iterator[None]:
    """Note the start of a run and how it ended; one that is killed notes no end."""
    try:
        _note("START", context)
        yield
        _note("END", context)
    except JobInterrupt:
        _note("LEFT", context)
        raise
    except Exception:
        _note("FAIL", context)
        raise


def _note(what: str, context: JobContext) -> None:
    # One short write to the end of a file: a kill can't tear it.
    words = (what, context.task_result.id, context.fence, context.attempt, os.getpid(), time.time())
    with open(os.environ[ORACLE], "ab", buffering=0) as file:
        file.write(f"{' '.join(map(str, words))}\n".encode())


@task(takes_context=True)
def quick(context: JobContext, number: int) -> str:
    """Do nothing; return the fence, by which the result names its run."""
    with noted(context):
        return context.fence


@task(takes_context=True)
def sleep(context: JobContext, number: int, seconds: float) -> str:
    with noted(context):
        time.sleep(seconds)
        return context.fence


@task(takes_context=True, max_attempts=2, backoff=0.1, timeout=TIMEOUT, kill_grace=KILL_GRACE)
def overrun(context: JobContext, number: int, how: tuple[float, bool]) -> str:
    """Take a while, perhaps more than there is."""
    with noted(context):
        _stay(context, *how)
        return context.fence


@task(takes_context=True, kill_grace=KILL_GRACE)
def stay(context: JobContext, number: int, how: tuple[float, bool]) -> str:
    """Take a while, unless somebody cancels it."""
    with noted(context):
        _stay(context, *how)
        return context.fence


def _stay(context: JobContext, seconds: float, deaf: bool) -> None:
    """Clean up when interrupted, or be deaf: note it and go on."""
    if deaf and threading.current_thread() is not threading.main_thread():
        seconds = min(seconds, UNSTOPPABLE)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            while time.monotonic() < end:
                time.sleep(STEP)
        except JobInterrupt as error:
            _note("TIMEOUT" if isinstance(error, JobTimeout) else "CANCEL", context)
            if not deaf:
                time.sleep(CLEAN_UP)
                raise


@task(takes_context=True, max_attempts=3, backoff=[0.1, 0.5])
def stumble(context: JobContext, number: int, fails: int) -> str:
    """Fail in the first attempts."""
    with noted(context):
        if context.attempt <= fails:
            raise ConnectionError(f"attempt {context.attempt} of {fails} that fail")
        return context.fence


@task(takes_context=True, max_attempts=3, backoff=[0.1, 0.5])
def relay(context: JobContext, given: Any, number: int, fails: int) -> str:
    """Go on from the results of others, which name their runs; fail in the first attempts."""
    with noted(context):
        if context.attempt <= fails:
            raise ConnectionError(f"attempt {context.attempt} of {fails} that fail")
        if not _are_results(given):
            raise ValueError(f"these are no results: {given!r}")
        return context.fence


@task(takes_context=True)
def hear(context: JobContext, told: Any, number: int, members: int) -> str:
    """Hear of the end of a workflow, as its callback."""
    with noted(context):
        if isinstance(told, dict) and told["members"] != members:
            raise ValueError(f"{told!r} is told of {members} members")
        return context.fence


def _are_results(given: Any) -> bool:
    """Return whether these are fences; None stands for a member that failed."""
    if isinstance(given, list):
        return bool(given) and all(map(_are_results, given))
    return given is None or (isinstance(given, str) and "-" in given)


@task(takes_context=True, max_recoveries=2)
def kill_process(context: JobContext, number: int, segfault: bool) -> None:
    """End the process that runs this, always."""
    with noted(context):
        if segfault:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            ctypes.string_at(0)
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)  # the signal arrives before this ends
