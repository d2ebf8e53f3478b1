"""Limits with real workers: no more runs of a key at once than may be, and none waits in vain."""

import json
import os
import random
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from tests.project import keyed_tasks, tasks
from tests.support.processes import AT_ONCE, WorkerProcess, lines, until

Start = Callable[..., WorkerProcess]
JOBS = int(os.environ.get("TEST_RACES", "200"))


def overlaps(oracle: Path, most: int, killed: set[int]) -> list[str]:
    """Return where more than `most` runs of a key went on at one instant."""
    running: dict[str, dict[str, int]] = {}
    found = []
    notes = [line.split(" ") for line in lines(oracle)]
    for at, what, key, job_id, pid in sorted(notes, key=lambda words: int(words[0])):
        runs = running.setdefault(key, {})
        if what == "end":
            runs.pop(job_id, None)
            continue
        for other in [one for one, its in runs.items() if its in killed]:
            del runs[other]  # its process is gone
        runs[job_id] = int(pid)
        if len(runs) > most:
            found.append(f"{at} {key} {runs}")
    return found


def is_as_long(oracle: Path, many: int) -> bool:
    return len(lines(oracle)) >= many


def all_done(engine: Engine, many: int) -> None:
    until(lambda: engine.inspector.count(State.SUCCEEDED) == many, 120, "all jobs succeed")


@pytest.mark.timeout(240)
def test_jobs_of_a_key_never_overlap(worker_process: Start, engine: Engine, tmp_path: Path) -> None:
    """Two workers, two queues, four keys; now and then a process is killed."""
    seed = int(os.environ.get("CHAOS_SEED", random.randrange(2**32)))
    print(f"CHAOS_SEED={seed}")  # noqa: T201
    randomly, oracle = random.Random(seed), tmp_path / "oracle"
    workers = [worker_process("--processes", "2") for _ in range(2)]
    for number in range(JOBS):
        task = keyed_tasks.overlap.using(queue_name=randomly.choice(("default", "b")))
        task.enqueue(f"key-{number % 4}", str(oracle))
    killed = set()
    for part in range(1, 6):
        many = part * JOBS // 4
        until(partial(is_as_long, oracle, many), what="they run")
        if victims := randomly.choice(workers).slots():
            killed.add(victims[0])
            os.kill(victims[0], signal.SIGKILL)
    all_done(engine, JOBS)
    assert overlaps(oracle, 1, killed) == []
    assert engine.client.redis.keys(f"{engine.client.keys('places')}:*") == []


@pytest.mark.timeout(120)
def test_limited_queue(worker_process: Start, engine: Engine, tmp_path: Path) -> None:
    """A worker stores OPTIONS["LIMITS"] when it starts, and all keep to it."""
    oracle = tmp_path / "oracle"
    options = json.dumps({"LIMITS": {"mail": 2}})
    first = worker_process("--processes", "1", "--queues", "none", TEST_OPTIONS=options)
    until(lambda: engine.client.redis.hexists(engine.client.keys("meta"), "limits"))
    first.stop()
    free = keyed_tasks.overlap.using(queue_name="mail", concurrency=[])
    free.enqueue_many([("mail", str(oracle), 0.02)] * 40)
    for _ in range(2):
        worker_process("--processes", "2", TEST_OPTIONS=options)
    all_done(engine, 40)
    assert overlaps(oracle, 2, set()) == []


@pytest.mark.timeout(120)
def test_worker_stores_the_numbers_of_its_code(worker_process: Start, engine: Engine) -> None:
    """What an older one has stored of the same tasks goes."""
    limits = engine.client.keys("limits")
    few, noop, other = tasks.few.module_path, tasks.noop.module_path, "elsewhere.task"
    engine.client.redis.hset(limits, mapping={few: "9w", noop: "1w", other: "7w"})
    worker_process()
    until(lambda: engine.client.redis.hget(limits, few) == b"5w 2s")
    assert engine.client.redis.hget(limits, noop) == b""
    assert engine.client.redis.hget(limits, other) == b"7w"


@pytest.mark.timeout(120)
def test_worker_that_is_killed_keeps_its_place_until_its_lease_ends(
    worker_process: Start, engine: Engine, tmp_path: Path
) -> None:
    oracle = tmp_path / "oracle"
    first = worker_process("--processes", "1", TEST_LEASE="3")
    held = keyed_tasks.overlap.enqueue("k", str(oracle), 3600)
    until(lambda: lines(oracle))
    pids = [first.pid, *first.slots()]
    keyed_tasks.overlap.enqueue("k", str(oracle), 0)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    engine.jobs.cancel(held.id)
    worker_process("--processes", "2", TEST_LEASE="3")
    until(lambda: engine.inspector.count(State.SUCCEEDED) == 1, what="the other one runs")
    assert engine.inspector.job(held.id).state is State.CANCELLED


@pytest.mark.timeout(120)
def test_rate_is_kept_and_used(worker_process: Start, engine: Engine, tmp_path: Path) -> None:
    """Two workers with eight slots, none of which waits for its time-out.

    How much of a rate is used while slots are free, tests/engine/test_rates.py counts.
    """
    oracle = tmp_path / "oracle"
    keyed_tasks.call_often.enqueue_many([(str(oracle),)] * 250)
    for _ in range(2):
        worker_process("--processes", "4")
    all_done(engine, 250)
    jobs = engine.inspector.page(State.SUCCEEDED, 0, 250)
    starts = sorted(job.attempted_at for job in jobs)
    assert all(later - first > 1000 for first, later in zip(starts, starts[50:], strict=False))
    assert starts[-1] - starts[0] < 4000 + AT_ONCE * 1000
