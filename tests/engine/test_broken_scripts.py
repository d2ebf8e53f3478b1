"""A script that breaks at any command leaves its jobs where a later call finds them.

Redis does not roll a script back: an ACL that loses a command, for example, stops it half-way.
Here each command of each script fails in turn. Then the same call comes again, as from a client
that repeats it, or never, as from one that has died.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from django_jobqueue.conf import load
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import ALL_QUEUES, NoJob, Slot
from django_jobqueue.engine.client import Client
from django_jobqueue.engine.remote_control import Word
from django_jobqueue.exceptions import JobNotFound, QueueUnavailable
from django_jobqueue.jobs.job import Job, new_id
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import FINAL, Outcome, State
from tests.support.breaker import breaker
from tests.support.clock import TEST_CLOCK, Clock, scripts_with
from tests.support.consistency import assert_consistent
from tests.support.flows import members, stage, steps
from tests.support.jobs import new_job
from tests.support.places import (
    DONE,
    FAILED,
    REAP,
    RELEASED,
    RETRIED,
    claimed,
    finish,
    nothing,
    places,
    record,
)
from tests.support.unique import KEY, NEWEST, OTHER_KEY, unique_job

BREAKER = breaker("tonumber(real.call('GET', KEYS[1] .. 'clock:breaks_at') or '0')")
MOST_COMMANDS = 300
DAY = 86_400  # seconds
UNTIL = ("done", "start", "+60000", NEWEST)
WINDOW = f"{KEY} +60000"
MINE = Slot("worker-1", "0.0")

Call = Callable[[], object]
Case = Callable[[Engine], Call]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    """Register a case: it prepares, and returns the call that breaks, which can be repeated."""
    CASES[function.__name__] = function
    return function


def add(engine: Engine, **given: Any) -> str:
    queue = given.pop("queue", "default")
    job = new_job(new_id(), queue, "a.b", b"payload", **given)
    engine.jobs.enqueue([job])
    return job.id


def again(slot: Slot, call: Callable[[Slot], object]) -> Call:
    """Return a call that is the same each time: its slot keeps the nonce."""
    nonce = slot.nonce

    def repeat() -> object:
        slot.nonce = nonce
        return call(slot)

    return repeat


@case
def enqueue(engine: Engine) -> Call:
    jobs = [new_job(new_id(), queue, "a.b", b"payload") for queue in ("default", "b")]
    jobs.append(new_job(new_id(), "c", "a.b", b"payload", due=timedelta(hours=1), tags=("t",)))
    jobs.append(new_job(new_id(), "c", "a.b", b"payload", tags=("t", "u")))
    return lambda: engine.jobs.enqueue(jobs)


@case
def enqueue_unique(engine: Engine) -> Call:
    jobs = [unique_job(until, key=f"{n:032x}", tags=("t",)) for n, until in enumerate(UNTIL)]
    jobs.append(unique_job(UNTIL[0], key=f"{0:032x}", due=timedelta(hours=1)))
    return lambda: engine.jobs.enqueue(jobs)


@case
def enqueue_of_duplicates(engine: Engine) -> Call:
    for number, until in enumerate(UNTIL):
        add(engine, unique=f"{number:032x} {until}")
    jobs = [unique_job(until, key=f"{n:032x}", told="told") for n, until in enumerate(UNTIL)]
    return lambda: engine.jobs.enqueue(jobs)


def replaced(payload: bytes, due: timedelta | None) -> Case:
    def prepare(engine: Engine) -> Call:
        job_id = add(engine, unique=f"{KEY} {NEWEST}", due=due)
        call = unique_job(NEWEST, told="told", expires="+99999999")
        return lambda: engine.locks.replace(call, job_id, 7, payload)

    return prepare


CASES |= {
    "replace": replaced(b"second", timedelta(seconds=5)),
    "replace_of_a_queued_job": replaced(b"x" * 100, None),
}


@case
def claim(engine: Engine) -> Call:
    add(engine, unique=f"{KEY} start")
    add(engine, queue="b")
    return again(Slot("worker-1", "0.0"), lambda slot: engine.claims.claim(slot, [ALL_QUEUES]))


@case
def claim_of_a_named_queue(engine: Engine) -> Call:
    add(engine, queue="b")
    return again(Slot("worker-1", "0.0"), lambda slot: engine.claims.claim(slot, ["b"]))


@case
def claim_after_a_lost_process(engine: Engine) -> Call:
    add(engine)
    claimed(engine, Slot("worker-1", "0.0"))
    return again(Slot("worker-1", "0.0"), lambda slot: engine.claims.claim(slot, ["default"]))


@case
def promotion(engine: Engine) -> Call:
    for due in (1, 2):
        add(engine, due=due)
    return engine.queues.promote


@case
def expiry(engine: Engine) -> Call:
    """The slot finds a job that was not started in time before it gets one."""
    for expires in ("1", ""):
        add(engine, expires=expires, unique=f"{KEY} done")
    return again(Slot("worker-1", "0.0"), lambda slot: engine.claims.claim(slot, ["default"]))


def ends(result: RunResult, *, run: int = 1, queues: tuple[str, ...] = ()) -> Case:
    """Return the case of a run that ends so."""

    def prepare(engine: Engine) -> Call:
        add(engine, unique=f"{KEY} done")
        for _ in range(run - 1):
            slot = Slot("worker-1", "0.0")
            finish(engine, slot, claimed(engine, slot), RELEASED)
        slot = Slot("worker-1", "0.0")
        job = claimed(engine, slot)
        add(engine)

        def end(slot: Slot) -> None:
            _, _, found = engine.claims.finish(slot, job, result, queues)
            if isinstance(found, NoJob) and found.more:
                engine.claims.claim(slot, queues)  # with the same nonce, as a slot does

        return again(slot, end)

    return prepare


CASES |= {
    "success": ends(DONE._replace(value=b'"done"', cache="d 0")),
    "success_with_the_next_claim": ends(DONE, queues=(ALL_QUEUES,)),
    "second_success": ends(DONE._replace(value=b"2"), run=2),
    "failure": ends(FAILED),
    "retry": ends(RETRIED),
    "release": ends(RELEASED),
    "release_with_the_next_claim": ends(RELEASED, queues=("default",)),
}


SHAPE = [(0, 1), (0, 1), (1, 2), (2, 0)]
EVENTS = ("on_success", "on_failure", "on_done")


@case
def workflow_staged(engine: Engine) -> Call:
    workflow = new_id()
    jobs = members(workflow, SHAPE, EVENTS, tags=("t",))
    return lambda: engine.workflows.stage(
        workflow, jobs, total=len(SHAPE), steps=steps(SHAPE), output=b"1.x.1"
    )


@case
def workflow_sealed(engine: Engine) -> Call:
    workflow, _ = stage(engine, SHAPE, EVENTS)
    return lambda: engine.workflows.seal(workflow)


@case
def workflow_cancelled(engine: Engine) -> Call:
    workflow, _ = stage(engine, SHAPE, EVENTS)
    engine.workflows.seal(workflow)
    return lambda: engine.workflows.cancel(workflow)


def member_ends(result: RunResult, before: int) -> Case:
    """Return the case of a member of a workflow that ends so after others have succeeded."""

    def prepare(engine: Engine) -> Call:
        workflow, _ = stage(engine, SHAPE, EVENTS)
        engine.workflows.seal(workflow)
        for _ in range(before):
            slot = Slot("worker-1", "0.0")
            finish(engine, slot, claimed(engine, slot), DONE)
        slot = Slot("worker-1", "0.0")
        job = claimed(engine, slot)
        return again(slot, lambda slot: engine.claims.finish(slot, job, result, []))

    return prepare


SIGNED = DONE._replace(value=b"7", signed=b"1.signature")
CASES |= {
    "member_succeeds": member_ends(SIGNED, 1),
    "last_member_succeeds": member_ends(SIGNED, 3),
    "member_fails": member_ends(FAILED, 0),
    "last_member_fails": member_ends(FAILED, 3),
}


@case
def addition_of_members(engine: Engine) -> Call:
    """The member that adds them runs on."""
    workflow, _ = stage(engine, SHAPE, EVENTS)
    engine.workflows.seal(workflow)
    job = claimed(engine, Slot("worker-1", "0.0"))
    more = [new_job(new_id(), flow=f"{workflow} 1.{number} 1") for number in (1, 2)]
    given = {"group": 1, "feeds": 1, "most": 99}
    return lambda: engine.workflows.add_members(workflow, job, more, **given)


@case
def requeue_of_a_member(engine: Engine) -> Call:
    workflow, jobs = stage(engine, SHAPE, EVENTS)
    engine.workflows.seal(workflow)
    for result in (FAILED, DONE):
        slot = Slot("worker-1", "0.0")
        finish(engine, slot, claimed(engine, slot), result)
    return lambda: engine.jobs.requeue(jobs[0].id, nonce="n")


@case
def requeue_of_a_member_that_has_to_wait(engine: Engine) -> Call:
    workflow, jobs = stage(engine, SHAPE, EVENTS)
    engine.workflows.seal(workflow)
    engine.jobs.cancel(jobs[2].id)
    engine.workflows.advance()
    return lambda: engine.jobs.requeue(jobs[2].id, nonce="n")


@case
def workflow_sealed_after_a_member_ended(engine: Engine) -> Call:
    workflow, jobs = stage(engine, SHAPE, EVENTS)
    engine.jobs.cancel(jobs[1].id)
    engine.workflows.advance()
    return lambda: engine.workflows.seal(workflow)


@case
def deletion_of_a_member(engine: Engine) -> Call:
    workflow, jobs = stage(engine, SHAPE, EVENTS)
    engine.workflows.seal(workflow)
    return lambda: engine.jobs.delete(jobs[1].id)


@case
def advance_to_the_end_of_a_retention(engine: Engine) -> Call:
    stage(engine, SHAPE, EVENTS)
    Clock(engine).move(3601)
    return lambda: [engine.workflows.advance() for _ in range(9)]


@case
def another_priority(engine: Engine) -> Call:
    job_id = add(engine)
    return lambda: engine.edits.prioritize(job_id, 7)


@case
def move_of_a_queued_job(engine: Engine) -> Call:
    job_id = add(engine)
    return lambda: engine.edits.move(job_id, "b")


@case
def move_of_a_scheduled_job(engine: Engine) -> Call:
    job_id = add(engine, due=timedelta(hours=1))
    return lambda: engine.edits.move(job_id, "b")


@case
def move_of_a_waiting_job(engine: Engine) -> Call:
    _, second = (add(engine, limits=("1w:k",)) for _ in range(2))
    claimed(engine, Slot("worker-2", "0.0"))
    nothing(engine, Slot("worker-2", "1.0"))
    return lambda: engine.edits.move(second, "b")


@case
def move_of_a_member(engine: Engine) -> Call:
    workflow, jobs = stage(engine, SHAPE, EVENTS)
    engine.workflows.seal(workflow)
    return lambda: engine.edits.move(jobs[3].id, "b")


@case
def edit_to_a_long_payload(engine: Engine) -> Call:
    job_id = add(engine)
    return lambda: engine.edits.edit(job_id, b"payload", b"x" * 100)


@case
def edit_to_a_short_payload(engine: Engine) -> Call:
    job_id = add(engine)
    engine.edits.edit(job_id, b"payload", b"x" * 100)
    return lambda: engine.edits.edit(job_id, b"x" * 100, b"short")


@case
def cancellation(engine: Engine) -> Call:
    job_id = add(engine, unique=f"{KEY} done")
    return lambda: engine.jobs.cancel(job_id)


@case
def cancellation_of_a_scheduled_job(engine: Engine) -> Call:
    job_id = add(engine, due=timedelta(hours=1))
    return lambda: engine.jobs.cancel(job_id)


@case
def cancellation_of_a_tag(engine: Engine) -> Call:
    for queue in ("default", "b"):
        add(engine, queue=queue, tags=("t",))
    return lambda: engine.tags.cancel("t")


@case
def end_of_a_cancelled_run(engine: Engine) -> Call:
    job_id = add(engine)
    slot = Slot("worker-1", "0.0")
    job = claimed(engine, slot)
    engine.jobs.cancel(job_id)
    return again(slot, lambda slot: engine.claims.finish(slot, job, RETRIED, []))


def requeued(result: RunResult) -> Case:
    def prepare(engine: Engine) -> Call:
        job_id, slot = add(engine, unique=f"{KEY} done"), Slot("worker-1", "0.0")
        finish(engine, slot, claimed(engine, slot), result)
        return lambda: engine.jobs.requeue(job_id, nonce="n")

    return prepare


CASES |= {f"requeue_after_{name}": requeued(RESULT) for name, RESULT in
          {"success": DONE, "failure": FAILED, "retry": RETRIED}.items()}  # fmt: skip


@case
def deletion(engine: Engine) -> Call:
    job_id, slot = add(engine, tags=("t", "u"), unique=WINDOW), Slot("worker-1", "0.0")
    engine.jobs.enqueue([unique_job(told="told")])
    finish(engine, slot, claimed(engine, slot), FAILED)

    def delete() -> None:
        with suppress(JobNotFound):
            engine.jobs.delete(job_id)

    return delete


def lost(recoveries: int) -> Case:
    def prepare(engine: Engine) -> Call:
        add(engine, unique=f"{KEY} done")
        for _ in range(recoveries + 1):
            claimed(engine, Slot("worker-1", "0.0"))
        Clock(engine).move(31)
        return lambda: engine.queues.reap(**REAP)

    return prepare


CASES |= {"lost_run": lost(0), "run_lost_too_often": lost(2)}


@case
def released_slot(engine: Engine) -> Call:
    add(engine)
    claimed(engine, Slot("worker-1", "0.0"))
    slot = Slot("worker-1", "0.0")
    return lambda: engine.leases.release_slot(slot, lost=True, reason="killed_9")


@case
def renewal(engine: Engine) -> Call:
    add(engine)
    claimed(engine, Slot("worker-1", "0.0"))
    return lambda: engine.leases.renew("worker-1", {"pid": 1})


@case
def word_to_a_worker(engine: Engine) -> Call:
    engine.leases.renew("worker-1", {"pid": 1})
    return lambda: engine.remote_control.tell("worker-1", Word.STACKS)


@case
def pause(engine: Engine) -> Call:
    add(engine)
    return lambda: engine.queues.pause("default")


@case
def resumption(engine: Engine) -> Call:
    add(engine)
    engine.queues.pause("default")
    return lambda: engine.queues.resume("default")


@case
def trim(engine: Engine) -> Call:
    slot = Slot("worker-1", "0.0")
    for result, key in ((DONE, KEY), (FAILED, OTHER_KEY)):
        add(engine, tags=("t", "u"), unique=f"{key} +60000")
        engine.jobs.enqueue([unique_job(key=key, told="told")])
        finish(engine, slot, claimed(engine, slot), result)
    Clock(engine).move(60 * DAY)
    return engine.queues.trim


@case
def fire(engine: Engine) -> Call:
    since = engine.schedules.register("s1", {"nightly": "rule"}).now
    job = new_job(new_id(), "default", "a.b", b"payload", schedule="nightly")
    return lambda: engine.schedules.fire("nightly", "rule", since + 1, job, overlap="skip")


@case
def run_now(engine: Engine) -> Call:
    job = new_job(new_id(), "default", "a.b", b"payload", schedule="nightly")
    return lambda: engine.schedules.run_now("nightly", job)


@case
def refresh(engine: Engine) -> Call:
    job = new_job(new_id(), "default", "a.b", b"payload")
    return lambda: engine.cached_results.refresh("d", job, seen="", keep=0)


def durable(state: State, after: Callable[[Engine, str], object]) -> Case:
    """Return the case of a call about a durable job that is in a state."""

    def prepare(engine: Engine) -> Call:
        job_id = add(engine, round=1, unique=f"{KEY} done")
        slot = Slot("worker-1", "0.0")
        if state.is_final:
            finish(engine, slot, claimed(engine, slot), RunResult(Outcome(state.value)))
        return lambda: after(engine, job_id)

    return prepare


CASES |= {
    "durable_cancellation": durable(
        State.QUEUED, lambda engine, job_id: engine.jobs.cancel(job_id)
    ),
    "durable_requeue": durable(
        State.FAILED, lambda engine, job_id: engine.jobs.requeue(job_id, round=2)
    ),
    "durable_settled": durable(
        State.FAILED,
        lambda engine, job_id: engine.unsettled.settle(job_id, 1, State.SUCCEEDED, "", "1"),
    ),
    "durable_settled_unrun": durable(
        State.QUEUED,
        lambda engine, job_id: engine.unsettled.settle(job_id, 1, State.FAILED, "by_row", ""),
    ),
}


def test_no_end_of_a_durable_job_goes_unnoted(fragile: Engine) -> None:
    """Wherever its script breaks: the note comes before the state."""
    for result in (DONE, FAILED):
        for at in range(1, MOST_COMMANDS):
            fragile.client.redis.flushall()
            fragile.client.detach()
            job_id, slot = add(fragile, round=1), Slot("worker-1", "0.0")
            end = partial(
                fragile.claims.finish, run=claimed(fragile, slot), result=result, queues=[]
            )
            if not breaks(fragile, again(slot, end), at):
                break
            is_final = record(fragile, job_id)["state"] in FINAL
            assert fragile.unsettled.count() or not is_final, f"broken at command {at}"


def full_key(call: Callable[[Engine, Job, list[str]], object], mode: str = "w") -> Case:
    """Return the case of a call about a running job whose key one more job waits for."""

    def prepare(engine: Engine) -> Call:
        limits = (f"1{mode}:k", "2w:other")
        first, slot = add(engine, limits=limits), Slot("worker-1", "0.0")
        job = claimed(engine, slot)
        assert job.id == first
        ids = [first, add(engine, limits=("1w:k",))]
        nothing(engine, Slot("worker-2", "0.0"))
        return again(Slot("worker-1", "0.0"), lambda slot: call(engine, job, ids))

    return prepare


CASES |= {
    "end_with_waiting_jobs": full_key(
        lambda engine, job, _: engine.claims.finish(Slot("worker-1", "0.0"), job, DONE, [])
    ),
    "retry_with_waiting_jobs": full_key(
        lambda engine, job, _: engine.claims.finish(Slot("worker-1", "0.0"), job, RETRIED, [])
    ),
    "release_with_waiting_jobs": full_key(
        lambda engine, job, _: engine.leases.release_slot(
            Slot("worker-1", "0.0"), lost=True, reason="killed_9"
        )
    ),
    "cancellation_of_a_waiting_job": full_key(lambda engine, _, ids: engine.jobs.cancel(ids[1])),
}


@case
def claim_of_jobs_with_a_key(engine: Engine) -> Call:
    """The second one is parked, the third starts."""
    add(engine, limits=("1w:k",))
    claimed(engine, Slot("worker-2", "0.0"))
    for keys in (("1w:free", "1w:k"), ("1w:other", "2w:more")):
        add(engine, limits=keys)
    return again(Slot("worker-1", "0.0"), lambda slot: engine.claims.claim(slot, ["default"]))


def rated(call: Callable[[Engine, str], object]) -> Case:
    """Return the case of a call about a job that waits for a rate, and may start now.

    A call that breaks may use up a start, so there is another one.
    """

    def prepare(engine: Engine) -> Call:
        for number in range(2):
            add(engine, limits=("2r60000.2:k",))
            claimed(engine, Slot("worker-2", f"{number}.0"))
        job_id = add(engine, limits=("2r60000.2:k",))
        nothing(engine, Slot("worker-2", "2.0"))
        Clock(engine).move(61)
        engine.leases.renew("worker-2", {})
        return again(Slot("worker-1", "0.0"), lambda slot: call(engine, job_id))

    return prepare


CASES |= {
    "claim_by_a_rate": rated(lambda engine, _: engine.claims.claim(MINE, ["default"])),
    "promotion_by_a_rate": rated(lambda engine, _: engine.queues.promote()),
}


@case
def claim_that_a_rate_delays(engine: Engine) -> Call:
    for _ in range(3):
        add(engine, limits=("1r60000.1:k",))
    claimed(engine, Slot("worker-2", "0.0"))
    return again(Slot("worker-1", "0.0"), lambda slot: engine.claims.claim(slot, ["default"]))


@case
def claim_of_a_job_to_skip(engine: Engine) -> Call:
    add(engine, limits=("1w:k",))
    claimed(engine, Slot("worker-2", "0.0"))
    for keys in (("1s:k",), ()):
        add(engine, limits=keys)
    return again(Slot("worker-1", "0.0"), lambda slot: engine.claims.claim(slot, ["default"]))


def admitted(call: Callable[[Engine, str], object]) -> Case:
    """Return the case of a call about an admitted job, behind which another one waits."""

    def prepare(engine: Engine) -> Call:
        slot = Slot("worker-1", "0.0")
        _, second, _ = (add(engine, limits=("1w:k",)) for _ in range(3))
        job = claimed(engine, slot)
        nothing(engine, Slot("worker-2", "0.0"))
        finish(engine, slot, job)
        assert record(engine, second)["parked"] == "k"
        return lambda: call(engine, second)

    return prepare


CASES |= {
    "cancellation_of_an_admitted_job": admitted(lambda engine, id: engine.jobs.cancel(id)),
    "claim_of_an_admitted_job": admitted(lambda engine, _: claimed(engine, MINE)),
    "maintenance_of_keys": admitted(lambda engine, _: engine.limits.admit()),
}


@case
def enqueue_behind_waiting_jobs(engine: Engine) -> Call:
    for _ in range(2):
        add(engine, limits=("1w:k",))
    claimed(engine, Slot("worker-2", "0.0"))
    nothing(engine, Slot("worker-2", "1.0"))
    job = new_job(new_id(), "b", "a.b", b"payload", limits=("1w:free", "1w:k"))
    return lambda: engine.jobs.enqueue([job])


@case
def enqueue_that_cancels_older_ones(engine: Engine) -> Call:
    for given in ({}, {}, {"queue": "b"}, {"due": timedelta(hours=1)}):
        add(engine, limits=("1o:k",), **given)
    job = new_job(new_id(), "b", "a.b", b"payload", limits=("1o:k",), tags=("t",))
    return lambda: engine.jobs.enqueue([job])


@case
def enqueue_of_jobs_that_take_turns(engine: Engine) -> Call:
    for priority in (0, 5):
        add(engine, priority=priority)
    jobs = [new_job(new_id(), "default", "a.b", b"payload", fair=key) for key in ("a", "a", "")]
    return lambda: engine.jobs.enqueue(jobs)


def turns(*keys: str) -> Case:
    """Return the case of a claim from jobs with these keys."""

    def prepare(engine: Engine) -> Call:
        for key in keys:
            add(engine, fair=key)
        return again(Slot("worker-1", "0.0"), lambda slot: engine.claims.claim(slot, ["default"]))

    return prepare


def in_turn(call: Callable[[Engine, Slot, Job], object], *others: str) -> Case:
    """Return the case of a call about a running job with a key, beside queued ones of others."""

    def prepare(engine: Engine) -> Call:
        slot = Slot("worker-1", "0.0")
        add(engine, fair="a")
        job = claimed(engine, slot)
        for key in others:
            add(engine, fair=key)
        return again(Slot("worker-1", "0.0"), lambda slot: call(engine, slot, job))

    return prepare


CASES |= {
    "claim_of_a_turn": turns("b", "c"),
    "claim_of_the_last_turn": turns("b"),
    "release_to_its_turn": in_turn(
        lambda engine, slot, job: engine.claims.finish(slot, job, RELEASED, []), "b"
    ),
    "release_to_the_only_turn": in_turn(
        lambda engine, slot, job: engine.claims.finish(slot, job, RELEASED, [])
    ),
    "loss_of_a_turn": in_turn(
        lambda engine, slot, _: engine.leases.release_slot(slot, lost=True, reason="x"), "a"
    ),
}


@case
def promotion_to_a_turn(engine: Engine) -> Call:
    add(engine, due=timedelta(hours=1), fair="a")
    add(engine)
    Clock(engine).move(3601)
    return lambda: engine.queues.promote()


@case
def another_priority_of_a_turn(engine: Engine) -> Call:
    job_id = add(engine, fair="a")
    add(engine, fair="b")
    return lambda: engine.edits.prioritize(job_id, 7)


@case
def cancellation_of_the_last_turn(engine: Engine) -> Call:
    job_id = add(engine, fair="a")
    return lambda: engine.jobs.cancel(job_id)


@case
def requeue_to_a_turn(engine: Engine) -> Call:
    job_id, slot = add(engine, fair="a"), Slot("worker-1", "0.0")
    finish(engine, slot, claimed(engine, slot), FAILED)
    add(engine)
    return lambda: engine.jobs.requeue(job_id, nonce="n")


STORE = {
    "enqueue_of_jobs_that_take_turns",
    "enqueue_behind_waiting_jobs",
    "enqueue_that_cancels_older_ones",
    "enqueue",
    "enqueue_unique",
    "fire",
    "run_now",
    "refresh",
    "workflow_staged",
}  # a broken one has accepted nothing
GONE = {"deletion", "deletion_of_a_member", "trim"}


@pytest.fixture
def fragile(engine: Engine) -> Iterator[Engine]:
    """The default engine with scripts that can be made to break, and a clock to move."""
    scripts = scripts_with(f"{BREAKER.strip()}\n\n{TEST_CLOCK.strip()}")
    client = Client("default", load("default"), scripts=scripts)
    yield Engine(client)
    client.close()


def begin(engine: Engine, name: str) -> tuple[Call, set[str]]:
    """Prepare a case on empty keys; return its call, and the jobs that were accepted before."""
    engine.client.redis.flushall()
    engine.client.detach()
    engine.client.attach()
    call = CASES[name](engine)
    return call, {job_id for queues in places(engine).values() for ids in queues.values()
                  for job_id in ids}  # fmt: skip


def breaks(engine: Engine, call: Call, at: int) -> bool:
    """Make a call whose n-th command fails; return whether it was broken."""
    key = engine.client.keys.prefix + "clock:breaks_at"
    engine.client.redis.set(key, at)
    try:
        call()
    except QueueUnavailable:
        return True
    finally:
        engine.client.redis.delete(key)
    return False


def states(engine: Engine, job_ids: set[str]) -> dict[str, str | None]:
    return {job_id: record(engine, job_id).get("state") for job_id in job_ids}


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_same_call_again_completes_a_broken_one(fragile: Engine, name: str) -> None:
    call, before = begin(fragile, name)
    call()
    while fragile.workflows.advance():
        pass
    wanted = [sorted(states(fragile, before).values(), key=str), _shape(fragile)]
    for at in range(1, MOST_COMMANDS):
        call, before = begin(fragile, name)
        if not breaks(fragile, call, at):
            break
        call()
        if name.startswith("deletion"):  # what is half gone is found when its retention ends
            trim_all(fragile)
        if "waiting" in name or "admitted" in name:  # a place that nobody took: see maintenance
            Clock(fragile).move(2)
            fragile.limits.admit()
        while fragile.workflows.advance():
            pass
        found = [sorted(states(fragile, before).values(), key=str), _shape(fragile)]
        assert found == wanted, f"broken at command {at}"
        fragile.queues.reap(**REAP)  # drops locks that nobody holds any more
        assert_consistent(fragile)
    else:
        raise AssertionError("it never came to its end")


def _shape(engine: Engine) -> dict[str, dict[str, int]]:
    found = places(engine)
    return {index: {q: len(ids) for q, ids in queues.items() if ids}
            for index, queues in found.items()}  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(CASES) - STORE - GONE))
def test_no_job_is_lost_if_nobody_repeats_a_broken_call(fragile: Engine, name: str) -> None:
    """Time, the reaper and other slots bring every job to its end."""
    for at in range(1, MOST_COMMANDS):
        call, before = begin(fragile, name)
        if not breaks(fragile, call, at):
            break
        end_all(fragile)
        found = states(fragile, before)
        assert all(state in {*map(str, FINAL)} for state in found.values()), f"at {at}: {found}"
        assert {*_running(fragile)} == set(), f"broken at command {at}"
        trim_all(fragile)
        assert_consistent(fragile)
        assert places(fragile) == {}, f"broken at command {at}"
    else:
        raise AssertionError("it never came to its end")


def _running(engine: Engine) -> list[str]:
    return [one for ids in places(engine).get("leases", {}).values() for one in ids]


def end_all(engine: Engine) -> None:
    """Let an hour and a half pass, with a reaper and one slot that works."""
    engine.queues.resume("default")
    for _ in range(3):
        Clock(engine).move(1800)
        engine.queues.reap(**REAP)
        engine.limits.admit()
        while engine.workflows.advance():
            pass
        slot = Slot("worker-9", "0.0")
        while isinstance(job := engine.claims.claim(slot, [ALL_QUEUES]), Job):
            finish(engine, slot, job, FAILED)
            engine.workflows.advance()


def trim_all(engine: Engine) -> None:
    """Let the retention of all jobs end."""
    Clock(engine).move(60 * DAY)
    first = None
    while first != "":
        first = engine.queues.trim(first or "").next


@pytest.mark.parametrize("until", UNTIL)
def test_no_lock_of_a_broken_call_swallows_another(fragile: Engine, until: str) -> None:
    """Nobody repeats the broken call: the next one is stored, or a job that runs stands for it."""
    for at in range(1, MOST_COMMANDS):
        fragile.client.redis.flushall()
        fragile.client.detach()
        first, second = unique_job(until, told="told"), unique_job(until, told="told")
        if not breaks(fragile, partial(fragile.jobs.enqueue, [first]), at):
            break
        fragile.jobs.enqueue([second])
        found = places(fragile)
        (job_id,) = found["queued"]["default"]
        assert job_id == (second.duplicate.id if second.duplicate else second.id), f"at {at}"
        fragile.jobs.enqueue([first])
        assert places(fragile) == found, f"broken at command {at}"
        assert_consistent(fragile, remains=True)


def test_a_broken_failure_leaves_no_id_in_failed_of(fragile: Engine) -> None:
    """The process dies, and another run of the job succeeds."""
    for at in range(1, MOST_COMMANDS):
        call, before = begin(fragile, "failure")
        if not breaks(fragile, call, at):
            break
        fragile.leases.release_slot(Slot("worker-1", "0.0"), lost=True, reason="killed_9")
        slot = Slot("worker-2", "0.0")
        while isinstance(job := fragile.claims.claim(slot, [ALL_QUEUES]), Job):
            finish(fragile, slot, job, DONE)
        assert {*states(fragile, before).values()} <= {"succeeded", "failed"}
        trim_all(fragile)
        assert places(fragile) == {}, f"broken at command {at}"


def test_a_repeated_finish_of_a_recorded_run_is_not_stale(fragile: Engine) -> None:
    """Another run has begun meanwhile, as the job was to be retried at once."""
    for at in range(1, MOST_COMMANDS):
        fragile.client.redis.flushall()
        fragile.client.detach()
        job_id, slot = add(fragile), Slot("worker-1", "0.0")
        job = claimed(fragile, slot)
        now = RETRIED._replace(delay_ms=0)
        end = partial(fragile.claims.finish, run=job, result=now, queues=[])
        if not breaks(fragile, again(slot, end), at):
            break
        if not fragile.inspector.job(job_id).runs:
            continue
        claimed(fragile, Slot("worker-2", "0.0"))
        assert fragile.claims.finish(slot, job, now, [])[0] == "repeated"
        assert fragile.inspector.totals() == {}


def test_a_refused_enqueue_leaves_known_jobs(fragile: Engine) -> None:
    """Also one that is named with another queue than that in which it stands."""
    known = new_job(new_id(), "a", "a.b", b"payload")
    for at in range(1, MOST_COMMANDS):
        fragile.client.redis.flushall()
        fragile.client.detach()
        fragile.jobs.enqueue([known])
        named = new_job(known.id, "b", "a.b", b"payload")
        call = partial(fragile.jobs.enqueue, [named, new_job(new_id(), "a", "a.b", b"payload")])
        is_broken = breaks(fragile, call, at)
        assert record(fragile, known.id)["queue"] == "a", f"broken at command {at}"
        assert known.id in places(fragile)["queued"]["a"]
        if not is_broken:
            break
