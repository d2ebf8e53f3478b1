"""Random calls about jobs with keys, and workflows: each limit is kept, and nothing is stuck.

Some calls are repeated; in the second test some break at a command, and are repeated or not.
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
from django_jobqueue.exceptions import JobNotFound, MemberHeld, QueueUnavailable
from django_jobqueue.jobs.job import Job, new_id
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import FINAL, Outcome, State
from tests.support.breaker import breaker
from tests.support.clock import scripts_with
from tests.support.consistency import assert_consistent
from tests.support.flows import EVENTS, members, steps
from tests.support.jobs import new_job
from tests.support.places import REAP

EXAMPLES = int(os.environ.get("CHAOS_EXAMPLES", "3"))
CALLS = 150
STILL_CLOCK = "local function now() return redis.call('GET', KEYS[1] .. 'clock') end"
BREAKER = breaker("tonumber(real.call('GET', KEYS[1] .. 'clock:breaks_at') or '0')").strip()
BREAKS, REPEATED = 0.15, 0.7  # share of the calls that break, and of those that come again
LONGEST = 40  # commands after which a call breaks at most
HOUR = 3_600_000  # ms, in which a workflow is to be sealed
MOST = {"a": 1, "b": 2, "s": 1, "n": 1}
RATE, WINDOW = 5, 10_000
WORDS = ("1w:a", "2w:b", "1s:s", "1o:n", "5r10000.2:r")
QUEUES = ("x", "y", "z")
SHAPES = (
    [(0, 1), (1, 2), (2, 0)],
    [(0, 1), (0, 1), (0, 1), (1, 0)],
    [(0, 1), (0, 2), (1, 3), (2, 3), (3, 0)],
)
CALLED = {"succeeded": "on_success", "failed": "on_failure"}


class Site:
    """A server whose clock stands, three workers of two slots each, and what they run."""

    def __init__(self, engine: Engine, randomly: random.Random, *, breaks: bool) -> None:
        self.engine, self.random, self.breaks = engine, randomly, breaks
        self.now = 1_700_000_000_000
        engine.client.redis.flushall()
        engine.client.detach()
        self.move(0)
        self.runs: dict[tuple[str, str], tuple[Slot, Job]] = {}
        self.ids: list[str] = []  # of jobs that were accepted
        self.doubtful: list[str] = []  # of others
        self.flows: dict[str, list[Job]] = {}  # workflow → its callbacks
        self.starts: list[int] = []
        self.begun: set[str] = set()  # fences
        self.again: Callable[[], object] | None = None  # the last call, which may come again

    def move(self, ms: int) -> None:
        self.now += ms
        self.engine.client.redis.set(self.engine.client.keys("clock"), self.now)

    def call(self, call: Callable[[], Any]) -> Any:
        self.again = call
        breaks_at = self.engine.client.keys("clock") + ":breaks_at"
        if not self.breaks or self.random.random() > BREAKS:
            return call()
        self.engine.client.redis.set(breaks_at, self.random.randrange(1, LONGEST))
        try:
            return call()
        except QueueUnavailable:
            self.engine.client.redis.delete(breaks_at)
            if self.random.random() > REPEATED:
                self.again = None
                return None
            return call()
        finally:
            self.engine.client.redis.delete(breaks_at)

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
        found = self.call(lambda: self.engine.jobs.enqueue(jobs))
        (self.ids if found else self.doubtful).extend(job.id for job in jobs)

    def start_workflow(self) -> None:
        shape, workflow = self.random.choice(SHAPES), new_id()
        if_failed = self.random.choice(("stop", "stop", "continue"))
        jobs = members(workflow, shape, EVENTS, max_recoveries=9)
        for job in jobs:
            job.queue = self.random.choice(QUEUES)
        for job in jobs[: len(shape)]:
            if self.random.random() < 0.3:
                job.limits = (self.random.choice(("1w:a", "2w:b", "1s:s", "5r10000.2:r")),)

        def store() -> bool:
            given = {"total": len(shape), "steps": steps(shape), "if_failed": if_failed}
            self.engine.workflows.stage(workflow, jobs, **given)  # type: ignore[arg-type]
            self.engine.workflows.seal(workflow)
            return True

        if self.call(store):
            self.ids += [job.id for job in jobs[: len(shape)]]
            self.flows[workflow] = jobs[len(shape) :]
        else:
            self.doubtful += [job.id for job in jobs]

    def cancel_workflow(self) -> None:
        if self.flows:
            workflow = self.random.choice(list(self.flows))
            self.call(lambda: self.engine.workflows.cancel(workflow))

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

    def begin(self, slot: Slot, found: Job | NoJob | None) -> None:
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
        calls: list[Callable[[], object]] = [
            lambda: jobs.cancel(job_id),
            lambda: jobs.requeue(job_id, nonce=nonce),
        ]
        with suppress(JobNotFound):
            if not self.engine.inspector.job(job_id).flow:
                calls.append(lambda: jobs.delete(job_id))
        call = self.random.choice(calls)

        def quietly() -> None:
            with suppress(JobNotFound, MemberHeld):
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
        self.call(self.engine.queues.promote)
        self.call(self.engine.limits.admit)
        self.call(self.engine.workflows.advance)

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
        if not self.breaks:
            assert_consistent(self.engine)

    def jobs(self) -> list[Job]:
        found = []
        for job_id in [*self.ids, *self.doubtful]:
            with suppress(JobNotFound):
                found.append(self.engine.inspector.job(job_id))
        return found

    def end(self) -> None:
        """Let workers that live come to the end of all jobs; with time, nothing is left."""
        for queue in QUEUES:
            self.engine.queues.resume(queue)
        self.breaks = False
        self.runs.clear()
        self.move(HOUR + 1)
        self.engine.queues.reap(**REAP)
        while self.engine.workflows.advance():
            pass
        slot = Slot("last", "0")
        for _ in range(20 * len(self.ids) + 100):
            found = self.engine.claims.claim(slot, [ALL_QUEUES])
            if isinstance(found, Job):
                self.begin(slot, found)
                self.look_at_starts()
                self.engine.claims.finish(slot, found, RunResult(Outcome.SUCCEEDED), [])
                self.engine.workflows.advance()
            elif found.wait_ms is not None:
                self.move(min(found.wait_ms, 5000) + 1)
            elif not found.more:
                if all(job.state in FINAL for job in self.jobs() if job.id not in self.doubtful):
                    return
                self.move(1000)
                self.engine.limits.admit()
                self.engine.workflows.advance()
        left = [(job.id, job.state, job.parked, job.limits) for job in self.jobs()]
        raise AssertionError([one for one in left if one[1] not in FINAL])

    def trim(self) -> None:
        """Let all retentions end: until then an index may name a job that is half gone."""
        self.move(60 * 24 * HOUR)
        following = None
        while following != "":
            following = self.engine.queues.trim(following or "").next

    def look_at_flows(self) -> None:
        """Each workflow has ended, and its callbacks were called."""
        for workflow, callbacks in self.flows.items():
            found = self.engine.workflows.read(workflow)
            assert found is not None
            assert found.state in {"succeeded", "failed", "cancelled"}, found
            assert (found.done, found.failed > 0) == (found.members, found.state != "succeeded")
            jobs = {each.task: self.engine.inspector.job(each.id) for each in callbacks}
            assert all(job.state in FINAL for job in jobs.values()), jobs
            for event in ("on_done", CALLED.get(found.state, "on_done")):
                assert jobs[f"a.{event}"].attempted_at, f"{event} of {found} was not called"

    def look_at_starts(self) -> None:
        recent = [at for at in self.starts if at >= self.now - WINDOW]
        assert len(recent) <= RATE


STEPS = (
    (Site.enqueue, 5), (Site.claim, 8), (Site.finish, 5), (Site.lose, 1), (Site.steer, 2),
    (Site.pause, 1), (Site.pass_by, 3), (Site.repeat, 2), (Site.start_workflow, 1),
    (Site.cancel_workflow, 0.2),
)  # fmt: skip


@pytest.fixture
def still(engine: Engine) -> Engine:
    scripts = scripts_with(f"{BREAKER}\n\n{STILL_CLOCK}")
    client = Client("default", load("default"), scripts=scripts)
    engine.client.redis.set(engine.client.keys("clock"), 1_700_000_000_000)
    vars(engine).update(vars(Engine(client)))
    return engine


@pytest.mark.timeout(120 + 10 * EXAMPLES)
@pytest.mark.parametrize("breaks", [False, True])
def test_limits_are_kept_and_nothing_is_stuck(still: Engine, breaks: bool) -> None:
    first = int(os.environ.get("CHAOS_SEED", random.randrange(2**32)))
    for seed in range(first, first + EXAMPLES):
        print(f"CHAOS_SEED={seed}")  # noqa: T201 - shown if the test fails
        randomly = random.Random(seed)
        site = Site(still, randomly, breaks=breaks)
        steps, weights = zip(*STEPS, strict=True)
        for number, step in enumerate(randomly.choices(steps, weights, k=CALLS)):
            step(site)
            if number % 15 == 0:
                site.look()
        site.look()
        site.end()
        site.look_at_flows()
        if breaks:
            site.trim()
        assert_consistent(still, remains=breaks)
        still.client.redis.flushall()  # what broken calls have left is not looked at again
