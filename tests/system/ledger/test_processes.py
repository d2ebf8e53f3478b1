"""Real workers and callers that are really killed: nothing is lost, and what counts is exact."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from django_jobqueue.jobs.states import State
from embedded.server import EmbeddedServer
from tests.support.ledger import DATABASE, Ledger, ids_in, tasks
from tests.support.processes import ROOT, WorkerProcess, alive, started, until

Start = Callable[..., WorkerProcess]

CALLER = """
import os, signal
import django
django.setup()
from django.db import transaction
from tests.project import durable_tasks as tasks
with transaction.atomic(using="ledger"):
    transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL), using="ledger")
    for number in range(3):
        tasks.add.enqueue(number, number)
"""


@pytest.fixture
def start(worker_process: Start, ledger: Ledger) -> Start:
    """Start workers that use the ledger."""

    def start_one(*arguments: str, **environment: str) -> WorkerProcess:
        return worker_process(*arguments, **ledger.environment, **environment)

    return start_one


def ended(ledger: Ledger, job_id: str) -> str:
    """Wait until the row of a job is final, and return its state."""
    until(lambda: ledger.row(job_id).is_final, what=f"{job_id} has ended in the ledger")
    return ledger.row(job_id).state


def test_caller_killed_between_commit_and_enqueue(ledger: Ledger, start: Start) -> None:
    """A worker stores what was committed, in its order."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "testproject")])
    own = {"DJANGO_SETTINGS_MODULE": "tests.project.settings", "PYTHONPATH": path}
    environment = os.environ | own | ledger.environment
    killed = subprocess.run([sys.executable, "-c", CALLER], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [row.accepted_at for row in ledger.rows] == [None] * 3
    assert ids_in(ledger.engine) == set()

    start("--processes", "1")

    until(lambda: not ledger.rows.filter(state="open").exists(), what="all have ended")
    assert [row.result for row in ledger.rows] == ["0", "2", "4"]
    finished = [row.finished_at for row in ledger.rows]
    assert finished == sorted(finished)


def test_redis_is_down_at_the_enqueue(
    ledger: Ledger, start: Start, redis_server: EmbeddedServer
) -> None:
    start("--processes", "1").until_ready(processes=2)
    redis_server.stop()
    try:
        result = tasks.add.enqueue(1, 2)
        assert result.store_failed
    finally:
        redis_server.start()
    assert ended(ledger, result.id) == "succeeded"


@pytest.mark.parametrize("is_known", [True, False])
def test_redis_is_emptied_while_jobs_wait(
    ledger: Ledger, worker_process: Start, is_known: bool
) -> None:
    """The worker notices by the new epoch; what had ended stays ended.

    Also one that learns only from Redis that there are durable jobs.
    """
    environment = ledger.environment
    if not is_known:
        environment |= {"TEST_OPTIONS": json.dumps({"DATABASE": DATABASE})}
    worker = worker_process("--processes", "1", **environment)
    worker.until_ready(2 if is_known else 1)
    done = tasks.add.enqueue(1, 2)
    assert ended(ledger, done.id) == "succeeded"
    worker.until_ready(2)  # with the maintenance process
    waiting = tasks.add.using(run_after=timedelta(hours=1)).enqueue(3, 4)

    ledger.engine.client.redis.flushall()

    until(lambda: ids_in(ledger.engine) == {waiting.id}, what="the job is stored again")
    assert ledger.engine.inspector.job(waiting.id).state is State.SCHEDULED


def test_redis_is_emptied_while_no_worker_runs(ledger: Ledger, worker_process: Start) -> None:
    """A worker that starts then finds the row by itself: no task is declared durable."""
    waiting = tasks.plain.using(durable=True, run_after=timedelta(hours=1)).enqueue()
    ledger.engine.client.redis.flushall()
    options = json.dumps({"DATABASE": DATABASE})
    worker_process("--processes", "2", **ledger.environment | {"TEST_OPTIONS": options})
    until(lambda: ids_in(ledger.engine) == {waiting.id}, what="the job is stored again")
    assert ledger.engine.inspector.job(waiting.id).state is State.SCHEDULED


def test_killed_right_after_the_commit(ledger: Ledger, start: Start, tmp_path: Path) -> None:
    """The job still ends with its value, and its work is done once."""
    marker = tmp_path / "marker"
    result = tasks.count_and_die.enqueue(str(marker))
    start("--processes", "1")
    assert ended(ledger, result.id) == "succeeded"
    until(marker.exists)
    until(lambda: ledger.engine.inspector.job(result.id).state is State.SUCCEEDED)
    result.refresh()
    assert (result.return_value, result.recoveries) == ("committed", 1)
    assert ledger.counted() == 1


def test_time_out_does_not_hit_the_commit(ledger: Ledger, start: Start, tmp_path: Path) -> None:
    """It counts only while the function runs."""
    note = tmp_path / "note"
    inside, outside = tasks.too_slow.enqueue(), tasks.commit_slowly.enqueue(str(note))
    start("--processes", "1")
    assert ended(ledger, inside.id) == "failed"
    assert ledger.row(inside.id).reason == "timed_out"
    assert ended(ledger, outside.id) == "succeeded"
    until(lambda: ledger.engine.inspector.job(outside.id).state is State.SUCCEEDED)
    outside.refresh()
    assert outside.return_value == "in time"
    assert note.exists()
    assert ledger.counted() == 1


def test_end_without_a_slot_is_written_by_the_worker(ledger: Ledger, start: Start) -> None:
    """Of a job cancelled before it ran, and of one whose process was killed."""
    start("--processes", "1", "--queues", "default")
    waiting = tasks.add.using(queue_name="idle").enqueue(1, 2)
    waiting.cancel()
    assert ended(ledger, waiting.id) == "cancelled"


def test_last_pass_of_a_burst_writes_the_rows(ledger: Ledger, start: Start, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    result = tasks.hold.using(max_recoveries=0).enqueue(str(tmp_path / "path"), str(gate))
    worker = start("--processes", "1", "--burst")
    started(tmp_path / "path")
    pid = int((tmp_path / "path").read_text().split()[1])
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid))
    assert worker.wait() == 0
    assert (ledger.row(result.id).state, ledger.row(result.id).reason) == ("failed", "killed_9")
    assert ledger.engine.unsettled.count() == 0


@pytest.mark.parametrize("name", ["count_once", "count_at_least_once"])
def test_sum_is_exact_while_workers_are_killed(ledger: Ledger, start: Start, name: str) -> None:
    """Each job adds one; the exact tasks are killed as often as the others."""
    many, picks = 150, random.Random(1)
    getattr(tasks, name).enqueue_many([()] * many)
    worker = start("--processes", "2", "--queues", "default", TEST_LEASE="1").until_ready(3)
    for wanted in range(25, many, 25):  # a kill while some of the next jobs run
        open_ones = ledger.rows.filter(state="open")
        until(lambda: many - open_ones.count() >= wanted)  # noqa: B023 - called at once
        for pid in picks.sample(worker.slots(), 1):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    until(lambda: not ledger.rows.filter(state="open").exists(), what="all have ended")
    assert worker.stop() == 0
    assert {row.state for row in ledger.rows} == {"succeeded"}
    assert "was recovered" in worker.output()
    assert ledger.counted() == many if name == "count_once" else ledger.counted() >= many
