"""Random calls about jobs with keys, some of them repeated: each limit is kept, and none is stuck.

`CHAOS_EXAMPLES=500` makes more of it, `CHAOS_SEED=…` the same again.
"""

import os
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from django_jobqueue.conf import load
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import ALL_QUEUES, NoJob, Slot
from django_jobqueue.engine.client import Client
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.jobs.job import Job, new_id
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import FINAL, Outcome, State
from tests.support.clock import scripts_with
from tests.support.consistency import assert_consistent
from tests.support.jobs import new_job
from tests.support.places import REAP

EXAMPLES = int(os.environ.get("CHAOS_EXAMPLES", "5"))
CALLS = 150
STILL_CLOCK = "local function now() return redis.call('GET', KEYS[1] .. 'clock') end"
MOST = {"a": 1, "b": 2, "s": 1, "n": 1}
RATE, WINDOW = 5, 10_000
WORDS = ("1w:a", "2w:b", "1s:s", "1o:n", "5r10000.2:r")
QUEUES = ("x", "y", "z")


class Site:
    """A server whose clock stands, three workers of two slots each, and what they run."""

    def __init__(self, engine: Engine, randomly: random.Random) -> None:
        self.engine, self.random = engine, randomly
        self.now = 1_700_000_000_000
        engine.client.redis.flushall()
        engine.client.detach()
        self.move(0)
        self.runs: dict[tuple[str, str], tuple[Slot, Job]] = {}
        self.ids: list[str] = []
        self.starts: list[int] = []
        self.begun: set[str] = set()  # fences
        self.again: Callable[[], object] | None = None  # the last call, which may come again

    def move(self, ms: int) -> None:
        self.now += ms
        self.engine.client.redis.set(self.engine.client.keys("clock"), self.now)

    def call(self, call: Callable[[], Any]) -> Any:
        self.again = call
        return call()

    # Calls

    def enqueue(self) -> None:
        words = [word for word in WORDS if self.random.random() < 0.35]
        due = self.random.choice((None, None, None, timedelta(seconds=3)))
        given: Any = {"priority": self.random.choice((0, 0, 5)), "due": due}
        expires = self.random.choice(("", "", "+20000"))
        jobs = [
            new_job(new_id(), self.random.choice(QUEUES), limits=tuple(words), expires=expires,
                    max_recoveries=9, **given)
            for _ in range(self.random.randrange(1, 4))
        ]  # fmt: skip
        self.ids += [job.id for job in jobs]
        self.call(lambda: self.engine.jobs.enqueue(jobs))

    def claim(self) -> None:
        slot = self.slot()
        if slot is not None:
            queues = self.random.choice(((ALL_QUEUES,), QUEUES, ("x",), ("y", "z")))
            nonce = slot.nonce
            self.begin(slot, self.call(lambda: self.claim_with(slot, nonce, queues)))

    def claim_with(self, slot: Slot, nonce: str, queues: tuple[str, ...]) -> Job | NoJob:
        slot.nonce = nonce
        return self.engine.claims.claim(slot, queues)

    def slot(self) -> Slot | None:
        """Return an idle slot."""
        names = [(f"w{number % 3}", f"{number // 3}") for number in range(6)]
        free = [name for name in names if name not in self.runs]
        return Slot(*self.random.choice(free)) if free else None

    def begin(self, slot: Slot, found: Job | NoJob) -> None:
        if not isinstance(found, Job):
            return
        self.runs[slot.worker, slot.name] = slot, found
        if any(word.startswith("5r") for word in found.limits) and found.fence not in self.begun:
            self.starts.append(self.now)
        self.begun.add(found.fence)

    def finish(self) -> None:
        if not self.runs:
            return
        name = self.random.choice(sorted(self.runs))
        slot, job = self.runs.pop(name)
        outcome = self.random.choice([*Outcome][:5])
        result = RunResult(outcome, delay_ms=self.random.choice((0, 2000)))
        queues = self.random.choice(((), (ALL_QUEUES,), QUEUES))
        nonce = slot.nonce

        def call() -> Job | NoJob:
            slot.nonce = nonce
            _, _, found = self.engine.claims.finish(slot, job, result, queues)
            if isinstance(found, NoJob) and found.more:
                return self.claim_with(slot, nonce, queues)
            return found

        found = self.call(call)
        self.again = None  # a slot does not repeat what was answered
        self.begin(slot, found)

    def lose(self) -> None:
        """Let a process die, which its supervisor notices, or which nobody does for a lease."""
        if not self.runs:
            return
        worker, name = self.random.choice(sorted(self.runs))
        if self.random.random() < 0.5:
            del self.runs[worker, name]
            slot = Slot(worker, name)
            self.call(lambda: self.engine.leases.release_slot(slot, lost=True, reason="x"))
        else:
            for each in [each for each in self.runs if each[0] == worker]:
                del self.runs[each]
            self.pass_by(31_000)

    def steer(self) -> None:
        if not self.ids:
            return
        job_id = self.random.choice(self.ids[-20:])
        nonce = str(self.random.random())
        jobs = self.engine.jobs
        call = self.random.choice(
            (
                lambda: jobs.cancel(job_id),
                lambda: jobs.delete(job_id),
                lambda: jobs.requeue(job_id, nonce=nonce),
            )
        )

        def quietly() -> None:
            with suppress(JobNotFound):
                call()

        self.call(quietly)

    def pause(self) -> None:
        queue, queues = self.random.choice(QUEUES), self.engine.queues
        change = self.random.choice((queues.pause, queues.resume, queues.resume))
        self.call(lambda: change(queue))

    def pass_by(self, ms: int = 0) -> None:
        """Let time pass, in which the workers that live renew their leases, and maintain."""
        self.move(ms or self.random.choice((1, 500, 1500, 5000)))
        for worker in {worker for worker, _ in self.runs}:
            self.engine.leases.renew(worker, {})
        self.call(lambda: self.engine.queues.reap(**REAP))
        self.engine.queues.promote()
        self.engine.limits.admit()

    def repeat(self) -> None:
        if self.again is not None:
            self.again()

    # What holds

    def look(self) -> None:
        running = [job for job in self.jobs() if job.state is State.RUNNING]
        for key, most in MOST.items():
            held = [job.id for job in running if any(w.endswith(f":{key}") for w in job.limits)]
            assert len(held) <= most, f"{key}: {held}"
        for at in self.starts[-3 * RATE :]:
            assert sum(at <= one <= at + WINDOW for one in self.starts) <= RATE
        assert_consistent(self.engine)

    def jobs(self) -> list[Job]:
        found = []
        for job_id in self.ids:
            with suppress(JobNotFound):
                found.append(self.engine.inspector.job(job_id))
        return found

    def end(self) -> None:
        """Let workers that live come to the end of all jobs; with time, nothing is left."""
        for queue in QUEUES:
            self.engine.queues.resume(queue)
        self.runs.clear()
        self.move(60_000)
        self.engine.queues.reap(**REAP)
        slot = Slot("last", "0")
        for _ in range(20 * len(self.ids) + 100):
            found = self.engine.claims.claim(slot, [ALL_QUEUES])
            if isinstance(found, Job):
                self.begin(slot, found)
                self.look_at_starts()
                self.engine.claims.finish(slot, found, RunResult(Outcome.SUCCEEDED), [])
            elif found.wait_ms is not None:
                self.move(min(found.wait_ms, 5000) + 1)
            elif not found.more:
                if all(job.state in FINAL for job in self.jobs()):
                    return
                self.move(1000)
                self.engine.limits.admit()
        left = [(job.id, job.state, job.parked, job.limits) for job in self.jobs()]
        raise AssertionError([one for one in left if one[1] not in FINAL])

    def look_at_starts(self) -> None:
        recent = [at for at in self.starts if at >= self.now - WINDOW]
        assert len(recent) <= RATE


STEPS = (
    (Site.enqueue, 5), (Site.claim, 8), (Site.finish, 5), (Site.lose, 1), (Site.steer, 2),
    (Site.pause, 1), (Site.pass_by, 3), (Site.repeat, 2),
)  # fmt: skip


@pytest.fixture
def still(engine: Engine) -> Engine:
    client = Client("default", load("default"), scripts=scripts_with(STILL_CLOCK))
    engine.client.redis.set(engine.client.keys("clock"), 1_700_000_000_000)
    vars(engine).update(vars(Engine(client)))
    return engine


@pytest.mark.timeout(120 + 10 * EXAMPLES)
def test_limits_are_kept_and_nothing_is_stuck(still: Engine) -> None:
    first = int(os.environ.get("CHAOS_SEED", random.randrange(2**32)))
    for seed in range(first, first + EXAMPLES):
        print(f"CHAOS_SEED={seed}")  # noqa: T201 - shown if the test fails
        randomly = random.Random(seed)
        site = Site(still, randomly)
        steps, weights = zip(*STEPS, strict=True)
        for number, step in enumerate(randomly.choices(steps, weights, k=CALLS)):
            step(site)
            if number % 10 == 0:
                site.look()
        site.look()
        site.end()
        site.look()
