"""One transaction's jobs reach Redis together, and a Redis that fails holds the commit briefly."""

import logging
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.dispatch import Signal
from django.test import TestCase, override_settings

from django_jobqueue import compat, on_commit
from django_jobqueue.engine import Engine, get_engine
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs.result import JobResult
from django_jobqueue.jobs.states import State
from django_jobqueue.on_commit import PATIENCE
from django_jobqueue.signals import enqueue_failed
from embedded.server import EmbeddedServer
from tests.project import tasks
from tests.project.settings import OPTIONS, TASKS
from tests.support.proxy import FaultProxy

pytestmark = pytest.mark.django_db(transaction=True)
Results = list[JobResult[..., Any]]
COMMANDS = ("evalsha", "eval")
MARGIN = 1.5  # seconds by which a busy machine may be late


class LeftBehind(Exception):
    """What a savepoint is rolled back for."""


def add(number: int) -> JobResult[..., Any]:
    return tasks.add.enqueue(number, number)


def queued(engine: Engine) -> list[str]:
    """Return the ids in the queues, in the order in which they were stored."""
    return [job.id for job in engine.inspector.page(State.QUEUED, 0, 5000)][::-1]


def ids(results: Sequence[Any]) -> list[str]:
    return [result.id for result in results]


@contextmanager
def script_calls(engine: Engine) -> Iterator[list[int]]:
    """Count the calls that the server sees in the block: the list then has their number."""
    client = engine.client.redis
    found: list[int] = []
    client.script_load(engine.client.scripts.all["enqueue"].source)  # else the first call is two
    client.config_resetstat()
    yield found
    stats: Any = client.info("commandstats")
    found.append(sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in COMMANDS))


@contextmanager
def rolled_back() -> Iterator[None]:
    """Open a savepoint, and leave it by an exception."""
    try:
        with transaction.atomic():
            yield
            raise LeftBehind
    except LeftBehind:
        pass


@contextmanager
def heard(signal: Signal) -> Iterator[list[tuple[str, Exception]]]:
    """Note the job and the exception of each call of a receiver."""
    seen: list[tuple[str, Exception]] = []
    signal.connect(note := lambda result, exception, **_: seen.append((result.id, exception)))
    yield seen
    signal.disconnect(note)


# ── Together ─────────────────────────────────────────────────────────────────────────────────


def test_ten_jobs_of_a_transaction_are_one_call(engine: Engine) -> None:
    """At the commit, in their order."""
    with script_calls(engine) as calls:
        with transaction.atomic():
            results = [add(number) for number in range(10)]
        assert not any(result.is_pending for result in results)
    assert calls == [1]
    assert queued(engine) == ids(results)


def test_more_jobs_than_a_call_takes(engine: Engine) -> None:
    """100 a call, those of enqueue_many among them."""
    with script_calls(engine) as calls, transaction.atomic():
        results = [add(0), *tasks.add.enqueue_many([(n, n) for n in range(1200)]), add(1)]
    assert calls == [13]
    assert queued(engine) == ids(results)


def test_savepoints_that_were_kept_change_nothing(engine: Engine) -> None:
    """Each job of a loop may have one of its own, and a function that is atomic itself."""
    results = []
    with script_calls(engine) as calls, transaction.atomic():
        for number in range(5):
            with transaction.atomic(), transaction.atomic(savepoint=False):
                results.append(add(number))
            results.append(add(number))
    assert calls == [1]
    assert queued(engine) == ids(results)


def test_savepoint_takes_its_jobs_along(engine: Engine) -> None:
    """Those of its own savepoints too, wherever it stands; the others are one call."""
    dropped: Results = []
    with script_calls(engine) as calls, transaction.atomic():
        with rolled_back():
            dropped.append(add(0))
        kept = [add(1)]
        with transaction.atomic():
            with rolled_back():
                dropped += [add(2), *tasks.add.enqueue_many([(3, 3)])]
            kept.append(add(4))
        with rolled_back(), transaction.atomic():
            dropped.append(add(5))
    assert calls == [1]
    assert queued(engine) == ids(kept)
    assert all(result.is_dropped for result in dropped)


def test_hook_that_somebody_holds_is_not_called_for_a_savepoint(engine: Engine) -> None:
    """What decides is whether Django still calls it, not whether it still exists."""
    with transaction.atomic():
        kept = add(1)
        with rolled_back():
            gone = add(2)
            held = list(transaction.get_connection().run_on_commit)
    assert queued(engine) == [kept.id]
    assert gone.is_pending
    assert len(held) == 2


