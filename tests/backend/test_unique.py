"""Unique jobs and debounce: what a caller gets, at once, at its commit, and in tests."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.test import override_settings

from django_jobqueue import LockHeld, Unique, compat, schedule, task
from django_jobqueue.checks import check_configuration
from django_jobqueue.compat import signals, task_backends
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.flow import debounce
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import State
from django_jobqueue.ledger import rounds
from django_jobqueue.testing import EagerBackend, captured_jobs, drain
from tests.project import tasks, unique_tasks
from tests.project.settings import OPTIONS, TASKS
from tests.support.clock import Clock
from tests.support.places import FAILED, claimed, finish, places

EAGER = {"default": {"BACKEND": "django_jobqueue.testing.EagerBackend", "OPTIONS": {}}}


def count(engine: Engine) -> int:
    return sum(engine.inspector.count(state) for state in State)


def test_caller_gets_the_existing_job(engine: Engine) -> None:
    """As it is, with its own arguments, and hears of it: created is False."""
    first = unique_tasks.settle.enqueue(7)
    assert first.created is True
    claimed(engine, Slot("w", "0"))
    second = unique_tasks.settle.enqueue(order_id=7, path="x")
    assert second.created is False
    assert (second.id, second.state, second.kwargs, second.args) == (
        first.id, State.RUNNING, {}, [7],
    )  # fmt: skip
    second.refresh()
    assert second.created is False
    assert unique_tasks.settle.get_result(first.id).created is True
    assert unique_tasks.settle.enqueue(8).created is True
    assert count(engine) == 2


def test_job_is_stored_again_when_the_first_is_done(engine: Engine) -> None:
    first = unique_tasks.settle.enqueue(7)
    assert drain() == 1
    second = unique_tasks.settle.enqueue(7)
    assert (second.created, second.id == first.id) == (True, False)


def test_using_may_lift_it(engine: Engine) -> None:
    for _ in range(2):
        assert unique_tasks.settle.using(unique=None).enqueue(7).created is True
        assert tasks.noop.enqueue().created is True
    assert tasks.add.using(unique=Unique("a")).enqueue(1, 2).created is True
    assert tasks.add.using(unique=Unique("a")).enqueue(1, 3).created is False


def test_signal_is_sent_for_what_is_stored(engine: Engine) -> None:
    heard: list[str] = []
    signals.task_enqueued.connect(receiver := lambda task_result, **_: heard.append(task_result.id))
    results = [unique_tasks.settle.enqueue(7) for _ in range(3)]
    signals.task_enqueued.disconnect(receiver)
    assert heard == [results[0].id]


def test_many_calls_share_jobs(engine: Engine) -> None:
    results = unique_tasks.settle.enqueue_many([(n % 3,) for n in range(150)])
    assert len({result.id for result in results}) == 3
    assert [result.created for result in results].count(True) == 3
    assert results[3].args == [0]
    assert count(engine) == 3


def test_existing_job_may_vanish_before_it_is_read(engine: Engine, job_gone: None) -> None:
    """The caller gets what is known of it."""
    first = unique_tasks.settle.enqueue(7)
    second = unique_tasks.settle.enqueue(7)
    assert (second.id, second.state, second.created) == (first.id, State.QUEUED, False)


@pytest.fixture
def job_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(self: Any, job_id: str) -> Any:
        raise compat.TaskResultDoesNotExist(job_id)

    monkeypatch.setattr(type(task_backends["default"]), "get_result", nothing)


@pytest.mark.django_db(transaction=True)
def test_lock_is_taken_at_the_commit(engine: Engine) -> None:
    """Whose id was given out leads to the job that stands for it."""
    with transaction.atomic():
        late = unique_tasks.settle.using(on_commit=True).enqueue(7)
        assert late.is_pending
        assert late.created is None
        soon = unique_tasks.settle.using(on_commit=False).enqueue(7)
        assert soon.created is True
        late_id = late.id
    found: Any = late
    assert (found.created, found.id, found.is_pending) == (False, late_id, False)
    assert late.id != soon.id
    found = unique_tasks.settle.get_result(late.id)
    assert (found.id, found.created) == (soon.id, False)
    assert late.explain()[0] == (
        f"Job {soon.id} stands for it, because it had the same unique key."
    )
    assert drain() == 1
    late.refresh()
    assert (late.state, late.wait(1), late.id) == (State.SUCCEEDED, 7, late_id)
    engine.jobs.delete(soon.id)
    with pytest.raises(compat.TaskResultDoesNotExist):
        late.refresh()
    with pytest.raises(compat.TaskResultDoesNotExist):
        late.explain()


@pytest.mark.django_db(transaction=True)
def test_rollback_leaves_no_lock(engine: Engine) -> None:
    with transaction.atomic():
        unique_tasks.settle.using(on_commit=True).enqueue(7)
        transaction.set_rollback(True)
    assert unique_tasks.settle.enqueue(7).created is True


@pytest.mark.django_db(transaction=True)
def test_calls_of_one_commit_share_a_job(engine: Engine) -> None:
    with transaction.atomic():
        results = [unique_tasks.settle.using(on_commit=True).enqueue(7) for _ in range(3)]
        results += unique_tasks.settle.using(on_commit=True).enqueue_many([(7,), (8,)])
    assert [one.created for one in results] == [True, False, False, False, True]
    assert {unique_tasks.settle.get_result(one.id).id for one in results[:4]} == {results[0].id}
    assert count(engine) == 2
    assert results[1].cancel()
    results[0].refresh()
    assert results[0].state is State.CANCELLED


def test_window_and_start(engine: Engine, clock: Clock) -> None:
    for unique, after_start in ((unique_tasks.begin, True), (unique_tasks.remind, False)):
        assert [unique.enqueue(7).created for _ in range(2)] == [True, False]
        claimed(engine, Slot("w", unique.name))
        assert unique.enqueue(7).created is after_start
    clock.move(601)
    assert unique_tasks.remind.enqueue(7).created is True


def test_explanation_tells_of_the_lock(engine: Engine) -> None:
    for unique, said in (
        (unique_tasks.settle, "until it has ended"),
        (unique_tasks.begin, "until it starts"),
        (unique_tasks.remind, "for a time"),
    ):
        result = unique.enqueue(7)
        key = engine.inspector.job(result.id).unique[:8]
        assert result.explain()[-1] == (
            f"It holds its unique key {key} {said}: it stands for further calls."
        )
    claimed(engine, Slot("w", "0"))
    claimed(engine, Slot("w", "1"))
    assert not any("unique" in text for text in result_of(engine, "begin").explain())


def result_of(engine: Engine, name: str) -> Any:
    (job,) = [one for one in engine.inspector.page(State.RUNNING, 0, 9) if name in one.task]
    return task_backends["default"].get_result(job.id)


def test_requeue_tells_who_holds_the_lock(engine: Engine) -> None:
    """Also on the command line."""
    failed = unique_tasks.settle.enqueue(7)
    slot = Slot("w", "0")
    finish(engine, slot, claimed(engine, slot), FAILED)
    holder = unique_tasks.settle.enqueue(7)
    with pytest.raises(LockHeld) as raised:
        rounds.requeue(engine, failed.id)
    assert raised.value.holder == holder.id
    with pytest.raises(CommandError, match=f"job {holder.id} holds its lock"):
        call_command("jobqueue", "requeue", failed.id)


def test_cached_value_is_refreshed_once(engine: Engine) -> None:
    both = task(unique=Unique(), keep_latest=True, refresh_after=60)(tasks.add.func)
    both.enqueue(1, 2)
    assert both.latest(1, 2) is None
    assert count(engine) == 1


@pytest.mark.usefixtures("declarations")
def test_schedule_does_not_debounce(engine: Engine) -> None:
    """Its time is its own; but other rules hold."""
    backend: Any = task_backends["default"]
    for unique, wanted in ((unique_tasks.reindex, ""), (unique_tasks.settle, "done")):
        spec = schedule(unique.name, unique, args=[1, 2], every=60)
        job = backend.prepare_scheduled(spec.task, [1, 2], {}, schedule=unique.name).job
        assert job.unique[33:] == wanted
        assert job.delay is None


class Rename:
    """Middleware that changes the arguments."""

    def enqueue(self, job: Job) -> None:
        job.args = [1]


def test_key_is_that_of_what_middleware_leaves(engine: Engine) -> None:
    options = OPTIONS | {"MIDDLEWARE": [f"{__name__}.Rename"]}
    with override_settings(TASKS={"default": TASKS["default"] | {"OPTIONS": options}}):
        assert [unique_tasks.settle.enqueue(n).created for n in range(2)] == [True, False]


def test_too_long_window_is_a_warning(engine: Engine) -> None:
    """That of `remind` is ten minutes."""
    for kept, many in ((600, 0), (599, 1)):
        options = OPTIONS | {"RETENTION": {"cancelled": kept}}
        with override_settings(TASKS={"default": TASKS["default"] | {"OPTIONS": options}}):
            found = [one.msg for one in check_configuration() if one.id == "jobqueue.W012"]
        assert len(found) == many
    assert "unique_tasks.remind: Unique(until=datetime.timedelta(seconds=600)) is long" in found[0]
    assert "has 599 seconds" in found[0]


# Debounce


def test_latest_arguments_run_once(engine: Engine, clock: Clock) -> None:
    results = [unique_tasks.reindex.enqueue(1, version) for version in range(5)]
    other = unique_tasks.reindex.enqueue(2, 9)
    assert [result.created for result in results] == [True, False, False, False, False]
    assert len({result.id for result in results}) == 1
    assert results[4].args == [1, 4]
    assert drain() == 0
    clock.move(6)
    assert drain() == 2
    results[0].refresh()
    other.refresh()
    assert (results[0].return_value, other.return_value) == (4, 9)


def test_call_during_the_run_gets_a_run_of_its_own(engine: Engine, clock: Clock) -> None:
    first = unique_tasks.reindex.enqueue(1, 1)
    clock.move(6)
    claimed(engine, Slot("w", "0"))
    second = unique_tasks.reindex.enqueue(1, 2)
    assert (second.created, second.id == first.id) == (True, False)
    assert places(engine)["scheduled"] == {"default": [second.id]}


def test_job_that_starts_in_between_loses_no_call(
    engine: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call was told of a job that waits, and it waits no more: it is stored itself."""
    first = unique_tasks.reindex.enqueue(1, 1)
    plain = type(engine.locks).replace

    def replace(self: Any, *args: Any) -> bool:
        clock.move(6)
        claimed(engine, Slot("w", "0"))
        monkeypatch.setattr(type(engine.locks), "replace", plain)
        return plain(self, *args)

    monkeypatch.setattr(type(engine.locks), "replace", replace)
    second = unique_tasks.reindex.enqueue(1, 2)
    assert (second.created, second.id == first.id, second.args) == (True, False, [1, 2])


