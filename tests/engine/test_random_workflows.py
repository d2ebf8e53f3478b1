"""Whatever is done to the members of a workflow, and in whatever order: it ends, and as one."""

import os
import random
from collections import Counter
from contextlib import suppress

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.workflows import WorkflowRefused
from django_jobqueue.exceptions import JobNotFound, MemberHeld
from django_jobqueue.jobs.job import Job
from tests.support.clock import Clock
from tests.support.consistency import assert_consistent
from tests.support.flows import EVENTS, stage
from tests.support.places import DONE, FAILED, RETRIED, finish, places, record

SIGNED = DONE._replace(value=b"7", signed=b"1.signature")
SHAPES = (
    [(0, 1), (1, 2), (2, 0)],
    [(0, 1), (0, 1), (0, 1), (1, 0)],
    [(0, 1), (0, 2), (1, 3), (2, 3), (3, 0)],
    [(0, 0), (0, 1), (1, 2), (1, 2), (2, 0)],
    [(0, 1)] + [(1, 2)] * 60 + [(2, 0)],
)
ROUNDS = int(os.environ.get("FLOW_ROUNDS", "3"))
STEPS = 60


def test_any_order_of_events(engine: Engine, clock: Clock) -> None:
    seed = int(os.environ.get("FLOW_SEED", random.randrange(2**32)))
    print(f"FLOW_SEED={seed}")  # noqa: T201
    randomly = random.Random(seed)
    for number in range(ROUNDS):
        engine.client.redis.flushall()
        engine.client.detach()
        World(engine, clock, randomly).live(f"{number} of seed {seed}")


class World:
    """One workflow, with a slot and somebody who interferes."""

    def __init__(self, engine: Engine, clock: Clock, randomly: random.Random) -> None:
        self.engine, self.clock, self.randomly = engine, clock, randomly
        self.policy = randomly.choice(("stop", "continue"))
        shape = randomly.choice(SHAPES)
        self.workflow, self.jobs = stage(engine, shape, EVENTS, self.policy)
        self.called: Counter[str] = Counter()
        self.fails = 0.3

    def live(self, name: str) -> None:
        for _ in range(self.randomly.randrange(4)):
            self.interfere()
        with suppress(WorkflowRefused):  # somebody has cancelled it
            self.engine.workflows.seal(self.workflow)
        for _ in range(STEPS):
            self.randomly.choice((self.work, self.work, self.work, self.interfere, self.advance))()
        self.fails = 0.0
        for _ in range(5):  # time passes: retries are due, and the maintenance looks at all
            self.clock.move(seconds=61)
            self.engine.queues.promote()
            while self.engine.workflows.advance():
                pass
            while self.work():
                self.advance()
        found = self.engine.workflows.read(self.workflow)
        assert found
        assert found.state in ("succeeded", "failed", "cancelled"), name
        assert set(places(self.engine)) <= {"succeeded", "failed", "cancelled", "failed-of"}, name
        assert max(self.called.values(), default=0) <= 1, (name, self.called)
        assert_consistent(self.engine)

    def work(self) -> bool:
        slot = Slot("worker-1", "0.0")
        job = self.engine.claims.claim(slot, ["default"])
        if not isinstance(job, Job):
            return job.more
        if not job.task.startswith("a.m"):
            self.called[job.task] += 1
            finish(self.engine, slot, job, DONE)
            return True
        if job.step:
            self.check_parents(job)
        result = RETRIED if self.randomly.random() < self.fails / 3 else SIGNED
        result = FAILED if self.randomly.random() < self.fails else result
        finish(self.engine, slot, job, result)
        return True

    def check_parents(self, job: Job) -> None:
        """What runs has the results of its parents, unless the workflow goes on without."""
        if self.policy == "continue":
            return
        parents = [n for n, one in enumerate(self.jobs, 1) if one.flow.endswith(f" {job.step}")]
        found = self.engine.workflows.results(self.workflow, parents)
        assert len(found) == len(parents), f"{job.task} runs without the results of its parents"

    def interfere(self) -> None:
        job = self.randomly.choice(self.jobs)
        if not record(self.engine, job.id):
            return
        kind = self.randomly.choice(("cancel", "requeue", "requeue", "requeue", "whole", "delete"))
        if kind == "whole" and self.randomly.random() < 0.2:
            self.engine.workflows.cancel(self.workflow)
        elif kind == "requeue" and job.task.startswith("a.m"):
            with suppress(MemberHeld):
                self.engine.jobs.requeue(job.id)
        elif kind == "cancel" or (kind == "delete" and self.randomly.random() < 0.1):
            with suppress(JobNotFound):
                getattr(self.engine.jobs, kind)(job.id)

    def advance(self) -> None:
        self.engine.workflows.advance(self.randomly.choice((1, 7, 500)))
