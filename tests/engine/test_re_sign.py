"""re_sign: payloads get the signature of the newest key, so that older keys can be removed."""

import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from django_jobqueue import engine as engines
from django_jobqueue.conf import load
from django_jobqueue.engine import Engine, key_rotation
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.client import Client
from django_jobqueue.engine.key_rotation import KeyRotation, SweepPass
from django_jobqueue.exceptions import BadSignature, OwnerMismatch
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.signing import Signer
from django_jobqueue.jobs.states import State
from tests.support import payloads
from tests.support.jobs import new_job
from tests.support.places import RETRIED, Make, claimed, everything, finish, full_memory, places

OLD, NEW = "only for the tests", "the key of tomorrow"
TASK = "tests.project.tasks.noop"
Rotate = Callable[[], Engine]


@pytest.fixture
def rotate(engine: Engine, settings) -> Iterator[Rotate]:
    """Change SECRET_KEY, with the old one as a fallback; the same engine has both from then on."""

    def change() -> Engine:
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]
        fresh = engines.get_engine("default")
        vars(engine).update(vars(fresh))
        return engine

    yield change
    engine.client.redis.hdel(engine.client.keys("meta"), "owner")  # the auditor attaches


def is_signed(engine: Engine, job_id: str, key: str) -> bool:
    try:
        Signer([key]).verify(job_id, TASK, payloads.read(engine, job_id))
    except BadSignature:
        return False
    return True


def resign(engine: Engine) -> list[SweepPass]:
    """Sign all jobs anew and return the passes."""
    return [latest for latest in KeyRotation(engine.client).sweep() if latest.is_done]


def told(passes: list[SweepPass]) -> list[tuple[int, int, int, int]]:
    return [(one.seen, one.found, one.changed, one.foreign) for one in passes]


def in_each_state(job_in: Make) -> dict[State, str]:
    states = sorted(State, key=lambda state: state is State.QUEUED)  # none may be queued before
    return {state: job_in(state) for state in states}


def test_jobs_of_all_states_need_only_the_newest_key(
    engine: Engine, job_in: Make, rotate: Rotate
) -> None:
    """Also those that run, which are met twice. The second pass finds nothing to do."""
    jobs = in_each_state(job_in)
    data = {job_id: payloads.read(engine, job_id).split(b".", 2)[2] for job_id in jobs.values()}
    before = places(engine)
    rotate()

    assert told(resign(engine)) == [(8, 7, 7, 0), (8, 0, 0, 0)]

    assert [is_signed(engine, job_id, NEW) for job_id in jobs.values()] == [True] * 7
    assert [is_signed(engine, job_id, OLD) for job_id in jobs.values()] == [False] * 7
    assert {job_id: payloads.read(engine, job_id).split(b".", 2)[2] for job_id in data} == data
    assert places(engine) == before


def unsigned(found: dict[str, Any]) -> dict[str, Any]:
    """Return all keys without the payloads."""
    return {
        name: {field: value[field] for field in value if field != b"payload"}
        if isinstance(value, dict)
        else value
        for name, value in found.items()
        if not name.startswith("payload:")
    }


def test_nothing_but_signatures_changes(engine: Engine, job_in: Make, rotate: Rotate) -> None:
    """And nothing at all in a second call."""
    in_each_state(job_in)
    rotate()
    engine.client.attach()
    before = everything(engine)
    resign(engine)
    after = everything(engine)
    assert after != before
    assert unsigned(after) == unsigned(before)
    assert told(resign(engine)) == [(8, 0, 0, 0)]
    assert everything(engine) == after


def test_job_signed_with_no_known_key_is_left_alone(
    engine: Engine, make_job: Make, rotate: Rotate
) -> None:
    """It is counted; who gave it that signature is unknown."""
    good, bad, moved, garbage = make_job(), make_job(), make_job(), make_job()
    payloads.put(engine, bad, Signer(["stolen"]).sign(bad, TASK, b"{}"))
    payloads.put(engine, moved, payloads.read(engine, good))
    payloads.put(engine, garbage, b"garbage")
    kept = [payloads.read(engine, job_id) for job_id in (bad, moved, garbage)]
    rotate()

    assert told(resign(engine)) == [(4, 1, 1, 3), (4, 0, 0, 3)]
    assert [payloads.read(engine, job_id) for job_id in (bad, moved, garbage)] == kept
    assert is_signed(engine, good, NEW)


