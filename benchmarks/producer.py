"""What a process that enqueues can do: calls per second, and what the server spends on each."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from benchmarks.tasks import noop
from django_jobqueue.engine import Engine
from django_jobqueue.engine.jobs import CHUNK

WARM_UP = 100  # calls before the clock starts: connection, script cache, code paths


@dataclass(frozen=True, slots=True)
class ScriptCalls:
    """EVALSHA as the server counted it since its statistics were reset."""

    calls: int
    usec_per_call: float


def script_calls(engine: Engine) -> ScriptCalls:
    found = engine.client.redis.info("commandstats").get("cmdstat_evalsha", {})
    return ScriptCalls(found.get("calls", 0), found.get("usec_per_call", 0.0))


def raw(engine: Engine, calls: int) -> float:
    """Return EVALSHA of `return 1` with one key per second, on the producer's own client."""
    return _rate(engine, calls, raw_call(engine))


def raw_call(engine: Engine) -> Callable[[], object]:
    client = engine.client.redis
    sha, key = client.script_load("return 1"), engine.client.keys("raw")
    return lambda: client.evalsha(sha, 1, key)


def enqueue(engine: Engine, jobs: int) -> float:
    """Return jobs per second, one call each, in autocommit."""
    return _rate(engine, jobs, lambda: noop.enqueue(1, "two"))


def enqueue_many(engine: Engine, jobs: int) -> float:
    """Return jobs per second, 500 in one call."""
    calls = [(number, "two") for number in range(CHUNK)]
    chunks = max(1, jobs // CHUNK)
    return CHUNK * _rate(engine, chunks, lambda: noop.enqueue_many(calls), warm_up=1)


def in_transaction(engine: Engine, jobs: int) -> float:
    """Return jobs per second, enqueued in one transaction and stored at its commit."""

    def all_at_once() -> None:
        with transaction.atomic():
            for _ in range(jobs):
                noop.enqueue(1, "two")

    return jobs * _rate(engine, 1, all_at_once, warm_up=1)


def fill(
    jobs: int, *, run_after: datetime | timedelta | None = None, queue: str = "default"
) -> list[str]:
    """Enqueue no-op jobs and return their ids."""
    ids: list[str] = []
    task = noop.using(run_after=run_after, queue_name=queue)
    while len(ids) < jobs:
        calls = [(number, "two") for number in range(min(CHUNK, jobs - len(ids)))]
        ids += [result.id for result in task.enqueue_many(calls)]
    return ids


def _rate(engine: Engine, times: int, call: Callable[[], object], warm_up: int = WARM_UP) -> float:
    for _ in range(warm_up):
        call()
    engine.client.redis.config_resetstat()
    began = time.perf_counter()
    for _ in range(times):
        call()
    return times / (time.perf_counter() - began)
