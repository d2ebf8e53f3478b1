"""Random histories of jobs with keys: each claim gets the job that a model of fairness says.

`CHAOS_EXAMPLES=500` makes more of them, `CHAOS_SEED=…` the same again.
"""

import os
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from django_jobqueue.conf import load
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import NoJob, Slot
from django_jobqueue.engine.client import Client
from django_jobqueue.engine.scripts import Scripts
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.jobs.job import Job, new_id
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome, State
from tests.engine.fair_models import Formula, Place, Rounds
from tests.support.consistency import assert_consistent
from tests.support.jobs import new_job
from tests.support.places import finish, places

EXAMPLES = int(os.environ.get("CHAOS_EXAMPLES", "2"))
CALLS = 80
KEYS = ("a", "b", "c", "d", "")
QUEUES = ("x", "y")
STILL_CLOCK = "local function now() return redis.call('GET', KEYS[1] .. 'clock') or '1' end"
START = 1_700_000_000_000


def seeds() -> list[int]:
    first = int(os.environ.get("CHAOS_SEED", random.randrange(2**32)))
    return [*range(first, first + EXAMPLES)]


def emptied(engine: Engine) -> None:
    engine.client.redis.flushall()
    engine.client.detach()


@pytest.mark.timeout(60 + 10 * EXAMPLES)
def test_claims_follow_the_formula(engine: Engine) -> None:
    """As long as every job has a key and the same priority, and runs once."""
    for seed in seeds():
        print(f"CHAOS_SEED={seed}")  # noqa: T201 - shown if the test fails
        emptied(engine)
        randomly, formula, slot = random.Random(seed), Formula(), Slot("worker-1", "0.0")
        for _ in range(CALLS):
            jobs = [
                new_job(new_id(), fair=randomly.choice("aaaaabbcdefgh"))
                for _ in range(randomly.choice((0, 0, 1, 1, 1, 9)))
            ]
            engine.jobs.enqueue(jobs)
            engine.jobs.enqueue([new_job(new_id(), "other")])  # takes a number
            for job in jobs:
                formula.store(job.id, job.fair)
            for _ in range(min(len(formula.waiting), randomly.randrange(4))):
                found = engine.claims.claim(slot, ["default"])
                assert isinstance(found, Job)
                assert found.id == formula.claim()
                finish(engine, slot, found)
        assert_consistent(engine)


def test_no_key_gets_more_than_its_share(engine: Engine) -> None:
    """Between two keys that both have jobs, the starts differ by one at most, however many wait."""
    for seed in seeds():
        print(f"CHAOS_SEED={seed}")  # noqa: T201 - shown if the test fails
        emptied(engine)
        randomly = random.Random(seed)
        keys = [f"t{n}" for n in range(8) for _ in range(randomly.randrange(20, 60))]
        randomly.shuffle(keys)
        for at in range(0, len(keys), 100):
            engine.jobs.enqueue([new_job(new_id(), fair=key) for key in keys[at : at + 100]])
        left, starts, slot = Counter(keys), Counter[str](), Slot("worker-1", "0.0")
        while len(left) == 8:
            found = engine.claims.claim(slot, ["default"])
            assert isinstance(found, Job)
            finish(engine, slot, found)
            starts[found.fair] += 1
            left -= Counter([found.fair])
            assert max(starts.values()) - min(starts[key] for key in set(keys)) <= 1


