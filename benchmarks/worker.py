"""A real `jobworker` with default settings, its log in a file."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.cores import Set
from benchmarks.watching import Worker, start

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-m", "django", "jobworker", "--no-reload"]
LOGGED = "succeeded in "


@contextmanager
def working(bench: Bench, cores: Set, *, processes: int = 1, threads: int = 1) -> Iterator[Worker]:
    """Run a worker that serves all queues, for the length of the block."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    command = [*COMMAND, "--processes", str(processes), "--threads", str(threads)]
    log = bench.folder / f"worker-{time.monotonic_ns()}.log"
    environment = os.environ | {"PYTHONPATH": path} | bench.record.variables()
    process = start(command, environment, log, cores)
    worker = Worker(process, bench.record, log, bench.request.patience, LOGGED)
    try:
        yield worker
    finally:
        worker.stop()


def require_logged(worker: Worker, jobs: int) -> None:
    """Raise if the log lacks a line of a job: then the settings are not what users have."""
    if (found := worker.log.read_text("utf-8").count(LOGGED)) < jobs:
        raise RuntimeError(f"The worker logged {found} of {jobs} jobs.")