def test_call_that_never_gets_its_turn_is_stored_beside(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    unique_tasks.reindex.enqueue(1, 1)
    monkeypatch.setattr(type(engine.locks), "replace", lambda *args: False)
    second = unique_tasks.reindex.enqueue(1, 2)
    assert (second.created, count(engine)) == (True, 2)
    assert f"Job {second.id} is stored beside" in caplog.text
    assert debounce.TRIES == 10


@pytest.mark.django_db(transaction=True)
def test_commit_replaces(engine: Engine, clock: Clock) -> None:
    with transaction.atomic():
        results = [unique_tasks.reindex.using(on_commit=True).enqueue(1, n) for n in range(3)]
    assert [one.created for one in results] == [True, False, False]
    assert len({one.id for one in results}) == 3
    clock.move(6)
    assert drain() == 1
    for one in results:
        one.refresh()
    assert [one.return_value for one in results] == [2, 2, 2]


# Races


def in_threads(many: int, call: Any) -> list[Any]:
    gate = threading.Barrier(many)

    def run(number: int) -> Any:
        gate.wait(30)
        try:
            return call(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(many) as pool:
        return list(pool.map(run, range(many)))


def test_many_producers_store_one_job(engine: Engine) -> None:
    for order in range(20):
        found = in_threads(8, lambda _, order=order: unique_tasks.settle.enqueue(order))
        assert [one.created for one in found].count(True) == 1
        assert len({one.id for one in found}) == 1
    assert count(engine) == 20


def test_no_call_is_lost_between_producers_and_slots(engine: Engine, tmp_path: Path) -> None:
    """Whenever a debounced job starts: after the last call there is a run with its arguments."""
    log = tmp_path / "log"
    is_over = threading.Event()

    def produce(number: int) -> None:
        for n in range(40):
            unique_tasks.reindex_soon.enqueue(number, n, str(log.with_suffix(f".{number}")))

    def work() -> None:
        slot = Slot("w", threading.current_thread().name)
        while True:
            is_last = is_over.is_set()
            engine.queues.promote()
            found = engine.claims.claim(slot, ["default"])
            if isinstance(found, Job):
                found.open(engine.signer)
                unique_tasks.reindex_soon(*found.args)
                finish(engine, slot, found)
            elif is_last and found.wait_ms is None and not found.more:
                return

    with ThreadPoolExecutor(2) as pool:
        workers = [pool.submit(work) for _ in range(2)]
        in_threads(4, produce)
        is_over.set()
        for worker in workers:
            worker.result()
    for number in range(4):
        assert "39" in log.with_suffix(f".{number}").read_text().split()


# In tests


def test_captured_jobs_know_unique_ones(engine: Engine) -> None:
    with captured_jobs() as jobs:
        first = unique_tasks.settle.enqueue(7)
        second = unique_tasks.settle.enqueue(7)
        assert (first.created, second.created, first.id) == (True, False, second.id)
        assert len(jobs) == 1
        jobs.run()
        assert [unique_tasks.settle.enqueue(7).created for _ in range(2)] == [True, False]
        assert [unique_tasks.remind.enqueue(7).created for _ in range(2)] == [True, False]
        jobs.run()
        assert unique_tasks.remind.enqueue(7).created is False


def test_captured_jobs_debounce(engine: Engine) -> None:
    with captured_jobs() as jobs:
        results = unique_tasks.reindex.enqueue_many([(1, n) for n in range(3)])
        assert [one.created for one in results] == [True, False, False]
        assert [(job.id, job.args) for job in jobs] == [(results[0].id, [1, 2])]
        (ended,) = jobs.run()
        assert ended.return_value == 2
        assert unique_tasks.reindex.enqueue(1, 3).created is True


def test_eager_jobs_are_unique_in_their_window() -> None:
    """And while they run: what they enqueue meets them."""
    with override_settings(TASKS=EAGER):
        EagerBackend.clear()
        assert [unique_tasks.settle.enqueue(7).created for _ in range(2)] == [True, True]
        first, second = (unique_tasks.remind.enqueue(7) for _ in range(2))
        assert (first.created, second.created, second.id) == (True, False, first.id)
        assert second.return_value == 7
        assert unique_tasks.nest.enqueue().return_value is False
        EagerBackend.clear()
        assert unique_tasks.remind.enqueue(7).created is True


@pytest.mark.parametrize("again", [unique_tasks.start_again, unique_tasks.put_off_again])
def test_lock_that_ends_at_the_start_meets_no_call_of_the_run(engine: Engine, again: Any) -> None:
    """Captured and run, or run at once: each call gets a run."""
    with captured_jobs() as jobs:
        again.enqueue(1, 2)
        returned = [[job.return_value for job in jobs.run()] for _ in range(4)]
    assert returned == [[True], [True], [None], []]
    with override_settings(TASKS=EAGER):
        EagerBackend.clear()
        assert again.enqueue(1, 2).return_value is True
        EagerBackend.clear()


def test_lock_that_ends_at_the_start_does_so_in_redis_too(engine: Engine) -> None:
    result = unique_tasks.start_again.enqueue(1, 2)
    assert drain() == 3
    result.refresh()
    assert result.return_value is True
