"""Random damage under workers, a scheduler and a reader of all pages: nothing ends or fails.

`CHAOS_DAMAGES=10000 make test ARGS="tests/system/faults/test_damages.py"` does more of it. A
failure prints `CHAOS_SEED=…`; with it in the environment the same damage is tried again.
"""

import contextlib
import io
import os
import random
import traceback
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from redis.exceptions import RedisError

from django_jobqueue.compat import TaskResultDoesNotExist, TaskResultMismatch
from django_jobqueue.engine import Engine, new_engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.locate import caller_timeouts
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome
from django_jobqueue.worker.maintenance import Maintenance
from tests.project import kept_tasks, tasks
from tests.support.crawler import Crawler
from tests.support.damages import Damager
from tests.support.processes import PATIENCE, WorkerProcess, alive, lines, until
from tests.support.schedule_rows import row_of
from tests.system.faults.conftest import Oracle

Start = Callable[..., WorkerProcess]
DAMAGES = int(os.environ.get("CHAOS_DAMAGES", "60"))
PER_ROUND = 10  # damages between two looks at all pages
MOST_FAULTS = 20  # kinds of them; then the trial ends
QUEUES = ["default", "mail"]


class Trial:
    """One run: damage, then all that reads Redis, again and again."""

    def __init__(self, engine: Engine, admin: Client, oracle: str, seed: int) -> None:
        self.rng = random.Random(seed)
        self.engine = engine
        self.damager = Damager(engine, self.rng)
        self.crawler = Crawler(admin, self.rng)
        self.signed: dict[str, str] = {}  # the text that each job writes
        self.doubtful: set[str] = set()  # texts of calls that failed: the job may be stored
        self.faults: Counter[str] = Counter()
        self.history: list[str] = []
        self._oracle = oracle

    def seed_jobs(self) -> None:
        """Store sound jobs, some of them done, cancelled or running."""
        with contextlib.suppress(JobQueueError):
            for number in range(4):
                text = f"signed-{len(self.signed) + len(self.doubtful)}"
                self.doubtful.add(text)
                queue = self.rng.choice(QUEUES)
                call = tasks.write.using(queue_name=queue, priority=number, on_commit=False)
                self.signed[call.enqueue(self._oracle, text).id] = text
                self.doubtful.discard(text)
            tasks.noop.using(run_after=timedelta(hours=1), on_commit=False).enqueue()
            self._run(RunResult(Outcome.FAILED, reason="exception", traceback="T: \\xff"))
            self._run(RunResult(Outcome.SUCCEEDED, value=b'{"a": [1]}'))
            self._run(None)

    def _run(self, end: RunResult | None) -> None:
        """Run a job in a queue that no worker serves, and leave it running without an end."""
        queue, slot = "by-hand", Slot("hand", f"0.{self.rng.randrange(9)}")
        tasks.noop.using(queue_name=queue, on_commit=False).enqueue()
        job = self.engine.claims.claim(slot, [queue])
        if isinstance(job, Job):
            self.engine.jobs.progress(job.id, job.fence, 1, 3, "said")
            self.engine.jobs.log(job.id, job.fence, "line")
            self.engine.leases.renew("hand", {"host": "mill", "pid": 1, "started_at": 1})
            if end is not None:
                self.engine.claims.finish(slot, job, end, [])

    def round(self, damages: int) -> None:
        """Damage, look at everything, and note what failed with another error than ours."""
        for _ in range(damages):
            self.history.append(self.damager.damage())
        self._noting("page", self.crawler.crawl)
        for tick in Maintenance(new_engine("default", caller_timeouts())).ticks:
            self._noting("maintenance", tick.run)
        self._noting("register", lambda: self.engine.schedules.register("hand", {"sum": "rule"}))
        ids = [self.rng.choice(sorted(self.signed)), "\\xff"] if self.signed else ["x"]
        self._noting("results", self._read_results)
        self._noting("cancel", lambda: self._command("cancel", *ids))
        self._noting("re-sign", lambda: self._command("re-sign"))
        self._noting("adopt", lambda: self._command("adopt", "--noinput"))

    def _read_results(self) -> None:
        """Do what pages of a project do."""
        kept_tasks.total.latest(1)
        for job_id in list(self.signed)[-5:]:
            with contextlib.suppress(TaskResultDoesNotExist, TaskResultMismatch):
                tasks.write.get_result(job_id)

    def _command(self, *words: str) -> None:
        with contextlib.suppress(CommandError):
            call_command("jobqueue", *words, stdout=io.StringIO(), stderr=io.StringIO())

    def _noting(self, what: str, act: Callable[[], object]) -> None:
        try:
            act()
        except (JobQueueError, RedisError) as error:
            if isinstance(error, RedisError):
                self._note(what)
        except Exception:
            self._note(what)

    def _note(self, what: str) -> None:
        last = "\n".join(traceback.format_exc().splitlines()[-9:])
        self.faults[f"{what}: {last}"] += 1

    def unsigned_runs(self) -> list[str]:
        """Return the lines of runs that are not those of a signed job."""
        runs = [(line, *line.split(" ")[:2]) for line in lines(Path(self._oracle))]
        return [
            line
            for line, text, job_id in runs
            if self.signed.get(job_id) != text
            and (job_id in self.signed or text not in self.doubtful)
        ]


@pytest.mark.timeout(240 + DAMAGES)
def test_nothing_that_stands_in_redis_stops_anything(
    damaged: Engine,
    admin_client: Client,
    worker_process: Start,
    scheduler_process: Start,
    oracle: Oracle,
    chaos_seed: int,
) -> None:
    """No process ends, no page is an error, and no job runs that this project has not signed."""
    row_of("sum")
    worker = worker_process("--processes", "1", "--queues", ",".join(QUEUES), TEST_LEASE="2")
    other = worker_process("--processes", "1", TEST_LEASE="2").until_ready()
    scheduler = scheduler_process()
    slots = worker.until_ready().slots()
    # A process that starts on damaged keys may refuse them; one that is attached goes on.
    until(lambda: len(damaged.inspector.workers()) == 2, what="the workers are known")
    until(damaged.inspector.schedules.seen_at, what="the scheduler is known")
    trial = Trial(damaged, admin_client, oracle.path, chaos_seed)
    for _ in range(-(-DAMAGES // PER_ROUND)):
        if trial.rng.random() < 0.6:
            damaged.client.redis.flushall()
            trial.history.clear()
        trial.seed_jobs()
        trial.round(PER_ROUND)
        dead = [
            one.log.name for one in (worker, other, scheduler) if one.process.poll() is not None
        ]
        gone = [pid for pid in slots if not alive(pid)]
        if dead or gone or len(trial.faults) > MOST_FAULTS:
            break
    print(*trial.history, sep="\n")  # noqa: T201 - shown if the test fails
    assert not trial.faults, "\n\n".join(f"{n} × {what}" for what, n in trial.faults.items())
    assert (dead, gone) == ([], []), f"CHAOS_SEED={chaos_seed}"
    assert trial.unsigned_runs() == []
    damaged.client.redis.flushall()
    assert tasks.add.using(on_commit=False).enqueue(1, 2).wait(PATIENCE) == 3