def test_damaged_jobs_are_passed_by(engine: Engine, make_job: Make, rotate: Rotate) -> None:
    """A payload or record that is gone, or of the wrong type, hides no other job."""
    gone, typed, good = make_job(), make_job(), make_job()
    recordless = make_job(data=99 * b"x")
    keys, client = engine.client.keys, engine.client.redis
    payloads.drop(engine, gone)
    payloads.damage(engine, typed)
    client.delete(keys("job", recordless))
    rotate()

    assert told(resign(engine))[-1] == (2, 0, 0, 1)
    assert is_signed(engine, good, NEW)
    client.flushall()


def test_payload_that_changed_meanwhile_is_left_alone(
    engine: Engine, make_job: Make, rotate: Rotate
) -> None:
    """Compare and set: the signature that was read must still be there."""
    changed, deleted, good = make_job(), make_job(), make_job()
    rotate()
    olds = {
        job_id: payloads.read(engine, job_id)[: payloads.LENGTH]
        for job_id in (changed, deleted, good)
    }
    news = {
        job_id: Signer([NEW]).sign(job_id, TASK, payloads.read(engine, job_id)[payloads.LENGTH :])[
            : payloads.LENGTH
        ]
        for job_id in olds
    }
    other = Signer([OLD]).sign(changed, TASK, b'{"args":[1],"kwargs":{}}')
    payloads.put(engine, changed, other)
    engine.jobs.delete(deleted)

    heads = [(job_id, olds[job_id], news[job_id]) for job_id in olds]
    change = KeyRotation(engine.client)
    assert change.re_sign(heads) == 1

    assert payloads.read(engine, changed) == other
    assert payloads.read(engine, deleted) == b""
    assert is_signed(engine, good, NEW)
    assert change.re_sign(heads) == 0  # the reply was lost, and the call made again
    assert change.re_sign([]) == 0


def test_payload_that_was_damaged_meanwhile_is_passed_by(
    engine: Engine, make_job: Make, rotate: Rotate
) -> None:
    """It hides no other job of the same call."""
    damaged, good = make_job(), make_job()
    rotate()
    olds = {job_id: payloads.read(engine, job_id) for job_id in (damaged, good)}
    heads = [
        (
            job_id,
            old[: payloads.LENGTH],
            Signer([NEW]).sign(job_id, TASK, old[payloads.LENGTH :])[: payloads.LENGTH],
        )
        for job_id, old in olds.items()
    ]
    payloads.damage(engine, damaged)

    assert KeyRotation(engine.client).re_sign(heads) == 1
    assert is_signed(engine, good, NEW)
    engine.client.redis.flushall()


def test_arguments_exchanged_meanwhile_do_not_pass(
    engine: Engine, make_job: Make, rotate: Rotate
) -> None:
    """The new signature speaks for what was read, whatever stands behind it by now."""
    job_id = make_job()
    rotate()
    old = payloads.read(engine, job_id)
    new = Signer([NEW]).sign(job_id, TASK, old[payloads.LENGTH :])
    forged = old[: payloads.LENGTH] + b'{"args":[6],"kwargs":{}}'
    payloads.put(engine, job_id, forged)

    KeyRotation(engine.client).re_sign([(job_id, old[: payloads.LENGTH], new[: payloads.LENGTH])])

    assert not is_signed(engine, job_id, NEW)
    assert not is_signed(engine, job_id, OLD)


def test_long_indexes_are_paged(engine: Engine, make_job: Make, rotate: Rotate) -> None:
    """Every id once, over several queues."""
    jobs = [
        make_job(queue=queue) for queue in ("default", "b") for _ in range(key_rotation.BATCH + 30)
    ]
    rotate()
    assert told(resign(engine))[0] == (len(jobs), len(jobs), len(jobs), 0)
    assert all(is_signed(engine, job_id, NEW) for job_id in jobs)


def test_interrupted_run_is_gone_on_with(
    engine: Engine, make_job: Make, rotate: Rotate, monkeypatch
) -> None:
    """What is done stays done, the rest is left to the next call."""
    monkeypatch.setattr(key_rotation, "BATCH", 4)
    jobs = [make_job() for _ in range(10)]
    rotate()
    assert next(iter(KeyRotation(engine.client).sweep())).changed == 4
    assert sum(is_signed(engine, job_id, NEW) for job_id in jobs) == 4

    assert told(resign(engine))[0] == (10, 6, 6, 0)


def test_owner_follows_the_key(engine: Engine, make_job: Make, rotate: Rotate, settings) -> None:
    """After that, processes that know only the newest key can go on; those of old are refused."""
    job_id = make_job()
    resign(rotate())
    settings.SECRET_KEY_FALLBACKS = []
    alone = Engine(Client("default", load("default")))
    job = claimed(alone, Slot("w", "0"))
    assert alone.signer.verify(job_id, TASK, job.payload or b"") == b'{"args":[],"kwargs":{}}'
    settings.SECRET_KEY = OLD
    with pytest.raises(OwnerMismatch):
        Client("default", load("default")).attach()


