"""Many jobs that are due at the same instant: how late they start, and who has to wait for them."""

import resource
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from benchmarks.cores import Set
from benchmarks.producer import fill
from benchmarks.tasks import noop, stamp
from benchmarks.worker import LIMIT, working
from django_jobqueue.engine import Engine

PROCESSES = 2
TRIAL = 2000  # jobs by which it is known how long it takes to enqueue them all
PAUSE = 0.02  # seconds between two calls of the producer meanwhile
SLOW = 1000  # µs; shorter calls are not told of one by one
PAGE = 5000  # records in one look
INDEXES = ("scheduled", "queued", "leases")


@dataclass(frozen=True, slots=True)
class Scheduled:
    """What was seen of jobs that were due at one instant."""

    jobs: int
    first: float  # seconds from that instant to the start of the first one
    last: float  # the same of the last one
    longest_call: float  # ms of the server, of all script calls since then
    enqueue_p50: float  # ms of a call of enqueue() meanwhile
    enqueue_p99: float
    growth: float  # MiB, of the supervisor and its processes


def measure(engine: Engine, jobs: int, cores: Set) -> Scheduled:
    """Enqueue jobs for one instant to come, and watch a worker run them."""
    client = engine.client.redis
    with working(["--processes", str(PROCESSES), "--threads", "1"], cores) as process:
        for _ in range(20):  # both processes are up, and have run something
            stamp.enqueue().wait(30)
        before = _memory(process.pid)
        due = datetime.now(UTC) + _ahead(jobs)
        ids = fill(jobs, run_after=due)
        client.config_set("slowlog-log-slower-than", SLOW)
        client.slowlog_reset()
        _sleep_until(due)
        calls = _enqueue_meanwhile(engine)
        growth = _memory(process.pid) - before
    late = _lateness(engine, ids, due)
    return Scheduled(
        jobs=jobs,
        first=min(late),
        last=max(late),
        longest_call=_longest_call(engine),
        enqueue_p50=median(calls),
        enqueue_p99=calls[int(0.99 * len(calls))],
        growth=growth / 2**20,
    )


def _ahead(jobs: int) -> timedelta:
    """Return in what time the jobs will surely have been enqueued."""
    began = time.perf_counter()
    fill(TRIAL, run_after=timedelta(days=1), queue="trial")
    return timedelta(seconds=2 + 2 * (time.perf_counter() - began) * jobs / TRIAL)


def _sleep_until(due: datetime) -> None:
    left = (due - datetime.now(UTC)).total_seconds()
    if left < 0:
        raise RuntimeError(f"The jobs were enqueued {-left:.1f} s after they were due.")
    time.sleep(left)


def _enqueue_meanwhile(engine: Engine) -> list[float]:
    """Enqueue elsewhere now and then until all have run; return ms of each call, sorted."""
    client, keys = engine.client.redis, engine.client.keys
    aside, found = noop.using(queue_name="aside", run_after=timedelta(days=1)), []
    deadline = time.monotonic() + LIMIT
    while any(client.zcard(keys(index, "default")) for index in INDEXES):
        if time.monotonic() > deadline:
            raise RuntimeError(f"The jobs did not end within {LIMIT} s.")
        began = time.perf_counter()
        aside.enqueue(1, "two")
        found.append((time.perf_counter() - began) * 1000)
        time.sleep(PAUSE)
    return sorted(found)


def _lateness(engine: Engine, ids: list[str], due: datetime) -> list[float]:
    """Return how many seconds late each job started, by its own record; each ran once."""
    keys, at = engine.client.keys, due.timestamp()
    late: list[float] = []
    for start in range(0, len(ids), PAGE):
        pipe = engine.client.redis.pipeline(transaction=False)
        for job_id in ids[start : start + PAGE]:
            pipe.hmget(keys("job", job_id), "state", "fence", "attempted_at")
        for state, fence, started in pipe.execute():
            if state != b"succeeded" or not fence.startswith(b"1-"):
                raise RuntimeError(f"A job did not run once: it is {state!r}, fence {fence!r}.")
            late.append(int(started) / 1000 - at)
    return late


def _longest_call(engine: Engine) -> float:
    """Return ms of the longest script call; what is too short to be told counts as `SLOW`."""
    entries = engine.client.redis.slowlog_get(1000)
    scripts = (entry for entry in entries if entry["command"].startswith(b"EVAL"))
    return max((entry["duration"] for entry in scripts), default=SLOW) / 1000


def _memory(pid: int) -> int:
    """Return the bytes that a worker's processes have in memory; 0 if that can't be told here."""
    try:
        pids = [str(pid), *Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        pages = [Path(f"/proc/{each}/statm").read_text().split()[1] for each in pids]
    except OSError:
        return 0
    return sum(map(int, pages)) * resource.getpagesize()
