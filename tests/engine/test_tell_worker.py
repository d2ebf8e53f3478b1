"""tell_worker: a worker hears at its next renewal what somebody wants of it."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.remote_control import Word
from django_jobqueue.exceptions import QueueUnavailable
from tests.support.places import Make, claimed, everything, full_memory


def hear(engine: Engine) -> set[str]:
    return set(engine.leases.renew("worker-1", {"pid": 1}).told)


def test_the_word_comes_with_the_leases(engine: Engine, make_job: Make, slot: Slot) -> None:
    make_job()
    job = claimed(engine, slot)
    engine.leases.renew(slot.worker, {"pid": 1})
    assert engine.remote_control.tell(slot.worker, Word.QUIET)
    assert engine.leases.take_renewal_request(slot.worker)
    held, told = engine.leases.renew(slot.worker, {"pid": 1})
    assert [one.id for one in held] == [job.id]
    assert told == {"quiet"}


def test_quiet_and_stop_are_told_again_and_again(engine: Engine) -> None:
    """The reply may get lost. Who is to stop is not told less."""
    hear(engine)
    for word in (Word.QUIET, Word.STOP, Word.QUIET):
        engine.remote_control.tell("worker-1", word)
        wanted = "quiet" if word is Word.QUIET and hear(engine) == {"quiet"} else "stop"
        assert [hear(engine), hear(engine)] == [{wanted}, {wanted}]
    assert hear(engine) == {"stop"}


def test_stacks_are_wanted_once(engine: Engine) -> None:
    hear(engine)
    engine.remote_control.tell("worker-1", Word.STACKS)
    engine.remote_control.tell("worker-1", Word.STOP)
    assert hear(engine) == {"stacks", "stop"}
    assert hear(engine) == {"stop"}


def test_former_stacks_go_when_new_ones_are_wanted(engine: Engine) -> None:
    hear(engine)
    assert engine.remote_control.stacks("worker-1") is None
    engine.leases.store_stacks("worker-1", '{"0.0": "File …", "0.1": null, "0.2": 7}')
    found = engine.remote_control.stacks("worker-1")
    assert found == {"0.0": "File …", "0.1": None, "0.2": None}
    assert 0 < engine.client.redis.ttl(engine.client.keys("stacks", "worker-1")) <= 60
    engine.remote_control.tell("worker-1", Word.STACKS)
    assert engine.remote_control.stacks("worker-1") is None


@pytest.mark.parametrize("damage", [b"", b"[1]", b"{", b"\xff", b"[" * 100_000])
def test_damaged_stacks_are_nothing(engine: Engine, damage: bytes) -> None:
    engine.client.redis.set(engine.client.keys("stacks", "worker-1"), damage, ex=60)
    assert engine.remote_control.stacks("worker-1") == {}


def test_unknown_worker_gets_no_record(engine: Engine) -> None:
    before = everything(engine)
    assert not engine.remote_control.tell("worker-9", Word.STOP)
    assert everything(engine) == before


@pytest.mark.parametrize("word", ["", "kill", "stop now"])
def test_other_words_are_refused(engine: Engine, word: str) -> None:
    hear(engine)
    before = everything(engine)
    with pytest.raises(QueueUnavailable, match="word is"):
        engine.client.run("tell_worker", worker="worker-1", word=word)
    assert everything(engine) == before


def test_a_worker_is_told_at_maxmemory(engine: Engine) -> None:
    hear(engine)
    with full_memory(engine):
        assert engine.remote_control.tell("worker-1", Word.STOP)
    assert hear(engine) == {"stop"}


def test_forgotten_worker_leaves_no_stacks(engine: Engine) -> None:
    hear(engine)
    engine.leases.store_stacks("worker-1", "{}")
    engine.leases.forget("worker-1")
    assert engine.remote_control.stacks("worker-1") is None