class Site:
    """A server whose clock stands, three slots and the model."""

    def __init__(self, engine: Engine, randomly: random.Random) -> None:
        self.engine, self.random, self.now = engine, randomly, START
        engine.client.redis.set(engine.client.keys("clock"), START)
        self.model = Rounds()
        self.jobs: dict[str, Job] = {}
        self.runs: dict[str, tuple[Slot, str, Place]] = {}

    def twice(self, call: Callable[[], Any]) -> Any:
        """Make a call, and sometimes again, as after a lost reply."""
        found = call()
        if self.random.random() < 0.3:
            with suppress(JobNotFound):
                call()
        return found

    def store(self) -> None:
        fields: dict[str, Any] = {"priority": self.random.choice((0, 0, 0, 5))}
        later = self.random.random() < 0.2
        fields["due"] = timedelta(seconds=5) if later else None
        queue = self.random.choice(QUEUES)
        jobs = [
            new_job(new_id(), queue, fair=self.random.choice(KEYS), max_recoveries=99, **fields)
            for _ in range(self.random.choice((1, 1, 3, 8)))
        ]
        self.twice(lambda: self.engine.jobs.enqueue(jobs))
        for job in jobs:
            self.jobs[job.id] = job
            if not later:
                self.place(job)

    def place(self, job: Job) -> None:
        self.model.store(job.queue, job.id, job.priority, job.fair)

    def claim(self) -> None:
        free = [name for name in ("1", "2", "3") if name not in self.runs]
        if not free:
            return
        queue, slot = self.random.choice(QUEUES), Slot("w", free[0])
        nonce = slot.nonce

        def call() -> Job | NoJob:
            slot.nonce = nonce
            return self.engine.claims.claim(slot, [queue])

        found, wanted = self.twice(call), self.model.claim(queue)
        if wanted is None:
            assert isinstance(found, NoJob)
            return
        assert isinstance(found, Job)
        assert found.id == wanted[0]
        self.runs[free[0]] = slot, *wanted

    def end(self) -> None:
        if not self.runs:
            return
        name = self.random.choice(sorted(self.runs))
        slot, job_id, place = self.runs.pop(name)
        how = self.random.choice(("succeeded", "failed", "retried", "released", "lost"))
        job = self.engine.inspector.job(job_id)
        if how == "lost":
            again = Slot("w", name)
            self.engine.leases.release_slot(again, lost=True, reason="x")
        else:
            finish(
                self.engine, slot, job, RunResult(Outcome(how), delay_ms=5000 * (how == "retried"))
            )
        if how in ("released", "lost"):
            self.model.bring_back(job.queue, job_id, place, job.fair)

    def pass_by(self) -> None:
        """Let time pass, also backwards, and promote what is due, in the order of its times."""
        self.now += self.random.choice((-3000, 1000, 20_000))
        self.engine.client.redis.set(self.engine.client.keys("clock"), self.now)
        self.engine.leases.renew("w", {})
        before = places(self.engine).get("scheduled", {})
        left = {one for ids in before.values() for one in ids}
        self.engine.queues.promote()
        after = places(self.engine).get("scheduled", {})
        left -= {one for ids in after.values() for one in ids}
        for name in QUEUES:
            for job_id in before.get(name, []):
                if job_id in left:
                    self.place(self.jobs[job_id])

    def steer(self) -> None:
        if not self.jobs:
            return
        job = self.jobs[self.random.choice(sorted(self.jobs))]
        how = self.random.choice(("cancel", "delete", "requeue", "priority"))
        with suppress(JobNotFound):
            state = self.engine.inspector.job(job.id).state
            if state is State.RUNNING:
                return
            getattr(self, how)(job, state)

    def cancel(self, job: Job, state: State) -> None:
        self.twice(lambda: self.engine.jobs.cancel(job.id))
        self.model.remove(job.queue, job.id)

    def delete(self, job: Job, state: State) -> None:
        self.twice(lambda: self.engine.jobs.delete(job.id))
        self.model.remove(job.queue, job.id)
        del self.jobs[job.id]

    def requeue(self, job: Job, state: State) -> None:
        nonce = str(self.random.random())
        self.twice(lambda: self.engine.jobs.requeue(job.id, nonce=nonce))
        if state is not State.QUEUED:
            self.place(job)

    def priority(self, job: Job, state: State) -> None:
        priority = self.random.choice((0, 5))
        self.twice(lambda: self.engine.edits.prioritize(job.id, priority))
        if state in (State.QUEUED, State.SCHEDULED) and priority != job.priority:
            job.priority = priority
            if state is State.QUEUED:
                self.place(job)

    def look(self) -> None:
        found = places(self.engine).get("queued", {})
        wanted = {name: self.model.queue(name).order() for name in QUEUES}
        assert found == {name: ids for name, ids in wanted.items() if ids}
        assert_consistent(self.engine)


STEPS = (Site.store, Site.claim, Site.end, Site.pass_by, Site.steer)
WEIGHTS = (4, 9, 7, 2, 3)


@pytest.fixture
def still(engine: Engine) -> Engine:
    client = Client("default", load("default"), scripts=Scripts(clock=STILL_CLOCK))
    vars(engine).update(vars(Engine(client)))
    return engine


@pytest.mark.timeout(120 + 20 * EXAMPLES)
def test_claims_follow_the_model(still: Engine) -> None:
    """Retries, lost runs, priorities, cancels, repeated calls, and a clock that moves."""
    for seed in seeds():
        print(f"CHAOS_SEED={seed}")  # noqa: T201 - shown if the test fails
        emptied(still)
        randomly = random.Random(seed)
        site = Site(still, randomly)
        for number, step in enumerate(randomly.choices(STEPS, WEIGHTS, k=CALLS)):
            step(site)
            if number % 10 == 0:
                site.look()
        site.look()
