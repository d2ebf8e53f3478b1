"""Database connections around jobs: cut, left open, kept and given back, on PostgreSQL."""

import json
import math
import os
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from django_jobqueue import JobResult
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from tests.project import tasks
from tests.support.postgres import Postgres
from tests.support.processes import AT_ONCE, PATIENCE, WorkerProcess, lines, until

POOL = {"min_size": 1, "max_size": 2}
KINDS: dict[str, dict[str, Any]] = {
    "closing": {"CONN_MAX_AGE": 0},
    "persistent": {"CONN_MAX_AGE": None},
    "pool": {"OPTIONS": {"pool": POOL}},
}
# The task and the slots, always two.
MODES = {
    "processes": (tasks.query, ["--processes", "2"]),
    "threads": (tasks.query, ["--processes", "1", "--threads", "2"]),
    "async": (tasks.aquery, ["--processes", "1", "--threads", "2"]),
}
numbers = count()


class Bench:
    """A worker on one kind of database, and jobs that hold all of its slots at once."""

    def __init__(
        self, postgres: Postgres, start: Callable[..., WorkerProcess], folder: Path
    ) -> None:
        self._postgres = postgres
        self._start = start
        self._folder = folder
        self._name = f"bench-{os.getpid()}-{next(numbers)}"
        self.worker: WorkerProcess

    def start(self, *arguments: str, app: str = "", **database: Any) -> None:
        databases = {"default": self._postgres.database(self._name, **database)}
        environment = {"TEST_DATABASES": json.dumps(databases), "TEST_APPS": app}
        self.worker = self._start(*arguments, **environment)

    def hold(self, task: Any, times: int = 1, **given: Any) -> "Held":
        return Held(task, self._folder / f"held-{next(numbers)}", times, given)

    def open(self) -> list[str]:
        """Return the state of each connection that the server has of the worker."""
        return self._postgres.states(self._name)

    def is_left_with(self, states: set[str]) -> bool:
        """Tell whether the connections have no other states than these, which all occur."""
        return set(self.open()) == states

    def has_heard(self, times: int) -> bool:
        """Tell whether the receiver of signals was called so many times."""
        return self.worker.output().count("heard") == times

    def cut(self) -> None:
        self._postgres.cut(self._name)


class Held:
    """Jobs that have queried and wait before they query again."""

    def __init__(self, task: Any, folder: Path, times: int, given: dict[str, Any]) -> None:
        folder.mkdir()
        path, self._gate = folder / "path", folder / "gate"
        call = {"alias": "default", "path": str(path), "gate": str(self._gate), **given}
        self._jobs: list[JobResult[..., Any]] = [task.enqueue(**call) for _ in range(times)]
        until(lambda: len(lines(path)) >= times, what="all jobs have queried")
        asked = [tuple(map(int, line.split())) for line in lines(path)]
        self.slots = {(process, thread) for process, thread, _ in asked}
        self.connections = {connection for _, _, connection in asked}

    def end(self) -> list[tuple[State, int]]:
        """Let them go on; return how each ended, and with how many attempts."""
        self._gate.touch()
        return [settled(job) for job in self._jobs]


def settled(job: JobResult[..., Any]) -> tuple[State, int]:
    """Wait until a job is final; return its state and its attempts."""

    def is_final() -> bool:
        job.refresh()
        return job.state.is_final

    until(is_final, what=f"{job.id} is final")
    return job.state, job.attempts


WELL = (State.SUCCEEDED, 1)


