"""The tasks of the storm. Each writes what it does to a file outside the system under test."""

import ctypes
import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django_jobqueue import JobContext, task

ORACLE = "CHAOS_ORACLE"  # environment variable: path of the file


@contextmanager
def noted(context: JobContext) -> Iterator[None]:
    """Note the start of a run, and whether its end was normal."""
    _note("START", context)
    try:
        yield
    except Exception:
        _note("FAIL", context)
        raise
    _note("END", context)


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


@task(takes_context=True, max_attempts=3, backoff=[0.1, 0.5])
def stumble(context: JobContext, number: int, fails: int) -> str:
    """Fail in the first attempts."""
    with noted(context):
        if context.attempt <= fails:
            raise ConnectionError(f"attempt {context.attempt} of {fails} that fail")
        return context.fence


@task(takes_context=True, max_recoveries=2)
def kill_process(context: JobContext, number: int, segfault: bool) -> None:
    """End the process that runs this, always."""
    with noted(context):
        if segfault:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            ctypes.string_at(0)
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)  # the signal arrives before this ends