def test_two_aliases_are_a_call_each(engine: Engine) -> None:
    names = ("default", "other")
    with override_settings(TASKS=dict.fromkeys(names, TASKS["default"])):
        first, second = engines = [get_engine(name) for name in names]
        for one in engines:
            one.client.attach()
        with script_calls(first) as calls, transaction.atomic():
            results = [tasks.add.using(backend=name).enqueue(1, 2) for name in names * 3]
        assert calls == [2]
        assert queued(first) == ids(results[::2])
        assert queued(second) == ids(results[1::2])


def test_hook_of_others_that_enqueues(engine: Engine) -> None:
    """Its job comes after those of the transaction, of which some were enqueued after the hook."""
    later: Results = []
    with transaction.atomic():
        results = [add(1)]
        transaction.on_commit(lambda: later.append(add(2)))
        results.append(add(3))
    assert queued(engine) == ids([*results, *later])


def test_hook_of_others_with_a_transaction_of_its_own(engine: Engine) -> None:
    """Its commit stores its jobs, and no others."""
    later: Results = []

    def work() -> None:
        with transaction.atomic():
            later.extend([add(1), add(2)])
            assert all(result.is_pending for result in later)

    with script_calls(engine) as calls, transaction.atomic():
        transaction.on_commit(work)
        results = [add(3), add(4)]
    assert calls == [2]
    assert queued(engine) == ids([*later, *results])


def test_hook_of_others_that_raises_after_ours(engine: Engine) -> None:
    """By then all jobs are stored, those enqueued after it too."""
    results: Results = []

    def work() -> None:
        results.append(add(1))
        transaction.on_commit(lambda: 1 / 0)
        results.append(add(2))

    with pytest.raises(ZeroDivisionError):
        transaction.atomic(work)()
    assert queued(engine) == ids(results)


def test_capture_of_a_test_stores_the_jobs_of_its_block(engine: Engine) -> None:
    """No more than these, in their order, and those that hooks enqueue meanwhile."""
    later: Results = []
    with transaction.atomic():
        before = add(0)
        with TestCase.captureOnCommitCallbacks(execute=True):
            results = [add(1)]
            transaction.on_commit(lambda: later.append(add(3)))
            results.append(add(2))
        assert queued(engine) == ids([*results, *later])
        transaction.set_rollback(True)
    assert before.is_dropped


def test_cancelled_and_stored_ones_are_left_out(engine: Engine) -> None:
    with transaction.atomic():
        first, second, third = add(1), add(2), add(3)
        second.cancel()
    assert queued(engine) == ids([first, third])


# ── When Redis fails ─────────────────────────────────────────────────────────────────────────


