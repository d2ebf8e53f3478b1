"""A claim that is sent together with the wait for a token: the server begins it by itself."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from django_jobqueue.engine import Engine, new_engine
from django_jobqueue.engine.claims import ALL_QUEUES, NoJob, Slot
from django_jobqueue.engine.locate import worker_timeouts
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs.job import Job
from tests.support.places import FAILED, Make, claimed, drop_tokens, finish, places
from tests.support.processes import PATIENCE, until

SECONDS = 30.0  # longer than any step of a test takes on a busy machine


@pytest.fixture
def far(engine: Engine) -> Iterator[Engine]:
    """An engine as a slot has it, which repeats nothing by itself."""
    engine = new_engine("default", worker_timeouts(SECONDS))
    yield engine
    engine.client.close()


class Sleeper:
    """A slot that waits in a thread of its own."""

    def __init__(self, engine: Engine, slot: Slot, *queues: str) -> None:
        self.found: list[Job | NoJob] = []
        self._thread = threading.Thread(
            target=lambda: self.found.append(
                engine.claims.claim_when_woken(slot, queues or [ALL_QUEUES], SECONDS)
            )
        )
        self._thread.start()

    def wake(self) -> Job | NoJob:
        self._thread.join(PATIENCE)
        return self.found[0]


def blocked(engine: Engine, connection: Any) -> bool:
    """Return whether a connection waits; the server may have others, of workers that end."""
    client: Any = engine.client.redis
    return any(
        each["id"] == str(connection.wanted_id) and "b" in each["flags"]
        for each in client.client_list()
    )


def only_connection(engine: Engine) -> Any:
    """Return the connection that the engine uses next, with its id."""
    engine.client.attach()
    number = engine.client.execute("CLIENT", "ID")
    (connection,) = engine.client.sockets.idle
    connection.wanted_id = number
    return connection


def watched(engine: Engine) -> list[bytes]:
    """Return the list of what the engine sends from now on."""
    sent: list[bytes] = []
    sockets: Any = engine.client.sockets
    send = sockets.send

    def note(data: bytes) -> Any:
        sent.append(data)
        return send(data)

    sockets.send = note
    return sent


@pytest.mark.parametrize("queues", [(), ("mail", "default")])
def test_new_job_is_claimed_at_once(
    engine: Engine, far: Engine, slot: Slot, make_job: Make, queues: tuple[str, ...]
) -> None:
    assert far.claims.claim(slot, queues or [ALL_QUEUES]) == NoJob()
    connection, sent = only_connection(far), watched(far)
    sleeper = Sleeper(far, slot, *queues)
    until(lambda: blocked(engine, connection))
    job_id = make_job()
    job = sleeper.wake()
    assert isinstance(job, Job)
    assert job.id == job_id
    assert places(engine) == {"leases": {"default": [job_id]}}
    assert len(sent) == 1


def test_wait_ends_with_a_claim(engine: Engine, far: Engine, slot: Slot, make_job: Make) -> None:
    """A token may be lost, and others may take the job that it was for."""
    job_id = make_job()
    drop_tokens(engine, "default", "*")
    job = far.claims.claim_when_woken(slot, [ALL_QUEUES], 0.01)
    assert isinstance(job, Job)
    assert job.id == job_id
    finish(engine, slot, job, FAILED)
    assert far.claims.claim_when_woken(slot, [ALL_QUEUES], 0.01) == NoJob()


def test_slot_that_goes_claims_nothing(
    engine: Engine, far: Engine, slot: Slot, make_job: Make
) -> None:
    """The server drops the claim with the connection."""
    connection = only_connection(far)
    sleeper = threading.Thread(target=lambda: _ignore(far, slot))
    sleeper.start()
    until(lambda: blocked(engine, connection))
    connection._sock.shutdown(2)
    sleeper.join(PATIENCE)
    until(lambda: not blocked(engine, connection))
    job_id = make_job()
    assert places(engine) == {"queued": {"default": [job_id]}}


def _ignore(engine: Engine, slot: Slot) -> None:
    with pytest.raises(QueueUnavailable):
        engine.claims.claim_when_woken(slot, [ALL_QUEUES], SECONDS)


def test_wait_that_is_refused_leaves_the_connection_in_order(
    engine: Engine, far: Engine, slot: Slot, make_job: Make
) -> None:
    """The reply to the claim is not taken for that to the next call, which returns the same job."""
    key = engine.client.keys("wake", "default")
    engine.client.redis.set(key, "no list")
    job_id = make_job(queue="b")
    with pytest.raises(QueueUnavailable, match="WRONGTYPE"):
        far.claims.claim_when_woken(slot, ["default", "b"], 0.01)
    assert places(engine) == {"leases": {"b": [job_id]}}
    engine.client.redis.delete(key)
    job = claimed(far, slot, "default", "b")
    assert (job.id, job.recoveries) == (job_id, 0)


def test_script_that_the_server_forgot_is_sent_in_full(
    engine: Engine, far: Engine, slot: Slot, make_job: Make
) -> None:
    far.client.attach()
    client: Any = engine.client.redis
    job_id = make_job()
    client.script_flush()
    job = far.claims.claim_when_woken(slot, [ALL_QUEUES], 0.01)
    assert isinstance(job, Job)
    assert job.id == job_id


def test_detached_slot_attaches_and_claims(
    engine: Engine, far: Engine, slot: Slot, make_job: Make
) -> None:
    """Somebody emptied the server while the slot waited."""
    far.client.attach()
    engine.client.redis.flushall()
    engine.client.detach()
    job_id = make_job()
    job = far.claims.claim_when_woken(slot, [ALL_QUEUES], 0.01)
    assert isinstance(job, Job)
    assert job.id == job_id