def test_running_job_that_is_given_back_is_met(
    engine: Engine, make_job: Make, rotate: Rotate, slot: Slot
) -> None:
    """To an index that the pass has left behind: those that run come first, too."""
    comes_back = make_job()
    job = claimed(engine, slot)
    waits = make_job(due=timedelta(hours=1))
    passes = []
    for latest in KeyRotation(rotate().client).sweep():
        if latest.is_done:
            passes.append(latest)
        elif latest.number == 1 and is_signed(engine, waits, NEW):
            finish(engine, slot, job, RETRIED)
    assert told(passes) == [(2, 2, 2, 0), (2, 0, 0, 0)]
    assert is_signed(engine, comes_back, NEW)


def test_job_that_dodges_each_pass_is_met_by_the_next_sweep(
    engine: Engine, make_job: Make, rotate: Rotate, slot: Slot
) -> None:
    """In each pass it is claimed, and back in the index of the first step before the second."""
    waits, dodger = make_job(due=timedelta(hours=1)), make_job()
    met = []
    for latest in KeyRotation(rotate().client).sweep():
        if latest.is_done:
            met.append(latest.seen)
            engine.queues.promote()
        elif latest.seen == 1:
            finish(engine, slot, claimed(engine, slot), RETRIED._replace(delay_ms=0))
    assert met == [1, 1], "no pass met it"
    assert is_signed(engine, waits, NEW)
    assert is_signed(engine, dodger, OLD)

    assert told(resign(engine)) == [(2, 1, 1, 0), (2, 0, 0, 0)]
    assert is_signed(engine, dodger, NEW)


def test_resign_works_at_maxmemory(engine: Engine, make_job: Make, rotate: Rotate) -> None:
    """It needs no memory, and a leaked key can't wait."""
    job_id = make_job()
    rotate()
    with full_memory(engine):
        assert told(resign(engine))[0] == (1, 1, 1, 0)
    assert is_signed(engine, job_id, NEW)


@pytest.mark.django_db
def test_command_tells_what_it_did(engine: Engine, make_job: Make, rotate: Rotate) -> None:
    """One line per pass; a second call finds nothing, and says that it is done."""
    for _ in range(3):
        make_job()
    rotate()
    out = io.StringIO()
    call_command("jobqueue", "re-sign", stdout=out)
    assert "Pass 1: 3 jobs seen, 3 signed anew, 0 signed with none of the keys." in out.getvalue()
    assert "Pass 2: 3 jobs seen, 0 signed anew" in out.getvalue()
    assert "Run this again until its first pass signs none" in out.getvalue()
    assert "left alone" not in out.getvalue()

    again = io.StringIO()
    call_command("jobqueue", "re-sign", stdout=again)
    assert "Pass 1: 3 jobs seen, 0 signed anew" in again.getvalue()
    assert "No job needs an older key any more." in again.getvalue()
    assert "Run this again" not in again.getvalue()


@pytest.mark.django_db
def test_command_tells_of_jobs_that_it_left_alone(engine: Engine, rotate: Rotate) -> None:
    """They would fail anyway, so it is no error."""
    job_id = new_id()
    forged = Signer(["stolen"]).sign(job_id, TASK, b"{}")
    engine.jobs.enqueue([new_job(job_id, "default", TASK, forged)])
    rotate()
    out = io.StringIO()
    call_command("jobqueue", "re-sign", stdout=out)
    assert "1 signed with none of the keys." in out.getvalue()
    assert "left alone" in out.getvalue()


def test_command_ends_where_the_old_key_is_still_in_use(
    engine: Engine, make_job: Make, rotate: Rotate, monkeypatch
) -> None:
    """A process that goes on signing with it has to be deployed first."""
    make_job()
    rotate()
    resign_batch = KeyRotation.re_sign

    def busy(self: KeyRotation, heads):
        old = new_id()
        engine.jobs.enqueue([new_job(old, "default", TASK, Signer([OLD]).sign(old, TASK, b"{}"))])
        return resign_batch(self, heads)

    monkeypatch.setattr(KeyRotation, "re_sign", busy)
    with pytest.raises(CommandError, match="older key keep coming"):
        call_command("jobqueue", "re-sign", stdout=io.StringIO())


def test_command_refuses_keys_of_another_project(engine: Engine, settings) -> None:
    """As one line; nothing is signed with a stranger's key."""
    settings.SECRET_KEY = "of another project"
    with pytest.raises(CommandError, match="belong to another project"):
        call_command("jobqueue", "re-sign", stdout=io.StringIO())
