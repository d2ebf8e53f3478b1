"""Real schedulers: each time once, whatever becomes of them, of Redis and of the database."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections

from django_jobqueue.engine import Engine
from django_jobqueue.models import Schedule
from tests.support.processes import PATIENCE, PROMPT, WorkerProcess, alive, children, until
from tests.support.proxy import FaultProxy
from tests.support.servers import TcpServer

Start = Callable[..., WorkerProcess]
SECONDS = int(os.environ.get("TEST_SCHEDULERS", "9"))  # 60 for a minute of it


@pytest.fixture
def ledger(
    tmp_path: Path, django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """A database in a file, for this test and for schedulers: its schedules."""
    path = tmp_path / "ledger.sqlite3"
    monkeypatch.setenv("TEST_DATABASE", str(path))
    connections.settings["ledger"] = connections.settings["default"] | {"NAME": str(path)}
    with django_db_blocker.unblock():
        call_command("migrate", "django_jobqueue", database="ledger", verbosity=0)
        yield Schedule.objects.using("ledger")
        connections["ledger"].close()
    del connections["ledger"], connections.settings["ledger"]


def enter(ledger: Any, name: str, **given: Any) -> Schedule:
    """Enter a schedule of every second."""
    times = {} if "cron" in given else {"every_seconds": 1}
    fields = {"name": name, "task": "tests.project.tasks.noop", "catch_up": "all"} | times
    row = Schedule(**fields | given)
    row.save(using="ledger")
    return row


def fired(engine: Engine, name: str) -> list[int]:
    """Return the times (ms) for which jobs of a schedule stand in Redis, sorted."""
    client: Any = engine.client.redis
    keys = engine.client.keys
    found: list[int] = []
    for state in ("queued", "succeeded"):
        for job_id in client.zrange(keys(state, "default"), 0, -1):
            schedule, nominal = client.hmget(keys("job", job_id.decode()), "schedule", "nominal")
            if schedule == name.encode():
                found.append(int(nominal))
    return sorted(found)


def until_fired(engine: Engine, name: str, more: int = 1) -> None:
    """Wait until a schedule has been fired so many times from now on."""
    before = len(fired(engine, name))
    until(lambda: len(fired(engine, name)) >= before + more, PATIENCE + more, f"{name} is fired")


def assert_each_second(times: list[int]) -> None:
    """Each second between the first and the last has one fire."""
    assert Counter(times) == Counter(range(times[0], times[-1] + 1, 1000))


@pytest.mark.timeout(120 + 2 * SECONDS)
def test_each_second_once(
    scheduler_process: Start, engine: Engine, ledger: Any, proxy: FaultProxy
) -> None:
    """Three schedulers; one is killed, one sleeps and goes on, one has a bad network."""
    for name in ("a", "b"):
        enter(ledger, name)
    killed, sleeper = scheduler_process(), scheduler_process()
    scheduler_process(TEST_REDIS_URL=proxy.url)
    for name in ("a", "b"):
        until_fired(engine, name)
    until(lambda: engine.client.redis.zcard(engine.client.keys("schedulers")) == 3)
    proxy.drop_replies(10**9, b"EVALSHA", every=7)

    until_fired(engine, "a", SECONDS // 3)
    killed.signal(signal.SIGKILL)
    sleeper.signal(signal.SIGSTOP)
    until_fired(engine, "a", SECONDS // 3)
    sleeper.signal(signal.SIGCONT)
    proxy.reset()
    until_fired(engine, "a", SECONDS // 3)
    scheduler_process()
    until_fired(engine, "b", 2)

    for name in ("a", "b"):
        times = fired(engine, name)
        assert_each_second(times)
        assert len(times) >= SECONDS
        assert time.time() * 1000 - times[-1] < PROMPT * 1000
    stats = engine.inspector.schedules.stats(["a", "b"])
    assert {name: found.missed for name, found in stats.items()} == {"a": 0, "b": 0}


def test_changes_in_the_database_are_followed(
    scheduler_process: Start, engine: Engine, ledger: Any
) -> None:
    """Disabled, deleted and renamed schedules stop; a broken one beside them stops nobody."""
    disabled, deleted, renamed = (enter(ledger, name) for name in ("one", "two", "three"))
    enter(ledger, "other")
    enter(ledger, "broken", task="tests.project.tasks.gone")
    enter(ledger, "garbled", cron="61 * * * *")
    worker = scheduler_process()
    for name in ("one", "two", "three", "other"):
        until_fired(engine, name)

    disabled.enabled = False
    disabled.save(using="ledger")
    deleted.delete(using="ledger")
    renamed.name = "four"
    renamed.save(using="ledger")
    until_fired(engine, "four")
    before = [fired(engine, name) for name in ("one", "two", "three")]
    until_fired(engine, "four", 2)

    assert [fired(engine, name) for name in ("one", "two", "three")] == before
    assert fired(engine, "four")[0] > before[2][-1]
    assert_each_second(fired(engine, "other"))
    assert worker.output().count("Schedule broken is not fired: There is no task") == 1
    assert worker.output().count("Schedule garbled is not fired: cron='61 * * * *'") == 1
    enabled_at = time.time() * 1000
    disabled.enabled = True
    disabled.save(using="ledger")
    until_fired(engine, "one")
    assert fired(engine, "one")[len(before[0])] > enabled_at


def test_database_without_the_table(scheduler_process: Start, engine: Engine) -> None:
    """The scheduler was started before the first migration: it says what to do."""
    worker = scheduler_process(TEST_DATABASES='{"ledger": {}}')
    until(lambda: "Run `manage.py migrate` first." in worker.output())


def test_database_that_is_away(
    scheduler_process: Start, engine: Engine, ledger: Any, tmp_path: Path
) -> None:
    """What was known is fired on; it is told once, and what was entered since is read later."""
    enter(ledger, "old")
    worker = scheduler_process()
    until_fired(engine, "old")
    connections["ledger"].close()
    path = tmp_path / "ledger.sqlite3"
    path.rename(tmp_path / "away")
    until(lambda: "can't be read from the database" in worker.output())
    until_fired(engine, "old", 6)  # and it was read in vain once more
    path.unlink(missing_ok=True)  # SQLite has made an empty one
    (tmp_path / "away").rename(path)
    enter(ledger, "new")
    until_fired(engine, "new")
    assert worker.output().count("can't be read from the database") == 1
    assert worker.output().count("are read from the database again") == 1
    assert_each_second(fired(engine, "old"))


def test_emptied_server_fires_nothing_by_itself(
    scheduler_process: Start, engine: Engine, ledger: Any
) -> None:
    """Its schedules begin anew: what was due before is not fired, not even to catch up."""
    enter(ledger, "seconds")
    enter(ledger, "minutes", cron="* * * * *", catch_up="last")
    scheduler_process()
    scheduler_process()
    until_fired(engine, "seconds", 2)
    seconds, micros = engine.client.redis.time()
    engine.client.redis.flushall()
    until_fired(engine, "seconds", 3)
    times = fired(engine, "seconds")
    assert times[0] > seconds * 1000 + micros // 1000
    assert_each_second(times)


def test_scheduler_waits_for_redis(
    scheduler_process: Start, engine: Engine, ledger: Any, server: TcpServer, tmp_path: Path
) -> None:
    """It goes on where it was when Redis is back; and it ends at once although Redis is away."""
    enter(ledger, "a")
    file = tmp_path / "health"
    worker = scheduler_process("--health-file", str(file))
    until_fired(engine, "a", 2)
    assert file.exists()
    server.stop()
    until(lambda: "Nothing is fired; trying again." in worker.output())
    server.start()
    until(lambda: "Redis answers again." in worker.output())
    until_fired(engine, "a", 2)
    server.stop()
    until(lambda: worker.output().count("Nothing is fired; trying again.") == 2)

    began = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began < PROMPT
    assert not file.exists()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_scheduler_stops_at_once(
    scheduler_process: Start, engine: Engine, ledger: Any, proxy: FaultProxy, signum: int
) -> None:
    """While it sleeps, and while it waits for a reply that does not come."""
    enter(ledger, "a")
    sleeper = scheduler_process()
    waiter = scheduler_process(TEST_REDIS_URL=proxy.url)
    until(lambda: engine.client.redis.zcard(engine.client.keys("schedulers")) == 2)
    proxy.black_hole()
    until_fired(engine, "a", 2)
    for worker in (sleeper, waiter):
        began = time.monotonic()
        worker.signal(signum)
        assert worker.wait() == 0, worker.output()
        assert time.monotonic() - began < PROMPT


def test_worker_with_a_scheduler(worker_process: Start, engine: Engine, ledger: Any) -> None:
    """It fires in a process of its own, which is replaced when it dies and ends with the worker."""
    enter(ledger, "a")
    worker = worker_process("--processes", "1", "--scheduler").until_ready(2)
    until_fired(engine, "a", 2)
    scheduler = scheduler_of(worker)
    os.kill(scheduler, signal.SIGKILL)
    until(lambda: scheduler_of(worker) not in (0, scheduler), what="another one")
    until_fired(engine, "a", 2)
    assert_each_second(fired(engine, "a"))
    assert "Process jobscheduler" in worker.output()
    assert worker.stop() == 0
    assert not alive(scheduler)


def test_scheduler_dies_with_its_worker(worker_process: Start, engine: Engine, ledger: Any) -> None:
    """Nobody is left to fire when the supervisor was killed."""
    enter(ledger, "a")
    worker = worker_process("--processes", "1", "--scheduler").until_ready(2)
    until_fired(engine, "a")
    pids = children(worker.pid)
    worker.signal(signal.SIGKILL)
    worker.process.wait()
    until(lambda: not any(alive(pid) for pid in pids), what="no process is left")


def scheduler_of(worker: WorkerProcess) -> int:
    """Return the pid of the worker's scheduler: the one that runs none of its slots; 0: none."""
    told = [line for line in worker.output().splitlines() if "Fires schedules" in line]
    pids = [int(line.rpartition("pid=")[2]) for line in told]
    return pids[-1] if pids and alive(pids[-1]) else 0


def test_burst_and_scheduler_exclude_each_other(worker_process: Start) -> None:
    """One ends when nothing is left, the other never."""
    worker = worker_process("--burst", "--scheduler")
    assert worker.wait() == 1
    assert "--burst ends when no job is left, --scheduler never: use one." in worker.output()
