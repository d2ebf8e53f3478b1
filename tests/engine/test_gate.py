"""The gate: scripts work only for processes that know the very keys they are about to change."""

import threading
from typing import Any

import pytest

from django_jobqueue.conf import load
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.client import UNATTACHED, Client
from django_jobqueue.engine.keys import SCHEMA
from django_jobqueue.engine.scripts import standard
from django_jobqueue.exceptions import QueueUnavailable, SchemaMismatch
from tests.support.places import DONE, Make, claimed, everything, finish, places

READING = {"get_cached", "get_job"}
OTHERS = {"acl_missing", "attach", "forget_worker"}
# Arguments that would work if the script were not refused.
GIVEN: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "admit": ([], {"limit": 1}),
    "advance": ([], {"limit": 1}),
    "cancel": ([], {"id": "x", "reason": "cancelled"}),
    "cancel_tagged": ([], {"tag": "t", "before": "", "limit": 10, "reason": "cancelled"}),
    "add_members": (
        [],
        {"workflow": "x", "id": "y", "fence": "1-z", "group": 1, "feeds": 0, "most": 1},
    ),
    "cancel_workflow": ([], {"workflow": "x", "reason": "cancelled"}),
    "claim": (["default"], {"worker": "w", "slot": "s", "nonce": "n", "lease": 1000}),
    "delete": ([], {"id": "x"}),
    "edit": ([], {"id": "x", "old": b"1.old.{}", "new": b"1.new.{}"}),
    "enqueue": (["y", "default", "a.b", 0, "", b"1.x.{}", 0], {}),
    "fire": (
        ["y", "default", "a.b", 0, "", b"1.x.{}", 0],
        {"name": "n", "rule": "r", "nominal": 5, "overlap": "allow"},
    ),
    "forget_schedule": ([], {"name": "n", "unseen": 1, "gone": 1}),
    "register_schedules": (["n", "r"], {"scheduler": "s"}),
    "record_missed": ([], {"name": "n", "rule": "r", "since": 1, "nominal": 5, "count": 1}),
    "move": ([], {"id": "x", "queue": "b"}),
    "pause": ([], {"queue": "default", "by": ""}),
    "pop_ended": ([], {"limit": 1}),
    "prioritize": ([], {"id": "x", "priority": 1}),
    "promote": ([], {"limit": 1}),
    "reap": ([], {"first": "", "limit": 1, "interval": 1, "grace": 1, "lease": 1}),
    "refresh_cached": (
        ["y", "default", "a.b", 0, "", b"1.x.{}", 0],
        {"digest": "d", "seen": "", "keep": 0},
    ),
    "replace": (
        [],
        {
            "id": "x",
            "number": 1,
            "unique": "a newest,1,1",
            "expires": "",
            "payload": b"1.x.{}",
            "caller": "",
        },
    ),
    "requeue": ([], {"id": "x", "nonce": "n", "round": ""}),
    "re_sign": (["x", b"1.old.", b"1.new."], {}),
    "resume": ([], {"queue": "default"}),
    "run_now": (["y", "default", "a.b", 0, "", b"1.x.{}", 0], {"name": "n"}),
    "seal": ([], {"workflow": "x"}),
    "stage": (
        [],
        {"workflow": "x", "total": 0, "if_failed": "stop", "keep": 1, "steps": "", "output": ""},
    ),
    "settle": ([], {"id": "x", "round": 1, "state": "failed", "result": "", "reason": ""}),
    "set_limits": (["a.b", "1w"], {"queues": "mail 1 "}),
    "sum": ([], {"interval": 1}),
    "tell_worker": ([], {"worker": "w", "word": "stop"}),
    "trim": (["failed", 1, 1], {"first": "", "limit": 1, "interval": 0}),
}


def fresh() -> Client:
    return Client("default", load("default"))


def rename(engine: Engine, name: str = "another") -> None:
    """Give the keys another name, as an emptied server has."""
    engine.client.redis.hset(engine.client.keys("meta"), "epoch", name)