def test_failure_names_each_job(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """In the log, to the receivers of the signal, and in the count."""
    client = engine.client.redis
    before = on_commit.failures["default"]
    client.config_set("maxmemory", "1")
    try:
        with heard(enqueue_failed) as seen, transaction.atomic():
            results = [add(number) for number in range(10)]
    finally:
        client.config_set("maxmemory", "0")
    assert [job_id for job_id, _ in seen] == ids(results)
    assert all("maxmemory" in str(error) for _, error in seen)
    logged = [record for record in caplog.records if hasattr(record, "job_id")]
    assert [record.job_id for record in logged] == ids(results)
    assert {record.levelno for record in logged} == {logging.ERROR}
    assert on_commit.failures["default"] - before == 10
    assert queued(engine) == []


def test_result_of_a_job_that_was_not_stored(engine: Engine) -> None:
    """It waits for no commit any more; `again` can still store it, once."""
    client = engine.client.redis
    client.config_set("maxmemory", "1")
    errors: list[Any] = []

    def note(exception: Exception, **_: object) -> None:
        errors.append(exception)

    enqueue_failed.connect(note)
    try:
        with transaction.atomic():
            result = add(1)
    finally:
        client.config_set("maxmemory", "0")
        enqueue_failed.disconnect(note)
    assert (result.is_pending, result.is_dropped, result.store_failed) == (False, False, True)
    for ask in (result.refresh, result.cancel, lambda: result.wait(1)):
        with pytest.raises(compat.TaskResultDoesNotExist):
            ask()
    for _ in range(2):
        errors[0].again()
    assert queued(engine) == [result.id]
    result.refresh()
    assert (result.state, result.is_pending) == (State.QUEUED, False)
    assert result.cancel()


def test_result_of_a_job_whose_reply_was_lost(redis_server: EmbeddedServer, engine: Engine) -> None:
    """It may be there: `refresh` asks."""
    with FaultProxy(redis_server.socket) as proxy:
        params = TASKS["default"] | {"OPTIONS": OPTIONS | {"URL": proxy.url, "TIMEOUT": 0.3}}
        with override_settings(TASKS={"default": params}):
            get_engine("default").client.attach()
            with heard(enqueue_failed) as seen, transaction.atomic():
                result = add(1)
                proxy.drop_replies(100)
            assert len(seen) == 1
            assert result.store_failed
            proxy.pass_on()
            get_engine("default").client.try_again()
            result.refresh()
            assert result.state is State.QUEUED
            assert result.enqueued_at is not None


def test_one_refused_job_does_not_take_the_others_along(engine: Engine) -> None:
    """Here somebody else's value stands where its record would."""
    client = engine.client.redis
    with heard(enqueue_failed) as seen, transaction.atomic():
        first, refused, last = add(1), add(2), add(3)
        key = engine.client.keys("job", refused.id)
        client.set(key, "no hash")
    client.delete(key, engine.client.keys("payload", refused.id))
    assert [job_id for job_id, _ in seen] == [refused.id]
    assert "WRONGTYPE" in str(seen[0][1])
    assert queued(engine) == ids([first, last])
    assert [result.store_failed for result in (first, refused, last)] == [False, True, False]


def test_refused_call_ends_the_delivery(engine: Engine) -> None:
    """If Redis takes none of 500 jobs, those of the next call are not tried."""
    client = engine.client.redis
    client.config_set("maxmemory", "1")
    try:
        with heard(enqueue_failed) as seen, script_calls(engine) as calls, transaction.atomic():
            results = tasks.noop.enqueue_many([()] * 1000)
    finally:
        client.config_set("maxmemory", "0")
    assert calls[0] <= 2 + 500
    assert [job_id for job_id, _ in seen] == ids(results)


def test_interrupt_goes_through_and_names_the_jobs(engine: Engine) -> None:
    """Nobody knows whether the call that it interrupted stored them."""

    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    results: Results = []
    compat.signals.task_enqueued.connect(interrupt)
    try:
        with (
            heard(enqueue_failed) as seen,
            pytest.raises(KeyboardInterrupt),
            transaction.atomic(),
        ):
            results += [add(1), add(2)]
    finally:
        compat.signals.task_enqueued.disconnect(interrupt)
    ((job_id, error),) = seen
    assert job_id == results[1].id
    assert isinstance(error, QueueUnavailable)
    assert error.maybe_stored
    assert "KeyboardInterrupt" in str(error)


@contextmanager
def silent_server(refuse_for: float = 0.0) -> Iterator[str]:
    """Give the URL of a server that closes new connections for some seconds, then says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []
        until = time.monotonic() + refuse_for

        def accept() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return
                if time.monotonic() < until:
                    held.pop().close()

        if refuse_for:
            threading.Thread(target=accept, daemon=True).start()
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        server.shutdown(socket.SHUT_RDWR)
        for connection in held:
            connection.close()


@pytest.mark.parametrize("refuse_for", [0.0, 0.4])
def test_black_hole_holds_a_commit_briefly(refuse_for: float) -> None:
    """Ten enqueues wait together, and each job is named."""
    with silent_server(refuse_for) as url:
        params = TASKS["default"] | {"OPTIONS": OPTIONS | {"URL": url}}
        with override_settings(TASKS={"default": params}), heard(enqueue_failed) as seen:
            with transaction.atomic():
                results = [add(number) for number in range(10)]
                began = time.monotonic()
            took = time.monotonic() - began
    assert took < PATIENCE + (0.0 if refuse_for else MARGIN)
    assert [job_id for job_id, _ in seen] == ids(results)


def test_commit_asks_a_server_that_has_just_failed(tmp_path: Path) -> None:
    """Others are refused at once for a second, and a job of theirs can be enqueued again."""
    server = EmbeddedServer(tmp_path / "server", config={"appendonly": "no"})
    params = TASKS["default"] | {"OPTIONS": OPTIONS | {"URL": server.url}}
    with override_settings(TASKS={"default": params}), server:
        engine = get_engine("default")
        engine.client.attach()
        server.kill()
        with pytest.raises(QueueUnavailable):
            tasks.noop.enqueue()
        server.start()
        with transaction.atomic():
            results = [add(1), add(2)]
        assert queued(engine) == ids(results)
