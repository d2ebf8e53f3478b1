"""A failover by Sentinel: worker and caller find the new master by themselves."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from django_jobqueue import engine as engines
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from django_jobqueue.worker.slot_loop import BLOCK
from tests.project import fault_tasks
from tests.project.replicated import by_sentinel
from tests.support.consistency import assert_consistent
from tests.support.processes import PROMPT, WorkerProcess, until
from tests.support.servers import Sentinels

from .conftest import Oracle, until_final
from .load import Caller, until_resumed

SETTINGS = "tests.project.replicated_settings"
GUARDED = {"replicas": 2, "min_replicas_to_write": "1", "min_replicas_max_lag": "3"}
LEASE = 5.0  # seconds

Start = Callable[..., WorkerProcess]


@pytest.fixture
def sentinels(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Sentinels]:
    with Sentinels(tmp_path, **getattr(request, "param", {})) as sentinels:
        yield sentinels


@pytest.fixture
def engine(sentinels: Sentinels, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """The engine of the alias "default" on their master; workers find the same one."""
    given = by_sentinel(sentinels.service, sentinels.addresses, LEASE)
    monkeypatch.setenv("TEST_SETTINGS", json.dumps(given))
    with override_settings(**given):
        engine = engines.get_engine("default")
        yield engine
        assert_consistent(engine)


def test_all_resume_when_the_master_is_killed(
    worker_process: Start, engine: Engine, sentinels: Sentinels, oracle: Oracle, gate: Path
) -> None:
    """A running job is kept, and what was accepted is run, if the replica had it."""
    held = fault_tasks.hold.enqueue(oracle.path, str(gate))
    worker = worker_process("--processes", "3", DJANGO_SETTINGS_MODULE=SETTINGS)
    oracle.until_started(1)
    with Caller(oracle) as caller:
        caller.until_accepted(100)
        old = sentinels.master
        safe = caller.until_safe(engine, old, sentinels.replicas_of(old))
        old.kill()
        until(lambda: sentinels.master is not old, what="a new master")
        resumed = until_resumed(caller, oracle)
        before = caller.ids()
        caller.until_accepted(100)
    gate.touch()

    (job,) = until_final(engine, [held])

    losses = caller.losses(engine)
    print(f"{caller.report()}, resumed {resumed:.2f} s after the change; {losses}")  # noqa: T201
    assert (job.state, job.recoveries, oracle.starts()[job.id]) == (State.SUCCEEDED, 0, 1)
    assert resumed < PROMPT
    assert set(losses.lost) <= before - safe.accepted
    assert not safe.succeeded.intersection(losses.repeated)
    assert worker.process.poll() is None


def test_all_resume_when_the_master_is_demoted(
    worker_process: Start, engine: Engine, sentinels: Sentinels, oracle: Oracle, gate: Path
) -> None:
    """The sentinels promote the replica, but leave the old master as it is for ten seconds.

    Who is connected to it is served there so long, and these writes are lost with it: neither
    worker nor caller could know. They follow when it becomes a replica.
    """
    held = fault_tasks.hold.enqueue(oracle.path, str(gate))
    worker = worker_process("--processes", "3", DJANGO_SETTINGS_MODULE=SETTINGS)
    oracle.until_started(1)
    with Caller(oracle) as caller:
        caller.until_accepted(100)
        old = sentinels.master
        safe = caller.until_safe(engine, old, sentinels.replicas_of(old))
        began = time.monotonic()
        sentinels.fail_over()
        until(lambda: old.info("replication").get("role") == "slave", what="it is a replica")
        ended = time.monotonic()
        resumed = until_resumed(caller, oracle)
        before = caller.ids()
        caller.until_accepted(100)
    gate.touch()

    (job,) = until_final(engine, [held])

    losses = caller.losses(engine)
    print(  # noqa: T201
        f"{caller.report()}, two masters for {ended - began:.1f} s, "
        f"resumed {resumed:.2f} s after that; {losses}"
    )
    assert (job.state, oracle.starts()[job.id]) == (State.SUCCEEDED, 1 + job.recoveries)
    assert resumed < PROMPT
    assert set(losses.lost) <= before - safe.accepted
    assert not safe.succeeded.intersection(losses.repeated)
    assert worker.process.poll() is None


@pytest.mark.parametrize("sentinels", [GUARDED], indirect=True)
def test_a_master_without_replicas_is_left(
    worker_process: Start, engine: Engine, sentinels: Sentinels, oracle: Oracle
) -> None:
    """With min-replicas-to-write the old master refuses at once: all look for the new one.

    A slot that is idle does so when it has waited for its wake token.
    """
    worker_process("--processes", "3", DJANGO_SETTINGS_MODULE=SETTINGS)
    with Caller(oracle) as caller:
        caller.until_accepted(100)
        old = sentinels.master
        safe = caller.until_safe(engine, old, sentinels.replicas_of(old))
        sentinels.fail_over()
        until(lambda: sentinels.master is not old, what="a new master")
        until(lambda: not old.info("replication").get("connected_slaves"), what="it is alone")
        resumed = until_resumed(caller, oracle)
        before = caller.ids()
        caller.until_accepted(100)
    losses = caller.losses(engine)
    print(f"{caller.report()}, resumed {resumed:.2f} s after the change; {losses}")  # noqa: T201
    assert resumed < BLOCK + PROMPT
    assert set(losses.lost) <= before - safe.accepted
    assert not safe.succeeded.intersection(losses.repeated)
