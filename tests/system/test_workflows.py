"""Workflows with real workers: what follows runs once, whoever is killed in between."""

import os
import random
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from django_jobqueue.engine import Engine
from tests.project import flow_tasks
from tests.support.consistency import assert_consistent
from tests.support.processes import WorkerProcess, lines, until

Start = Callable[..., WorkerProcess]
MEMBERS = int(os.environ.get("TEST_MEMBERS", "1000"))


def count(oracle: Path, word: str) -> int:
    return sum(line.startswith(word) for line in lines(oracle))


def has_members(oracle: Path, many: int) -> bool:
    return oracle.exists() and count(oracle, "member") >= many


@pytest.mark.timeout(300)
def test_callback_runs_once_though_workers_are_killed(
    worker_process: Start, engine: Engine, tmp_path: Path
) -> None:
    """A worker is killed, and another one started, four times while the members run."""
    seed = int(os.environ.get("CHAOS_SEED", random.randrange(2**32)))
    print(f"CHAOS_SEED={seed}")  # noqa: T201
    randomly, oracle = random.Random(seed), tmp_path / "oracle"
    workers = [worker_process("--processes", "2") for _ in range(2)]
    workflow = flow_tasks.sizes(MEMBERS, str(oracle))
    for part in range(1, 5):
        until(partial(has_members, oracle, part * MEMBERS // 5), 120)
        victim = workers.pop(randomly.randrange(len(workers)))
        victim.signal(signal.SIGKILL)
        workers.append(worker_process("--processes", "2"))
    workflow.wait(120)
    assert count(oracle, "called") == 1
    (called,) = [line for line in lines(oracle) if line.startswith("called")]
    assert called.partition(" ")[2].partition(" ")[2] == repr([list(range(MEMBERS))])
    assert workflow.progress == (MEMBERS + 1, MEMBERS + 1, 0)
    for worker in workers:
        worker.stop()
    assert_consistent(engine)


@pytest.mark.timeout(120)
def test_group_of_which_only_a_result_tells_the_size(
    worker_process: Start, engine: Engine, tmp_path: Path
) -> None:
    oracle = tmp_path / "oracle"
    worker_process("--processes", "1")
    flow_tasks.start_pages.enqueue([1, 2, 3], str(oracle))
    until(lambda: oracle.exists() and count(oracle, "called") == 1, 60)
    assert "[[2, 4, 6]]" in lines(oracle)[0]
