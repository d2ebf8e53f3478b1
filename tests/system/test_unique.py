"""Unique jobs between real processes: many that enqueue, many that run."""

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from tests.support.processes import PATIENCE, ROOT, WorkerProcess, lines, until

ORDERS, CALLS = 4, 60
PRODUCER = f"""
import django, sys
django.setup()
from tests.project.unique_tasks import settle
created = [settle.enqueue(n % {ORDERS}, sys.argv[1]).created for n in range({CALLS})]
print(created.count(True), created.count(False))
"""


def test_no_two_runs_of_a_key_overlap(
    engine: Engine, worker_process: Callable[..., WorkerProcess], tmp_path: Path
) -> None:
    """Each call is a job of its own, or one that is not done stands for it."""
    log = tmp_path / "log"
    worker_process("--processes", "2", "--threads", "2")
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.project.settings",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "testproject")]),
    }
    producers = [
        subprocess.Popen(
            [sys.executable, "-c", PRODUCER, str(log)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    said = [producer.communicate(timeout=2 * PATIENCE)[0].split() for producer in producers]
    stored = sum(int(new) for new, _ in said)
    assert stored + sum(int(old) for _, old in said) == 3 * CALLS
    until(lambda: engine.inspector.count(State.SUCCEEDED) == stored)

    runs: dict[str, list[str]] = defaultdict(list)
    for line in lines(log):
        what, order = line.split()
        runs[order].append(what)
    assert len(runs) == ORDERS
    assert sum(map(len, runs.values())) == 2 * stored < 6 * CALLS
    for order, found in runs.items():
        assert found == ["begin", "end"] * (len(found) // 2), order
    assert engine.client.redis.hlen(engine.client.keys("unique")) == 0
