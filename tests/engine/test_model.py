"""The engine against a model: random calls, each maybe repeated, and never a difference.

The model is a dict of jobs. The clock only makes jumps that leave no doubt about what is due.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from django_jobqueue.engine import Engine
from django_jobqueue.engine.jobs import NewJob
from django_jobqueue.engine.keys import INDEX_OF
from django_jobqueue.engine.workers import Nothing, Slot
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.job import FINAL, State
from django_jobqueue.options import DEFAULT_RETENTION
from django_jobqueue.run import Claimed, Settlement
from tests.conftest import Clock
from tests.consistency import assert_consistent

from .places import REAP, places, record

QUEUES = ("a", "b")
SLOTS = (("worker-1", "0"), ("worker-1", "1"), ("worker-2", "0"))
HOUR, DAY = 3_600, 86_400
LEASE = 30  # seconds
RETRY = 60  # seconds
MAX_RECOVERIES = 2
AFTER = {
    "succeeded": State.SUCCEEDED,
    "failed": State.FAILED,
    "cancelled": State.CANCELLED,
    "retried": State.SCHEDULED,
    "released": State.QUEUED,
}
orders = st.sampled_from([("a",), ("b",), ("a", "b"), ("b", "a")])


@dataclass
class Model:
    """One job as it should be."""

    queue: str
    priority: int
    state: State = State.QUEUED
    order: int = 0  # among the queued ones of its priority
    due: int = 0  # ms
    attempts: int = 0
    recoveries: int = 0
    ended: int = 0  # ms
    fence: str = ""  # of its run
    renewed: int = 0  # seconds that the clock had been moved by


class Machine(RuleBasedStateMachine):
    """Random calls of the engine, each compared with the model."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        super().__init__()
        self.engine, self.clock = engine, clock
        engine.connection.client.flushall()
        self.jobs: dict[str, Model] = {}
        self.slots = [Slot(*names) for names in SLOTS]
        self.held: dict[int, Claimed] = {}  # what a slot believes to run
        self.moved = 0  # seconds
        self.ticks = 0  # of 10 ms: no two calls have the same time
        self.sequence = 0
        self.stored = 0
        self.repeat: Callable[[], None] | None = None  # the last call once more

    # What the model knows

    def now(self) -> int:
        seconds, micros = self.engine.connection.client.time()
        return int(seconds) * 1000 + int(micros) // 1000 + self.moved * 1000 + self.ticks * 10

    def enter(self, job: Model) -> None:
        """Queue a job behind the others of its priority."""
        self.sequence += 1
        job.state, job.order = State.QUEUED, self.sequence

    def queued(self, queue: str) -> list[str]:
        """Return the ids of a queue in the order of their claim."""
        found = [
            (-job.priority, job.order, job_id)
            for job_id, job in self.jobs.items()
            if job.queue == queue and job.state is State.QUEUED
        ]
        return [job_id for _, _, job_id in sorted(found)]

    def make_due(self, queues: Sequence[str]) -> int:
        now, moved = self.now(), 0
        for queue in queues:
            due = [
                (job.due, job_id)
                for job_id, job in self.jobs.items()
                if job.queue == queue and job.state is State.SCHEDULED and job.due <= now
            ]
            for _, job_id in sorted(due):
                self.enter(self.jobs[job_id])
            moved += len(due)
        return moved

    def lose(self, job: Model, *, lost: bool = True) -> str:
        job.recoveries += lost
        job.state = State.FAILED if job.recoveries > MAX_RECOVERIES else State.QUEUED
        job.fence, job.ended = "", self.now()
        return job.state.value

    def holds(self, number: int) -> Model | None:
        """Return the job that a slot rightly believes to run."""
        run = self.held.get(number)
        job = self.jobs.get(run.id) if run else None
        return job if run and job and job.fence == run.fence else None

    def take(self, number: int, found: Claimed | Nothing, queues: Sequence[str]) -> None:
        """Compare a claim with what the model gives."""
        self.held.pop(number, None)
        for queue in queues:
            self.make_due([queue])
            if ids := self.queued(queue):
                assert isinstance(found, Claimed)
                job = self.jobs[ids[0]]
                assert (found.id, found.queue) == (ids[0], queue)
                assert (found.attempts, found.recoveries) == (job.attempts, job.recoveries)
                job.state, job.fence, job.renewed = State.RUNNING, found.fence, self.moved
                self.held[number] = found
                return
        assert isinstance(found, Nothing)
        assert not found.more

    def then(self, call: Callable[[], Any], wanted: Any) -> None:
        """Note what the last call must answer when it is repeated, and maybe repeat it."""

        def repeat() -> None:
            assert call() == wanted

        self.repeat = repeat
        if self.ticks % 2:  # every other call at once, the others when their time comes
            repeat()

    def has(self, *states: State) -> bool:
        return any(job.state in states for job in self.jobs.values())

    def draw(self, data: st.DataObject, *, stored: bool = True) -> str:
        return data.draw(st.sampled_from(list(self.jobs))) if self.jobs and stored else "unknown"

    def moved_by_hand(self, call: Callable[[str], State], job_id: str) -> State | None:
        try:
            return call(job_id)
        except JobNotFound:
            return None

    # The calls

    @initialize(queues=st.lists(st.sampled_from(QUEUES), min_size=2, max_size=5))
    def start(self, queues: list[str]) -> None:
        for queue in queues:
            self.enqueue(queue, 0, 0)
            self.time_goes_on()

    @rule(
        queue=st.sampled_from(QUEUES),
        priority=st.sampled_from([0, 0, 0, -100, 1, 100]),
        hours=st.sampled_from([0, 0, 0, 1, 2]),
    )
    def enqueue(self, queue: str, priority: int, hours: int) -> None:
        due = timedelta(hours=hours) if hours else None
        self.stored += 1
        job_id = f"0190a5b2-7c3d-7abc-8def-{self.stored:010x}00"  # in order: a run can be repeated
        new = NewJob(job_id, queue, "a.b", b"payload", priority=priority, due=due)
        at = self.engine.jobs.enqueue(new)
        job = self.jobs[job_id] = Model(queue, priority)
        if hours:
            job.state, job.due = State.SCHEDULED, at + hours * HOUR * 1000
        else:
            self.enter(job)
        self.then(lambda: self.engine.jobs.enqueue(new), at)

    @rule(data=st.data(), queues=orders)
    @precondition(lambda self: len(self.held) < len(SLOTS))
    def claim(self, data: st.DataObject, queues: tuple[str, ...]) -> None:
        number = data.draw(st.sampled_from([n for n in range(len(SLOTS)) if n not in self.held]))
        nonce = self.slots[number].nonce
        found = self.engine.workers.claim(self.slots[number], queues)
        self.take(number, found, queues)
        same = Slot(*SLOTS[number])

        def again() -> tuple[str, str] | None:
            same.nonce = nonce
            return name_of(self.engine.workers.claim(same, queues))

        self.then(again, name_of(found))

    @rule(data=st.data(), outcome=st.sampled_from(sorted(AFTER)), queues=orders | st.just(()))
    @precondition(lambda self: self.held)
    def finish(self, data: st.DataObject, outcome: str, queues: tuple[str, ...]) -> None:
        number = data.draw(st.sampled_from(sorted(self.held)))
        run, job, nonce = self.held[number], self.holds(number), self.slots[number].nonce
        settled = Settlement(outcome=outcome, delay_ms=RETRY * 1000 * (outcome == "retried"))
        reply = self.engine.workers.finish(self.slots[number], run, settled, queues)
        if job is not None:
            job.state, job.fence = AFTER[outcome], ""
            job.attempts += outcome != "released"
            job.due, job.ended = reply[1] + RETRY * 1000, reply[1]
        assert reply[0] == ("stale" if job is None else "ok")
        self.take(number, reply[2], queues)

        same = Slot(*SLOTS[number])

        def again() -> tuple[str, tuple[str, str] | None]:
            same.nonce = nonce
            verdict, _, found = self.engine.workers.finish(same, run, settled, queues)
            return verdict, name_of(found)

        self.then(again, ("stale" if job is None else "again", name_of(reply[2])))

    @rule(worker=st.sampled_from(["worker-1", "worker-2"]))
    @precondition(lambda self: self.held)
    def renew(self, worker: str) -> None:
        wanted = set()
        for number, run in self.held.items():
            if SLOTS[number][0] == worker:
                job = self.holds(number)
                wanted.add((SLOTS[number][1], run.id, run.fence, job is None))
                if job is not None:
                    job.renewed = self.moved

        def call() -> set[tuple[str, str, str, bool]]:
            _, held = self.engine.workers.renew(worker, {"pid": 1})
            return {(one.slot, one.job_id, one.fence, one.lost) for one in held}

        assert call() == wanted
        self.then(call, wanted)

    @rule(data=st.data(), lost=st.booleans())
    @precondition(lambda self: self.held)
    def release_slot(self, data: st.DataObject, lost: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.held)))

        def call() -> list[str]:
            worker, slot = SLOTS[number]
            return self.engine.workers.release_slot(worker, slot, lost=lost, reason="killed")

        job = self.holds(number)
        wanted = [self.held[number].id, self.lose(job, lost=lost)] if job else []
        assert call() == wanted
        self.held.pop(number, None)
        self.then(call, [])

    @rule(seconds=st.sampled_from([0, LEASE + 1, LEASE + 1]))
    @precondition(lambda self: self.has(State.RUNNING))
    def reap(self, seconds: int) -> None:
        self.move_clock(seconds)
        wanted = {
            job_id: self.lose(job)
            for job_id, job in self.jobs.items()
            if job.state is State.RUNNING and self.moved - job.renewed > LEASE
        }
        assert self.engine.queues.reap(QUEUES, **REAP) == wanted
        self.then(lambda: self.engine.queues.reap(QUEUES, **REAP), {})

    @rule(seconds=st.sampled_from([0, HOUR]))
    @precondition(lambda self: self.has(State.SCHEDULED))
    def promote(self, seconds: int) -> None:
        self.move_clock(seconds)
        assert self.engine.queues.promote(QUEUES) == self.make_due(QUEUES)
        self.then(lambda: self.engine.queues.promote(QUEUES), 0)

    @rule(data=st.data(), stored=st.sampled_from([True, True, True, False]))
    def cancel(self, data: st.DataObject, stored: bool) -> None:
        job_id = self.draw(data, stored=stored)
        job = self.jobs.get(job_id)
        if job and job.state in (State.QUEUED, State.SCHEDULED):
            job.state, job.ended = State.CANCELLED, self.now()
        wanted = job and job.state
        assert self.moved_by_hand(self.engine.jobs.cancel, job_id) == wanted
        self.then(lambda: self.moved_by_hand(self.engine.jobs.cancel, job_id), wanted)

    @rule(data=st.data(), stored=st.sampled_from([True, True, True, False]))
    def requeue(self, data: st.DataObject, stored: bool) -> None:
        job_id = self.draw(data, stored=stored)
        job = self.jobs.get(job_id)
        if job and (job.state in FINAL or job.state is State.SCHEDULED):
            if job.state in FINAL:
                job.attempts = job.recoveries = 0
            self.enter(job)
        wanted = job and job.state
        assert self.moved_by_hand(self.engine.jobs.requeue, job_id) == wanted
        self.then(lambda: self.moved_by_hand(self.engine.jobs.requeue, job_id), wanted)

    @rule(data=st.data())
    @precondition(lambda self: self.jobs)
    def delete(self, data: st.DataObject) -> None:
        job_id = self.draw(data)
        goes = self.jobs[job_id].state is not State.RUNNING
        assert self.engine.jobs.delete(job_id) is goes
        if goes:
            del self.jobs[job_id]

        def again() -> bool | None:
            try:
                return self.engine.jobs.delete(job_id)
            except JobNotFound:
                return None

        self.then(again, None if goes else False)

    @rule(queue=st.sampled_from(QUEUES), days=st.sampled_from([0, 1, 14]))
    @precondition(lambda self: self.has(*FINAL))
    def trim(self, queue: str, days: int) -> None:
        self.move_clock(days * DAY)
        now = self.now()
        old = [
            job_id
            for job_id, job in self.jobs.items()
            if job.queue == queue
            and job.state in FINAL
            and job.ended + DEFAULT_RETENTION[job.state] * 1000 <= now
        ]
        assert self.engine.queues.trim(queue) == len(old)
        for job_id in old:
            del self.jobs[job_id]
        self.then(lambda: self.engine.queues.trim(queue), 0)

    @rule(seconds=st.sampled_from([LEASE + 1, HOUR]))
    def move_clock(self, seconds: int) -> None:
        self.clock.move(seconds)
        self.moved += seconds
        self.repeat = None

    @rule()
    def flush_scripts(self) -> None:
        self.engine.connection.client.script_flush()

    @rule()
    @precondition(lambda self: self.repeat)
    def repeat_the_last_call(self) -> None:
        assert self.repeat is not None
        self.repeat()

    @invariant()
    def time_goes_on(self) -> None:
        self.clock.move(0.01)
        self.ticks += 1

    @invariant()
    def engine_and_model_agree(self) -> None:
        wanted: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for job_id, job in self.jobs.items():
            wanted[INDEX_OF[job.state]][job.queue].add(job_id)
            fields = record(self.engine, job_id)
            assert (fields["state"], int(fields.get("attempts", 0))) == (job.state, job.attempts)
            assert int(fields.get("recoveries", 0)) == job.recoveries
        found = places(self.engine)
        found.pop("failed-of", None)  # the auditor compares it
        for queue, ids in found.get("queued", {}).items():
            assert ids == self.queued(queue)
        assert {i: {q: set(ids) for q, ids in row.items()} for i, row in found.items()} == wanted
        assert_consistent(self.engine)


def name_of(found: Claimed | Nothing) -> tuple[str, str] | None:
    """Return which run a claim gave."""
    return (found.id, found.fence) if isinstance(found, Claimed) else None


def test_random_calls_and_the_model_agree(engine: Engine, clock: Clock) -> None:
    """Whatever the order, a repeated call included, both come to the same."""
    run_state_machine_as_test(
        lambda: Machine(engine, clock),  # type: ignore[arg-type]
        # Found steps are shown as they are: to shrink them takes minutes.
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            phases=[Phase.generate],
            print_blob=True,
            database=None,
        ),
    )
