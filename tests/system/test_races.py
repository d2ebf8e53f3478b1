"""Jobs that end, are cancelled and run out of time at the same instant: each ends once.

The oracle is a file to which the tasks write; it must agree with what the jobs' records say, and
a job that nobody touched must have run once and well.
"""

import json
import os
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from django_jobqueue import JobResult
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import State
from tests.project import race_tasks
from tests.support.postgres import Postgres
from tests.support.processes import WorkerProcess, lines, until

Start = Callable[..., WorkerProcess]
JOBS = int(os.environ.get("TEST_RACES", "200"))
MODES = {
    "processes": (
        ("--processes", "2"),
        ("race", "race_the_clock", "race_deaf", "bystander", "bystander"),
    ),
    "threads": (
        ("--processes", "1", "--threads", "2"),
        ("race", "race_the_clock", "bystander", "bystander"),
    ),
    "async": (("--processes", "2"), ("race_await", "bystander", "bystander")),
}
Notes = dict[str, list[tuple[str, str]]]  # job id → what was noted of it, and the fence


@pytest.mark.timeout(240 + JOBS)
@pytest.mark.parametrize("mode", MODES)
def test_each_job_ends_once(
    worker_process: Start, engine: Engine, tmp_path: Path, postgres: Postgres, mode: str
) -> None:
    """Two workers; what ends, is cancelled or times out does so within the same 100 ms."""
    seed = int(os.environ.get("CHAOS_SEED", random.randrange(2**32)))
    print(f"CHAOS_SEED={seed}")  # noqa: T201
    randomly = random.Random(seed)
    options, names = MODES[mode]
    oracle = tmp_path / "oracle"
    results = [enqueue(randomly, randomly.choice(names), str(oracle)) for _ in range(JOBS)]
    database = postgres.database(f"races-{mode}", CONN_MAX_AGE=None)
    for _ in range(2):
        worker_process(*options, TEST_DATABASES=json.dumps({"default": database}))

    done = threading.Event()
    canceller = threading.Thread(target=cancel_some, args=[randomly, results, oracle, done])
    canceller.start()
    try:
        jobs = all_final(engine, [result.id for result in results])
    finally:
        done.set()
        canceller.join()

    notes = read(oracle)
    print(Counter((job.task.rpartition(".")[2], job.state.value, job.reason) for job in jobs))  # noqa: T201
    for job in jobs:
        judge(job, notes[job.id])
    assert {job.state for job in jobs} == {State.SUCCEEDED, State.FAILED, State.CANCELLED}


def enqueue(randomly: random.Random, name: str, oracle: str) -> JobResult[..., str]:
    task = getattr(race_tasks, name)
    if name == "bystander":
        return task.enqueue(oracle)
    middle = 0.7 if name == "race_deaf" else 0.5
    # Half of them end long before anything can happen to them.
    seconds = randomly.uniform(middle - 0.1, middle + 0.6) * randomly.choice((1, 0.3))
    return task.enqueue(oracle, seconds)


def cancel_some(
    randomly: random.Random,
    results: list[JobResult[..., str]],
    oracle: Path,
    done: threading.Event,
) -> None:
    """Cancel a third of the jobs, but no bystander, soon after they have started."""
    wanted = {
        result.id: result
        for result in results
        if not result.task.module_path.endswith("bystander") and randomly.random() < 0.33
    }
    seen = 0
    while not done.wait(0.02):
        noted = lines(oracle)
        for line in noted[seen:]:
            what, job_id, _ = line.split()
            if what == "start" and job_id in wanted:
                done.wait(randomly.uniform(0, 0.05))
                wanted.pop(job_id).cancel()
        seen = len(noted)


def all_final(engine: Engine, ids: list[str]) -> list[Job]:
    def found() -> list[Job]:
        jobs = engine.inspector.jobs(ids)
        return jobs if all(job.state.is_final for job in jobs) else []

    until(found, 60 + JOBS / 2, "all jobs are final")
    return [engine.inspector.job(job_id) for job_id in ids]


def read(oracle: Path) -> Notes:
    notes: Notes = defaultdict(list)
    for line in lines(oracle):
        what, job_id, fence = line.split()
        notes[job_id].append((what, fence))
    return notes


def judge(job: Job, notes: list[tuple[str, str]]) -> None:
    """Compare a job's record with what its task did."""
    told = f"{job} {notes}"
    starts = [fence for what, fence in notes if what == "start"]
    ends = [fence for what, fence in notes if what == "end"]
    assert len(starts) == len(set(starts)) == 1, told
    assert job.recoveries == 0, told
    assert [run.fence for run in job.runs] == starts, told
    assert job.runs[-1].outcome == job.state.value, told
    if job.task.endswith("bystander"):
        assert (job.state, len(ends)) == (State.SUCCEEDED, 1), told
    if job.state is State.SUCCEEDED:
        assert ends == starts, told
    elif job.state is State.FAILED:
        assert job.reason == "timed_out", told
    else:
        assert job.reason == "cancelled", told
