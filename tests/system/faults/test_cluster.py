"""Redis Cluster: where the keys stand, and failovers under load."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from django_jobqueue import engine as engines
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from tests.project import fault_tasks
from tests.project.replicated import CLUSTER_ALIASES, as_cluster
from tests.support.consistency import assert_consistent
from tests.support.processes import PROMPT, WorkerProcess, until
from tests.support.servers import Cluster, TcpServer

from .conftest import Oracle, until_final
from .load import Caller, until_resumed

SETTINGS = "tests.project.replicated_settings"
LEASE = 5.0  # seconds

Start = Callable[..., WorkerProcess]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path) as cluster:
        yield cluster


@pytest.fixture
def engine(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """The engine of the alias "default"; the auditor looks at the end of all of them."""
    given = as_cluster(cluster.url, LEASE)
    monkeypatch.setenv("TEST_SETTINGS", json.dumps(given))
    with override_settings(**given):
        yield engines.get_engine("default")
        for alias in CLUSTER_ALIASES:
            assert_consistent(engines.get_engine(alias))


def test_each_alias_has_one_slot_of_its_own(
    worker_process: Start, engine: Engine, cluster: Cluster, oracle: Oracle
) -> None:
    """All keys of an alias are together, those of several on different nodes; all is served."""
    results = {
        alias: fault_tasks.work.using(backend=alias).enqueue_many([(oracle.path,)] * 20)
        for alias in CLUSTER_ALIASES
    }
    for alias in CLUSTER_ALIASES:
        worker_process("--processes", "1", "--backend", alias, DJANGO_SETTINGS_MODULE=SETTINGS)
    for alias, of_alias in results.items():
        jobs = until_final(engines.get_engine(alias), of_alias)
        assert {job.state for job in jobs} == {State.SUCCEEDED}
    slots: dict[str, set[int]] = defaultdict(set)
    homes: dict[str, set[int]] = defaultdict(set)
    for node in cluster.masters():
        for key in node.client.scan_iter(count=1000):
            alias = key.partition("{")[2].partition("}")[0]
            slots[alias].add(cluster.slot_of(key))
            homes[alias].add(node.port)
    assert set(slots) == set(CLUSTER_ALIASES)
    assert all(len(found) == 1 for found in slots.values())
    assert len(set.union(*homes.values())) == 3
    assert oracle.starts().total() == 20 * len(CLUSTER_ALIASES)


def kill(cluster: Cluster, master: TcpServer) -> None:
    master.kill()


def fail_over(cluster: Cluster, master: TcpServer) -> None:
    (replica,) = cluster.replicas_of(master)
    replica.client.execute_command("CLUSTER", "FAILOVER")


@pytest.mark.parametrize("break_master", [kill, fail_over])
def test_all_resume_when_a_replica_takes_over(
    worker_process: Start,
    engine: Engine,
    cluster: Cluster,
    oracle: Oracle,
    gate: Path,
    break_master: Callable[[Cluster, TcpServer], None],
) -> None:
    """A running job is kept, and what was accepted is run, if the replica had it."""
    held = fault_tasks.hold.enqueue(oracle.path, str(gate))
    worker = worker_process("--processes", "3", DJANGO_SETTINGS_MODULE=SETTINGS)
    oracle.until_started(1)
    key = engine.client.keys("meta")
    with Caller(oracle) as caller:
        caller.until_accepted(100)
        old = cluster.master_of(key)
        safe = caller.until_safe(engine, old, cluster.replicas_of(old))
        break_master(cluster, old)
        until(lambda: cluster.master_of(key) is not old, what="a new master")
        until(lambda: cluster.ready, what="the nodes agree")
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
