"""A reply is lost: the script ran, the call fails, and the same call again changes nothing."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from django_jobqueue.conf import load
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import NoJob, Slot
from django_jobqueue.engine.client import Client
from django_jobqueue.engine.handshake import adopt as adopt_keys
from django_jobqueue.engine.key_rotation import KeyRotation
from django_jobqueue.engine.keys import SCHEMA
from django_jobqueue.engine.locate import caller_timeouts, worker_timeouts
from django_jobqueue.engine.remote_control import Word
from django_jobqueue.engine.scripts import standard
from django_jobqueue.engine.tags import Cancelled
from django_jobqueue.exceptions import JobNotFound, QueueUnavailable
from django_jobqueue.jobs.job import Job, new_id
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.signing import Signer
from django_jobqueue.jobs.states import Outcome, State
from tests.project import fault_tasks, tasks
from tests.support import flows, payloads
from tests.support.jobs import new_job
from tests.support.places import (
    DONE,
    FAILED,
    REAP,
    RELEASED,
    RETRIED,
    Make,
    claimed,
    everything,
    finish,
)
from tests.support.processes import WorkerProcess
from tests.support.proxy import FaultProxy
from tests.support.unique import NEWEST, stored, unique_job

from .conftest import Oracle, until_final

Call = Callable[[Engine], Any]  # on the engine whose reply is lost
Check = Callable[[Any], object]  # of what the repeated call answers
Prepare = Callable[[Engine, Make], tuple[Call, Check]]
CASES: dict[str, tuple[str, Prepare]] = {}  # name → the script, and what prepares its call
CHANGES_NOTHING = {"acl_missing", "attach", "get_cached", "get_job"}


def case(script: str) -> Callable[[Prepare], Prepare]:
    def enter(prepare: Prepare) -> Prepare:
        CASES[prepare.__name__] = script, prepare
        return prepare

    return enter


@case("attach")
def attach(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    known = engine.client.epoch

    def call(far: Engine) -> str:
        far.client.detach()
        far.client.attach()
        return str(far.client.epoch)

    return call, known.__eq__


@case("acl_missing")
def acl_missing(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    return lambda far: far.client.check_rights(), lambda nothing: nothing is None


@case("enqueue")
def enqueue(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    job = new_job(new_id(), "default", "a.b", b"payload")
    return lambda far: far.jobs.enqueue([job])[0], int


@case("enqueue")
def enqueue_many(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    due = timedelta(hours=1)
    jobs = [
        new_job(new_id(), "default", "a.b", b"payload", priority=n % 2, due=due) for n in range(50)
    ]
    return lambda far: far.jobs.enqueue(jobs), lambda answer: len(answer) == 50


@case("claim")
def claim(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    first, _ = make_job(), make_job()
    slot = Slot("worker-1", "0.0")
    return lambda far: far.claims.claim(slot, ["default"]), lambda job: job.id == first


@case("finish")
def finish_and_claim(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    """The next job is the same as the lost reply named."""
    _, second, _ = make_job(), make_job(), make_job()
    slot = Slot("worker-1", "0.0")
    job = claimed(engine, slot)

    def call(far: Engine) -> Any:
        reply, now, found = far.claims.finish(slot, job, DONE, ["default"])
        if isinstance(found, NoJob) and found.more:
            found = far.claims.claim(slot, ["default"])  # with the same nonce
        return reply, now, found

    def check(answer: tuple[str, int, Job | NoJob]) -> bool:
        reply, _, found = answer
        return reply == "repeated" and isinstance(found, Job) and found.id == second

    return call, check


def settled(outcome: RunResult) -> Prepare:
    def prepare(engine: Engine, make_job: Make) -> tuple[Call, Check]:
        make_job()
        slot = Slot("worker-1", "0.0")
        job = claimed(engine, slot)
        return lambda far: finish(far, slot, job, outcome), "repeated".__eq__

    prepare.__name__ = f"finish_{outcome.outcome}"
    return prepare


for outcome in (DONE, FAILED, RELEASED, RETRIED, RunResult(Outcome.CANCELLED, reason="asked")):
    case("finish")(settled(outcome))


@case("renew")
def renew(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    job_id = make_job()
    claimed(engine, Slot("worker-1", "0.0"))

    def check(reply: Any) -> bool:
        return [(one.id, one.lost) for one in reply.held] == [(job_id, False)]

    return lambda far: far.leases.renew("worker-1", {"pid": 1}), check


@case("tell_worker")
def tell_worker(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    engine.leases.renew("worker-1", {"pid": 1})
    return lambda far: far.remote_control.tell("worker-1", Word.STACKS), True.__eq__


@case("release_slot")
def release_slot(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    """Counted as one recovery, not as two."""
    make_job()
    claimed(engine, Slot("worker-1", "0.0"))

    found_dead = Slot("worker-1", "0.0")

    def call(far: Engine) -> list[str]:
        return far.leases.release_slot(found_dead, lost=True, reason="killed_9")

    return call, lambda moved: moved == []


@case("reap")
def reap(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    """The job is in its old place once, with one recovery."""
    job_id = make_job()
    claimed(engine, Slot("worker-1", "0.0"))
    engine.client.redis.zadd(engine.client.keys("leases", "default"), {job_id: 1})
    return lambda far: far.queues.reap(**REAP).states, lambda moved: moved == {}


@case("enqueue")
def enqueue_of_a_duplicate(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    """The same job stands for it."""
    held, call = stored(engine), unique_job(told="told")
    return lambda far: far.jobs.enqueue([call]) and call.duplicate, lambda told: told.id == held


@case("replace")
def replace_arguments(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    held, call = stored(engine, NEWEST), unique_job(NEWEST, told="told")
    return lambda far: far.locks.replace(call, held, 7, b"second"), True.__eq__


@case("promote")
def promote(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    make_job(due=1)
    return lambda far: far.queues.promote(), lambda moved: moved == 0


@case("cancel")
def cancel(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    job_id = make_job()
    return lambda far: far.jobs.cancel(job_id), State.CANCELLED.__eq__


@case("cancel_tagged")
def cancel_tagged(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    """The second call finds none to cancel."""
    make_job(tags=("a",))
    return lambda far: far.tags.cancel("a"), Cancelled(0, 0).__eq__


@case("pop_ended")
def pop_ended(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    """The end is told of once at most: with this reply it is lost."""
    engine.jobs.cancel(make_job())
    return lambda far: far.queues.pop_ended(10), lambda taken: taken == {}


@case("requeue")
def requeue(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    """The history says once that it was asked for."""
    job_id, slot = make_job(), Slot("worker-1", "0.0")
    finish(engine, slot, claimed(engine, slot), FAILED)
    return lambda far: far.jobs.requeue(job_id), State.QUEUED.__eq__


@case("requeue")
def requeue_of_a_durable_job(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    job_id = make_job(round=1)
    engine.jobs.cancel(job_id)
    return lambda far: far.jobs.requeue(job_id, round=2), State.QUEUED.__eq__


@case("settle")
def settle(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    job_id = make_job(round=1)
    engine.jobs.cancel(job_id)
    given = (job_id, 1, State.SUCCEEDED, "", "1")
    return lambda far: far.unsettled.settle(*given), State.SUCCEEDED.__eq__


@case("delete")
def delete(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    """The second call can't know of the first: it says that there is no such job."""
    job_id = make_job()

    def call(far: Engine) -> object:
        try:
            return far.jobs.delete(job_id)
        except JobNotFound:
            return JobNotFound

    return call, lambda answer: answer is JobNotFound


