"""Many jobs that are due at once, as at midnight or after an outage."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from tests.project import tasks
from tests.support.processes import WorkerProcess, until

JOBS = 5000
CHUNK = 500


def test_all_start_once_in_the_order_of_their_times(
    engine: Engine, worker_process: Callable[..., WorkerProcess]
) -> None:
    """By due time, then first in, first out; whichever of two processes takes them."""
    due = datetime.now(UTC) + timedelta(seconds=1)
    early: list[Any] = []
    late: list[Any] = []
    for start in range(0, JOBS, 2 * CHUNK):
        calls = [[number] for number in range(start, start + 2 * CHUNK)]
        later = tasks.echo.using(run_after=due + timedelta(milliseconds=1))
        late += later.enqueue_many(calls[:CHUNK])
        early += tasks.echo.using(run_after=due).enqueue_many(calls[CHUNK:])
    wanted = [result.id for result in early + late]
    assert engine.inspector.count(State.SCHEDULED) == JOBS

    worker = worker_process("--processes", "2")
    until(lambda: engine.inspector.count(State.SUCCEEDED) == JOBS, timeout=150)
    worker.stop()

    names = ("fence", "attempts", "attempted_at")
    pipe, keys = engine.client.redis.pipeline(transaction=False), engine.client.keys
    for job_id in wanted:
        pipe.hmget(keys("job", job_id), *names)
        pipe.get(keys("result", job_id))
    replies = pipe.execute()
    records, results = replies[::2], replies[1::2]
    # A first run that succeeded needs no count.
    assert all(fence.startswith(b"1-") and not attempts for fence, attempts, *_ in records)
    assert [json.loads(result)[0] for result in results] == [r.args for r in early + late]
    starts = [int(at) for *_, at in records]
    assert starts == sorted(starts)
    assert starts[0] >= due.timestamp() * 1000 - 1