@pytest.fixture
def bench(
    postgres: Postgres, worker_process: Callable[..., WorkerProcess], tmp_path: Path
) -> Bench:
    return Bench(postgres, worker_process, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", MODES)
def test_a_cut_between_jobs_is_not_noticed(
    bench: Bench, engine: Engine, postgres: Postgres, mode: str, kind: str
) -> None:
    """Neither ended connections nor a restarted server cost a job; the slots are the same."""
    task, arguments = MODES[mode]
    bench.start(*arguments, **KINDS[kind])
    held = bench.hold(task, 2)
    assert len(held.slots) == len(held.connections) == 2
    assert held.end() == [WELL, WELL]
    for harm in (bench.cut, postgres.restart):
        kept = set() if kind == "closing" else {"idle"}
        until(partial(bench.is_left_with, kept), AT_ONCE)
        harm()
        again = bench.hold(task, 2)
        assert again.end() == [WELL, WELL]
        assert again.slots == held.slots


@pytest.mark.parametrize("kind", KINDS)
def test_a_connection_cut_in_a_job_fails_that_job_alone(
    bench: Bench, engine: Engine, kind: str
) -> None:
    """The next one on the same slot succeeds; with attempts left, so does the job itself."""
    bench.start("--processes", "1", **KINDS[kind])
    slots = set()
    for given in ({}, {"atomic": True}):
        held = bench.hold(tasks.query, **given)
        bench.cut()
        assert held.end() == [(State.FAILED, 1)]
        again = bench.hold(tasks.query, **given)
        assert again.end() == [WELL]
        slots |= held.slots | again.slots
    retried = bench.hold(tasks.query.using(max_attempts=2))
    bench.cut()
    assert retried.end() == [(State.SUCCEEDED, 2)]
    assert len(slots | retried.slots) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_transaction_left_open_ends_with_its_job(bench: Bench, engine: Engine, kind: str) -> None:
    """It is rolled back, the log names the database, the next job starts outside of it."""
    bench.start("--processes", "1", **KINDS[kind])
    for times, way in enumerate(["atomic", "closed in atomic", "no autocommit"], start=1):
        pid = tasks.leave_transaction.enqueue("default", way).wait(PATIENCE)
        until(lambda: "idle in transaction" not in bench.open(), AT_ONCE)
        assert tasks.find_unfinished.enqueue("default").wait(PATIENCE) == [pid, False, True]
        warning = 'left a transaction open in the database "default"'
        assert bench.worker.output().count(warning) == times


def test_a_connection_that_cannot_be_closed_is_given_up(bench: Bench, engine: Engine) -> None:
    """Its job is done and does not run again; the next one has a connection of its own."""
    bench.start("--processes", "1")
    borrowed = tasks.borrow_connection.enqueue("default")
    pid = borrowed.wait(PATIENCE)
    assert engine.inspector.job(borrowed.id).recoveries == 0
    assert tasks.find_unfinished.enqueue("default").wait(PATIENCE) == [pid, False, True]
    assert 'to the database "default" is given up' in bench.worker.output()


@pytest.mark.parametrize(
    "database",
    [
        {"CONN_MAX_AGE": 0},
        {"CONN_MAX_AGE": None},
        {"OPTIONS": {"pool": {"min_size": 1, "max_size": 1}}},
    ],
    ids=KINDS,
)
def test_what_was_open_before_the_processes_start_is_closed(
    bench: Bench, engine: Engine, database: dict[str, Any]
) -> None:
    """An app that queries in ready() leaves no connection, nor a pool without its threads."""
    bench.start("--processes", "2", app="tests.support.postgres.Early", **database)
    held = bench.hold(tasks.query, 2)
    assert len(held.connections) == 2
    until(lambda: len(bench.open()) == 2, AT_ONCE)
    assert held.end() == [WELL, WELL]


@pytest.mark.parametrize(
    ("kind", "most", "kept"), [("closing", math.inf, 0), ("persistent", 3, 3), ("pool", 2, 2)]
)
def test_connections_are_bounded(
    bench: Bench, engine: Engine, kind: str, most: float, kept: int
) -> None:
    """Three threads use three, or as many as their pool has; idle as settings say, then none."""
    bench.start("--processes", "1", "--threads", "3", **KINDS[kind])
    tasks.count_users.enqueue_many([()] * 200)
    seen = set()

    def all_done() -> bool:
        seen.add(len(bench.open()))
        return engine.inspector.count(State.SUCCEEDED) == 200

    until(all_done)
    # The server takes its time to forget a closed one; one more looks for a ledger at the start.
    assert max(seen) <= most + 1
    until(lambda: len(bench.open()) <= kept, AT_ONCE)
    assert bench.worker.stop() == 0
    until(partial(bench.is_left_with, set()))


def test_an_idle_worker_closes_what_got_too_old(bench: Bench, engine: Engine) -> None:
    """Each end of a wait looks at CONN_MAX_AGE, whether or not there is a job."""
    bench.start("--processes", "1", CONN_MAX_AGE=1)
    held = bench.hold(tasks.query)
    until(lambda: bench.open() == ["idle"])  # after the worker has looked for a ledger
    assert held.end() == [WELL]
    wake = engine.client.keys("wake", "*")

    def closed_by_then() -> bool:
        engine.client.redis.lpush(wake, "1")  # ends the wait, as a surplus token does
        return not bench.open()

    until(closed_by_then)


def test_receivers_of_signals_keep_no_connection(bench: Bench, engine: Engine) -> None:
    """What task_finished opens is closed before the slot waits for the next job."""
    bench.start("--processes", "1", app="tests.support.postgres.Listener")
    for jobs in range(1, 4):  # the wait after the first may be cut short
        assert bench.hold(tasks.query).end() == [WELL]
        until(partial(bench.has_heard, jobs))
        until(partial(bench.is_left_with, set()), AT_ONCE)