@case("trim")
def trim(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    job_id = make_job()
    engine.jobs.cancel(job_id)
    engine.client.redis.zadd(engine.client.keys("cancelled", "default"), {job_id: 1})
    return lambda far: far.queues.trim().removed, lambda moved: moved == 0


@case("pause")
def pause(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    return lambda far: far.queues.pause("default"), lambda news: news is False


@case("resume")
def resume(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    engine.queues.pause("default")
    return lambda far: far.queues.resume("default"), lambda news: news is False


@case("progress")
def progress(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    make_job()
    job = claimed(engine, Slot("worker-1", "0.0"))
    return lambda far: far.jobs.progress(job.id, job.fence, 1, 2, "half"), bool


@case("log")
def log(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    """The line stands there once."""
    make_job()
    job = claimed(engine, Slot("worker-1", "0.0"))
    return lambda far: far.jobs.log(job.id, job.fence, "half of it", nonce="one-line"), bool


@case("forget_worker")
def forget_worker(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    engine.leases.renew("worker-1", {"pid": 1})
    return lambda far: far.leases.forget("worker-1"), lambda gone: gone in (0, 1)


@case("sum")
def sum_of_many(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    for number in range(201):
        engine.queues.pause(f"q{number}")
    # A page that comes within a fiftieth of the interval after the last one adds nothing.
    return lambda far: far.queues.sum(1_000_000), lambda left: left is True


@case("get_job")
def get_job(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    job_id = make_job()
    return lambda far: far.inspector.job(job_id), lambda job: job.id == job_id


@case("adopt")
def adopt(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    """Those who knew the keys before don't take them for others."""
    known = engine.client.epoch
    engine.client.redis.hset(engine.client.keys("meta"), "owner", "somebodyelse")

    def check(former: str) -> bool:
        owners = Signer(engine.options.signing_keys).owners()
        given = {"schema": SCHEMA, "new_epoch": "another", "known": known}
        reply = engine.client.run("attach", owners, **given)
        return bool(reply[0] == b"known" and reply[4] == b"")

    return lambda far: adopt_keys(far.client.run, far.client.options), check


@case("re_sign")
def re_sign(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    """The second call finds the new signature, and leaves it."""
    job_id = make_job()
    old = payloads.read(engine, job_id)[: payloads.LENGTH]
    heads = [(job_id, old, old.swapcase())]
    return lambda far: KeyRotation(far.client).re_sign(heads), (0).__eq__


@case("register_schedules")
def register_schedules(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    """A rule that began with the lost reply began then."""
    return lambda far: far.schedules.register("s1", {"nightly": "rule"}).since, bool


def due(engine: Engine) -> int:
    """Return a time of a schedule."""
    return engine.schedules.register("s1", {"nightly": "rule"}).now + 1


@case("fire")
def fire(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    """It is told that it was this call that fired."""
    nominal, job = due(engine), new_job(new_id(), "default", "a.b", b"payload")

    def call(far: Engine) -> str:
        return far.schedules.fire("nightly", "rule", nominal, job, overlap="skip").reply

    return call, "fired".__eq__


@case("record_missed")
def record_missed(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    """The second call finds that they were passed over."""
    nominal = due(engine)
    given = {"since": nominal - 1, "nominal": nominal, "count": 1}

    def call(far: Engine) -> bool:
        return far.schedules.record_missed("nightly", "rule", **given)

    return call, lambda news: news is False


@case("run_now")
def run_now(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    job = new_job(new_id(), "default", "a.b", b"payload")
    return lambda far: far.schedules.run_now("nightly", job), bool


@case("forget_schedule")
def forget_schedule(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    due(engine)
    return lambda far: far.schedules.forget("nightly"), bool


@case("refresh_cached")
def refresh_cached(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    """It is told again when the job was stored."""
    job = new_job(new_id(), "default", "a.b", b"payload")
    return lambda far: far.cached_results.refresh("digest", job, seen="", keep=0), bool


@case("get_cached")
def get_cached(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    return lambda far: far.cached_results.latest("digest").now, bool


@pytest.fixture
def far(engine: Engine, proxy: FaultProxy) -> Iterator[Callable[[dict[str, Any]], Engine]]:
    """Make an engine that reaches the server through the proxy, with the given time-outs."""
    for script in standard().all.values():  # so that no reply is "no such script"
        engine.client.redis.script_load(script.source)
    made: list[Engine] = []

    def make(timeouts: dict[str, Any]) -> Engine:
        options = replace(load("default"), url=proxy.url)
        made.append(Engine(Client("default", options, timeouts=timeouts)))
        made[-1].client.attach()
        return made[-1]

    yield make
    for engine in made:
        engine.client.close()


def lasting(engine: Engine) -> dict[str, Any]:
    """Return all keys but what each call may set anew: who was seen, when a lease ends."""
    found = everything(engine)
    for name in list(found):
        if name.startswith(("worker", "meta", "schedulers", "schedules")):
            del found[name]
        elif name.startswith("schedule:"):
            fields = found[name].items()
            found[name] = {key: at for key, at in fields if not key.startswith(b"seen:")}
        elif name.startswith("leases:"):
            found[name] = [job_id for job_id, _ in found[name]]
    return found


@case("edit")
def edit(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    job_id = make_job()
    old = payloads.read(engine, job_id)
    return lambda far: far.edits.edit(job_id, old, b"1.x.{}"), True.__eq__


@case("prioritize")
def prioritize(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    job_id = make_job()
    return lambda far: far.edits.prioritize(job_id, 7), lambda state: state is None


@case("move")
def move(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    job_id = make_job()
    return lambda far: far.edits.move(job_id, "b"), lambda state: state is None


@case("set_limits")
def set_limits(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    return lambda far: far.limits.set_limits({"a.b": "1w"}), lambda nothing: nothing is None


@case("admit")
def admit(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    for _ in range(2):
        make_job(limits=("1w:k",))
    claimed(engine, Slot("worker-1", "0.0"))
    engine.claims.claim(Slot("worker-1", "0.1"), ["default"])  # parks the second one
    engine.limits.set_limits({"a.b": "9w"})
    engine.client.redis.zadd(engine.client.keys("awaited"), {"k": 0})
    return lambda far: far.limits.admit(), lambda left: left is not None


@case("stage")
def stage_workflow(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    workflow = new_id()
    given: Any = {"total": len(flows.CHAIN), "steps": flows.steps(flows.CHAIN), "if_failed": "stop"}
    jobs = flows.members(workflow, flows.CHAIN)
    return lambda far: far.workflows.stage(workflow, jobs, **given), lambda nothing: nothing is None


@case("seal")
def seal_workflow(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    workflow, _ = flows.stage(engine, flows.CHAIN)
    return lambda far: far.workflows.seal(workflow), lambda nothing: nothing is None


@case("add_members")
def add_members(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    workflow, _ = flows.started(engine, flows.FAN)
    job = claimed(engine, Slot("worker-1", "0.0"))
    more = [new_job(new_id(), flow=f"{workflow} 1.{number} 1") for number in (1, 2)]
    given = {"group": 1, "feeds": 1, "most": 99}
    return lambda far: far.workflows.add_members(workflow, job, more, **given), "ok".__eq__


@case("advance")
def advance_workflows(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    _, jobs = flows.started(engine, flows.CHAIN)
    engine.jobs.cancel(jobs[0].id)
    return lambda far: far.workflows.advance(), (0).__eq__


@case("cancel_workflow")
def cancel_workflow(engine: Engine, make_job: Make) -> tuple[Call, Check]:
    workflow, _ = flows.started(engine, flows.CHAIN)
    return lambda far: far.workflows.cancel(workflow), lambda answer: answer is not None


def test_there_is_a_case_for_each_script() -> None:
    """Who adds a script says here what its call answers when the first reply was lost."""
    assert {script for script, _ in CASES.values()} == set(standard().all)


@pytest.mark.parametrize("name", CASES)
def test_a_call_can_be_repeated(
    name: str,
    engine: Engine,
    make_job: Make,
    far: Callable[[dict[str, Any]], Engine],
    proxy: FaultProxy,
) -> None:
    """As a slot does, which repeats by itself: the second call answers, and changes nothing."""
    script, prepare = CASES[name]
    slot = far(worker_timeouts(0.1))
    call, check = prepare(engine, make_job)
    before = everything(engine)
    proxy.drop_replies(of=standard().all[script].sha.encode())

    with pytest.raises(QueueUnavailable):
        call(slot)

    assert proxy.counts["dropped"] == 1
    assert (everything(engine) == before) == (script in CHANGES_NOTHING)
    once = lasting(engine)
    answer = call(slot)
    assert lasting(engine) == once
    assert check(answer)


@pytest.mark.parametrize("name", CASES)
def test_a_caller_does_not_notice(
    name: str,
    engine: Engine,
    make_job: Make,
    far: Callable[[dict[str, Any]], Engine],
    proxy: FaultProxy,
) -> None:
    """With a caller's time-outs redis-py repeats the call: no error, the answer of the second."""
    script, prepare = CASES[name]
    caller = far(caller_timeouts())
    call, check = prepare(engine, make_job)
    proxy.drop_replies(of=standard().all[script].sha.encode())
    assert check(call(caller))
    assert proxy.counts["dropped"] == 1


def test_a_caller_whose_replies_are_all_lost_can_repeat_the_call(
    engine: Engine, proxy: FaultProxy, settings: Any
) -> None:
    """It hears that the jobs may be stored, and stores none twice."""
    params = settings.TASKS["default"]
    settings.TASKS = {"default": params | {"OPTIONS": params["OPTIONS"] | {"URL": proxy.url}}}
    tasks.noop.enqueue()  # attaches
    proxy.drop_replies(2, standard().all["enqueue"].sha.encode())
    with pytest.raises(QueueUnavailable, match="may have been carried out") as caught:
        tasks.add.enqueue_many([(1, 2), (3, 4)])
    assert caught.value.maybe_stored
    before = engine.inspector.count(State.QUEUED)
    again = caught.value.again
    assert again is not None
    results = again()
    assert [result.args for result in results] == [[1, 2], [3, 4]]
    assert engine.inspector.count(State.QUEUED) == before == 3
    assert {engine.inspector.job(result.id).state for result in results} == {State.QUEUED}


def test_a_caller_that_reaches_nobody_knows_that_nothing_is_stored(settings: Any) -> None:
    """Nor does the refusal that follows at once claim more."""
    params = settings.TASKS["default"]
    options = params["OPTIONS"] | {"URL": "redis://127.0.0.1:1"}
    settings.TASKS = {"default": params | {"OPTIONS": options}}
    for _ in range(2):
        with pytest.raises(QueueUnavailable) as caught:
            tasks.noop.enqueue()
        assert not caught.value.maybe_stored
        assert caught.value.again is not None


def test_two_hundred_jobs_and_every_fifth_reply_lost(
    worker_process: Callable[..., WorkerProcess],
    engine: Engine,
    proxy: FaultProxy,
    oracle: Oracle,
) -> None:
    """Each job runs once, and none counts as recovered."""
    proxy.drop_replies(10**9, b"EVALSHA", every=5)
    results = fault_tasks.work.enqueue_many([(oracle.path,)] * 200)
    worker_process("--processes", "2", TEST_REDIS_URL=proxy.url)
    jobs = until_final(engine, results)
    assert proxy.counts["dropped"] >= 40
    assert oracle.starts() == dict.fromkeys([job.id for job in jobs], 1)
    assert {(job.state, job.attempts, job.recoveries) for job in jobs} == {(State.SUCCEEDED, 1, 0)}
    assert "stale" not in engine.inspector.totals()
