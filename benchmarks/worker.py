"""What a real `jobworker` can do: draining a full queue, and picking up from an empty one."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cores import Set, on
from benchmarks.producer import ScriptCalls, fill, script_calls
from benchmarks.tasks import stamp
from django_jobqueue.engine import Engine

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-m", "django", "jobworker", "--no-reload", "--verbosity", "0"]
LIMIT = 900.0  # seconds that a drain may take
SETTLE = 0.005  # seconds in which an idle slot blocks again, or starts a job and finishes it


@dataclass(frozen=True, slots=True)
class Drained:
    """Jobs per second from the first start to the last finish, and the scripts it took."""

    rate: float
    scripts: ScriptCalls
    calls_per_job: float


def drain(engine: Engine, jobs: int, processes: int, cores: Set) -> Drained:
    """Enqueue jobs, then let a worker run them all."""
    ids = fill(jobs)
    engine.client.redis.config_resetstat()
    with working(["--processes", str(processes), "--threads", "1", "--burst"], cores) as process:
        if process.wait(LIMIT) != 0:
            raise RuntimeError(f"jobworker ended with exit code {process.returncode}.")
    scripts = script_calls(engine)
    return Drained(jobs * 1000 / _elapsed_ms(engine, ids), scripts, scripts.calls / jobs)


def latencies(engine: Engine, samples: int, cores: Set) -> list[float]:
    """Return ms from the call of enqueue() to the first line of the task, in an idle worker."""
    with working(["--processes", "1", "--threads", "1"], cores) as process:
        stamp.enqueue().wait(30)
        found = [_latency() for _ in range(samples)]
        process.terminate()
        process.wait(30)
    return sorted(found)


def _latency() -> float:
    time.sleep(SETTLE)
    called = time.monotonic_ns()
    result = stamp.enqueue()
    time.sleep(SETTLE)  # looking for the result would disturb the worker on its core
    return (result.wait(30) - called) / 1e6


@contextmanager
def working(arguments: Sequence[str], cores: Set) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker for the length of the block."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    with on(cores):
        process = subprocess.Popen([*COMMAND, *arguments], env=os.environ | {"PYTHONPATH": path})
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _elapsed_ms(engine: Engine, ids: Sequence[str]) -> int:
    """Return ms from the first start to the last finish, by the jobs' own records."""
    pipe, keys = engine.client.redis.pipeline(transaction=False), engine.client.keys
    for job_id in ids:
        pipe.hmget(keys("job", job_id), "state", "attempts", "attempted_at", "finished_at")
    records = pipe.execute()
    if wrong := [record for record in records if record[:2] != [b"succeeded", b"1"]]:
        raise RuntimeError(f"{len(wrong)} of {len(ids)} jobs did not run once: {wrong[0]}")
    started, finished = (min(int(r[2]) for r in records), max(int(r[3]) for r in records))
    return max(1, finished - started)