def test_every_script_is_gated_or_has_a_reason_not_to_be() -> None:
    """A new script must decide."""
    gated = {name for name, script in standard().all.items() if script.is_gated}
    assert gated - UNATTACHED == set(GIVEN)
    assert set(standard().all) == set(GIVEN) | UNATTACHED | READING | OTHERS


@pytest.mark.parametrize("name", sorted(GIVEN))
def test_stranger_changes_nothing(engine: Engine, make_job: Make, name: str) -> None:
    """The refusal is an error by itself, and comes before the first write."""
    make_job()
    before = everything(engine)
    rest, given = GIVEN[name]
    engine.client.epoch = "of yesterday"
    with pytest.raises(Exception, match=r"^DETACHED"):
        engine.client._evaluate(name, rest, dict(given))
    assert everything(engine) == before


def test_call_attaches_anew_and_goes_on(engine: Engine, make_job: Make, caplog) -> None:
    """An emptied server is noticed at the next call, told loudly, and used."""
    make_job()
    known = engine.client.epoch
    engine.client.redis.flushall()

    job_id = make_job()

    assert places(engine) == {"queued": {"default": [job_id]}}
    assert engine.client.epoch not in (known, "")
    (line,) = [line for line in caplog.records if "emptied or replaced" in line.message]
    assert line.levelname == "CRITICAL"


def test_each_process_tells_once(engine: Engine, make_job: Make, caplog) -> None:
    """The next calls are silent again."""
    engine.client.redis.flushall()
    for _ in range(3):
        make_job()
    assert caplog.text.count("emptied or replaced") == 1


def test_worker_goes_on_with_another_epoch(engine: Engine, make_job: Make, slot: Slot) -> None:
    """Its finish settles the run but claims nothing; its next claim attaches."""
    mine, waits = make_job(), make_job()
    job = claimed(engine, slot)
    rename(engine)

    reply, _, found = engine.claims.finish(slot, job, DONE, ["default"])

    assert (reply, found.more) == ("ok", True)
    assert places(engine) == {"succeeded": {"default": [mine]}, "queued": {"default": [waits]}}
    assert claimed(engine, slot).id == waits
    assert engine.client.epoch == "another"


def test_runs_end_well_while_the_keys_are_closed(
    engine: Engine, make_job: Make, slot: Slot
) -> None:
    """Another schema, and no attach: what began well is renewed and finished."""
    job_id = make_job()
    job = claimed(engine, slot)
    engine.client.redis.hset(engine.client.keys("meta"), "schema", "2.0")
    rename(engine)
    with pytest.raises(SchemaMismatch):
        engine.queues.promote()

    assert [held.lost for held in engine.leases.renew(slot.worker, {"pid": 1}).held] == [False]
    assert engine.jobs.progress(job_id, job.fence, 1, 2, "half")
    assert engine.jobs.log(job_id, job.fence, "half")
    assert finish(engine, slot, job) == "ok"
    assert places(engine)["succeeded"] == {"default": [job_id]}
    engine.client.redis.hset(engine.client.keys("meta"), "schema", SCHEMA)


def test_keys_renamed_for_ever_end_in_an_error(engine: Engine, monkeypatch) -> None:
    """A server that answers DETACHED whatever one does is told as unavailable."""
    monkeypatch.setattr(engine.client, "attach", lambda: None)
    rename(engine)
    with pytest.raises(QueueUnavailable, match="DETACHED"):
        engine.queues.pause("default")
    engine.client.redis.delete(engine.client.keys("meta"))


def test_threads_attach_once(engine: Engine) -> None:
    """Many threads that meet new keys at once agree on one name."""
    engine.client.redis.flushall()
    threads = [threading.Thread(target=engine.queues.pause, args=[f"q{n}"]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert engine.queues.names() == ["default", *(f"q{n}" for n in range(8))]
    fresh().run("pause", queue="q0", by="")
