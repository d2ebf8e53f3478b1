"""The tasks of the fault tests: they note what they do, and some end their process."""

import ctypes
import os
import resource
import time
from pathlib import Path

from django_jobqueue import JobContext, task

from .tasks import note

GIGABYTE = 2**30
LONGEST_WAIT = 60.0  # seconds


@task(takes_context=True)
def work(context: JobContext, path: str, seconds: float = 0.0) -> None:
    """Note the start, take some time, note the end."""
    note(path, f"start {context.task_result.id} {os.getpid()}")
    time.sleep(seconds)
    note(path, f"end {context.task_result.id} {os.getpid()}")


@task(takes_context=True)
def hold(context: JobContext, path: str, gate: str) -> None:
    """Note the start, wait until the gate or that of this process exists, note the end."""
    note(path, f"start {context.task_result.id} {os.getpid()}")
    gates = [Path(gate), Path(f"{gate}-{os.getpid()}")]
    deadline = time.monotonic() + LONGEST_WAIT
    while not any(gate.exists() for gate in gates) and time.monotonic() < deadline:
        time.sleep(0.01)
    note(path, f"end {context.task_result.id} {os.getpid()}")


@task(takes_context=True)
def segfault(context: JobContext, path: str) -> None:
    """Read where nothing is, as a faulty C extension does."""
    note(path, f"start {context.task_result.id} {os.getpid()}")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.string_at(0)


@task(takes_context=True)
def run_out_of_memory(context: JobContext, path: str) -> None:
    """Abort when there is no memory, as C++ libraries do."""
    note(path, f"start {context.task_result.id} {os.getpid()}")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (GIGABYTE, GIGABYTE))
    malloc = ctypes.CDLL(None).malloc
    malloc.argtypes, malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    if malloc(2 * GIGABYTE) is None:
        os.abort()
