"""The Redis user of docs/how-to/secure-redis.md: it may all that the package does, and no more."""

import io
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from redis import Redis
from redis.exceptions import NoPermissionError, ResponseError

from django_jobqueue.checks import check_servers
from django_jobqueue.engine import Engine, get_engine, new_engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.handshake import adopt
from django_jobqueue.engine.inspector import Inspector
from django_jobqueue.engine.key_rotation import KeyRotation
from django_jobqueue.engine.locate import caller_timeouts
from django_jobqueue.engine.remote_control import Word
from django_jobqueue.engine.scripts import standard
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs.job import Job, new_id
from django_jobqueue.jobs.states import State
from django_jobqueue.management.commands.jobqueue import Command
from django_jobqueue.steering import workers
from embedded.server import EmbeddedServer
from tests.project import tasks
from tests.support import acl, payloads
from tests.support.flows import started
from tests.support.jobs import new_job
from tests.support.pages import JOBS, QUEUES, WORKERS, page_of
from tests.support.places import (
    DONE,
    FAILED,
    REAP,
    RELEASED,
    RETRIED,
    Make,
    claimed,
    finish,
    nothing,
)
from tests.support.processes import PATIENCE, WorkerProcess, free_port, lines, until
from tests.support.unique import NEWEST, store, stored

FOREIGN = "cache:1"  # a key of somebody else


class Guarded:
    """A server with the user of the page, and an administrator."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.url = f"unix://{acl.LOGIN}{server.socket}?db=1"
        self.admin = Redis(unix_socket_path=str(server.socket), db=1)
        acl.grant(self.admin)

    def refused(self) -> list[str]:
        """Return what the user wanted and may not do, since the last look."""
        log: Any = self.admin.acl_log()
        self.admin.acl_log_reset()
        # Redis 6.2 has one right for all of CLIENT, and no SETINFO: the library goes on without.
        return [
            f"{entry['reason']} {entry['object']}" for entry in log if entry["object"] != "client"
        ]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    config = {"appendonly": "no", "hz": "100"}
    with EmbeddedServer(tmp_path_factory.mktemp("guarded"), config=config) as server:
        yield Guarded(server)


@pytest.fixture
def user(engine: Engine, guarded: Guarded, settings: Any) -> Iterator[Engine]:
    """The default engine, logged in as the user; at the end nothing was refused."""
    default = settings.TASKS["default"]
    options = {**default["OPTIONS"], "URL": guarded.url}
    settings.TASKS = {"default": {**default, "OPTIONS": options}}
    guarded.admin.flushall()
    guarded.admin.script_flush()
    guarded.refused()
    mine = get_engine("default")
    mine.client.redis = acl.hands(mine.client.redis)
    vars(engine).update(vars(mine))  # the same object, for the fixtures
    yield engine
    assert guarded.refused() == []


def test_the_way_in(user: Engine, guarded: Guarded) -> None:
    """Log-in, choice of the database and INFO; the client is not an administrator's."""
    client = new_engine("default", caller_timeouts()).client
    client.redis = Redis(connection_pool=client.pool)
    client.attach()
    assert "redis_version" in client.redis.info("server")
    (name,) = {entry["user"] for entry in guarded.admin.client_list() if entry["user"] != "default"}
    assert name == acl.USER


def test_every_script_runs(user: Engine, guarded: Guarded, make_job: Make, slot: Slot) -> None:
    """Each is one of those that the server has got to know."""
    user.client.check_rights()
    run_writers(user, make_job, slot)
    look_after(user, make_job, slot)
    edit_and_flow(user, make_job)
    fire_and_refresh(user)
    adopt(user.client.run, user.client.options)
    scripts = standard().all
    known = guarded.admin.script_exists(*(script.sha for script in scripts.values()))
    assert dict(zip(scripts, known, strict=True)) == dict.fromkeys(scripts, True)


def run_writers(user: Engine, make_job: Make, slot: Slot) -> None:
    """Take jobs through all states, and one through more runs than are kept."""
    for end in (DONE._replace(value=b"1"), FAILED, RELEASED, RETRIED):
        make_job(priority=5)
        job = claimed(user, slot)
        user.jobs.progress(job.id, job.fence, 1, 2, "half")
        user.jobs.log(job.id, job.fence, "half of it")
        user.leases.renew(slot.worker, {"pid": 1})
        assert user.remote_control.tell(slot.worker, Word.QUIET)
        assert finish(user, slot, job, end) == "ok"
        user.jobs.cancel(job.id)
        user.jobs.requeue(job.id)
        user.jobs.delete(job.id)
    often = make_job()
    for _ in range(25):
        assert finish(user, slot, claimed(user, slot), RELEASED) == "ok"
    for number in range(110):
        job = claimed(user, slot) if not number else job
        user.jobs.log(often, job.fence, f"line {number}")
    user.jobs.cancel(often)
    user.leases.take_renewal_request(slot.worker)
    user.leases.held(slot.worker, slot.name)
    finish(user, slot, job, FAILED)
    nothing(user, slot)


def look_after(user: Engine, make_job: Make, slot: Slot) -> None:
    """Do what maintenance and supervisors do."""
    user.queues.pause("mail")
    user.queues.resume("mail")
    make_job(due=timedelta(milliseconds=1))
    make_job(queue="mail", due=timedelta(hours=1))
    until(lambda: user.queues.promote())
    claimed(user, slot)
    user.leases.release_slot(slot, lost=True, reason="killed_9")
    lost = claimed(user, slot)
    assert user.inspector.job(lost.id).state is State.RUNNING
    assert user.queues.names() == ["default", "mail"]
    client, keys = user.client.redis, user.client.keys
    client.zadd(keys("leases", "default"), {lost.id: 1})
    assert user.queues.reap(**REAP).states
    client.zadd(keys("cancelled", "default"), {make_job(queue="old"): 1})
    user.queues.trim()
    for number in range(201):
        user.queues.pause(f"many-{number}")
    user.queues.sum(10_000)
    user.jobs.cancel(make_job(queue="old"))
    make_job(queue="old", tags=("t",))
    user.tags.cancel("t")
    stored(user, NEWEST)
    call = store(user, NEWEST, told="told")
    assert call.duplicate is not None
    assert user.locks.replace(call, call.duplicate.id, call.duplicate.number, b"payload")
    user.queues.reap(**REAP)
    assert user.queues.has_ended()
    assert user.queues.pop_ended(10)
    keep_ledger(user, make_job)
    user.leases.forget(slot.worker)
    resigned = make_job(queue="old")
    for each in (resigned, make_job(queue="old", data=100 * b"x")):
        head = payloads.read(user, each)[:9]
        KeyRotation(user.client).re_sign([(each, head, head)])


def edit_and_flow(user: Engine, make_job: Make) -> None:
    """Change jobs, limit them, and let them wait for each other."""
    job_id = make_job(queue="edited")
    user.edits.edit(job_id, payloads.read(user, job_id), b"1.x.{}")
    assert user.edits.prioritize(job_id, 7) is None
    assert user.edits.move(job_id, "moved") is None
    user.leases.renew("worker-2", {"pid": 1})
    assert user.remote_control.tell("worker-2", Word.STACKS)
    user.limits.set_limits({"a.b": "1w"})
    user.limits.admit()
    workflow, jobs = started(user, [(0, 1), (1, 0)])
    job = claimed(user, Slot("worker-8", "0.0"))
    while job.id != jobs[0].id:
        job = claimed(user, Slot("worker-8", "0.0"))
    more = new_job(new_id(), flow=f"{workflow} 1.1 1")
    assert user.workflows.add_members(workflow, job, [more], group=1, feeds=1, most=9) == "ok"
    user.workflows.advance()
    assert user.workflows.cancel(workflow)


def keep_ledger(user: Engine, make_job: Make) -> None:
    """Do what the ledger of durable jobs asks of Redis."""
    durable = make_job(queue="old", round=1)
    user.jobs.cancel(durable)
    user.jobs.delete(make_job(queue="old", round=1))
    user.unsettled.mark_durable()
    assert user.unsettled.look() == (True, True)
    assert user.unsettled.held([durable])
    assert user.unsettled.value(durable) is None
    user.unsettled.settle(durable, 1, State.SUCCEEDED, "", "1")
    user.jobs.requeue(durable, round=2)
    user.unsettled.drop(user.unsettled.read(0, 10))
    assert user.unsettled.count() == 0


def fire_and_refresh(user: Engine) -> None:
    """Do what schedulers do, and who reads latest values."""

    def new() -> Job:
        return new_job(new_id(), "default", "a.b", b"payload", schedule="a")

    schedules, values = user.schedules, user.cached_results
    since = schedules.register("s1", {"a": "rule"}).now
    replies = [schedules.fire("a", "rule", since + n, new(), overlap="skip").reply for n in (1, 2)]
    assert replies == ["fired", "overlap"]
    assert schedules.record_missed("a", "rule", since=since + 2, nominal=since + 9, count=3)
    assert schedules.run_now("a", new())
    assert user.inspector.schedules.stats(["a"])["a"].missed == 3
    assert user.inspector.schedules.seen_at() == since
    assert schedules.forget("a") == 1
    assert values.refresh("d", new(), seen="", keep=60)
    assert values.latest("d").is_refreshing


def test_everything_can_be_read(user: Engine, make_job: Make, slot: Slot) -> None:
    """All methods of the inspector, with jobs in several states."""
    job_id = make_job()
    user.leases.renew(slot.worker, {"pid": 1})
    assert user.remote_control.tell(slot.worker, Word.STACKS)
    user.leases.store_stacks(slot.worker, "{}")
    assert user.remote_control.stacks(slot.worker) == {}
    finish(user, slot, claimed(user, slot), FAILED)
    queued = make_job(queue="mail")
    inspector = user.inspector
    read: dict[str, Callable[[], object]] = {
        "job": lambda: inspector.job(job_id).id == job_id,
        "queues": lambda: inspector.queues() == ["default", "mail"],
        "count_queues": lambda: inspector.count_queues("m") == 1,
        "known_queues": lambda: inspector.known_queues(["mail", "none"]) == ["mail"],
        "busy_queues": lambda: inspector.busy_queues() == ["default", "mail"],
        "sums": lambda: inspector.sums() is None,
        "queue_stats": lambda: inspector.queue_stats()[1].oldest_at,
        "queue_counts": lambda: inspector.queue_counts(["mail"])["mail"][State.QUEUED] == 1,
        "count": lambda: inspector.count(State.QUEUED),
        "page": lambda: (
            inspector.page(State.FAILED, 0, 9, newest_first=True)
            and inspector.page(State.FAILED, 0, 9, queues=["default"], newest_first=True)
            and inspector.page(State.FAILED, 0, 9, queues=["default"], newest_first=False)
        ),
        "failed_of": lambda: inspector.failed_of(["tests.project.tasks.noop"], 0, 9),
        "count_failed_of": lambda: inspector.count_failed_of(["tests.project.tasks.noop"]),
        "failed_tasks": lambda: inspector.failed_tasks() == ["tests.project.tasks.noop"],
        "count_failed_tasks": lambda: inspector.count_failed_tasks() == 1,
        "ids": lambda: inspector.ids([user.client.keys("queued", "mail")], 0, 9, True) == [queued],
        "jobs": lambda: len(inspector.jobs([job_id, queued, new_id()])) == 2,
        "glance": lambda: inspector.glance(queued, "mail")[1] == 0,
        "workers": lambda: inspector.workers()[0].id == slot.worker,
        "totals": lambda: inspector.totals() == {},
        "minute": lambda: inspector.minute(1) == {},
        "hour": lambda: inspector.hour(1) == {},
    }
    assert set(read) == {name for name in dir(Inspector) if not name.startswith("_")}
    assert {name: bool(look()) for name, look in read.items()} == dict.fromkeys(read, True)


def test_admin(user: Engine, make_job: Make, admin_client: Client) -> None:
    """Lists, pages and actions."""
    job_id = make_job()
    for url in (JOBS, QUEUES, WORKERS, f"{JOBS}?state=queued", f"{JOBS}?q={job_id}"):
        assert admin_client.get(url).status_code == 200
    assert admin_client.get(page_of("job", job_id)).status_code == 200
    for action, url, chosen in (
        ("pause_selected", QUEUES, "default"),
        ("resume_selected", QUEUES, "default"),
        ("cancel_selected", JOBS, job_id),
        ("requeue_selected", JOBS, job_id),
    ):
        data = {"action": action, "_selected_action": chosen, "index": 0}
        assert admin_client.post(url, data, follow=True).status_code == 200
    assert user.inspector.job(job_id).state is State.QUEUED
    admin_client.post(page_of("job", job_id, "delete"), {"post": "yes"})
    assert user.inspector.count(State.QUEUED) == 0


def test_worker(
    user: Engine, guarded: Guarded, worker_process: Callable[..., WorkerProcess], tmp_path: Path
) -> None:
    """It runs, retries, reports, is told to end a job, sleeps, wakes and stops."""
    oracle, gate = tmp_path / "oracle", tmp_path / "gate"
    worker = worker_process("--processes", "2", TEST_REDIS_URL=guarded.url, TEST_LEASE="1")
    worker.until_ready(2)
    until(user.inspector.workers)
    assert tasks.add.enqueue(1, 2).wait(PATIENCE) == 3
    assert tasks.with_progress.enqueue(5).wait(PATIENCE) == 5
    assert tasks.fail_twice.enqueue(str(tmp_path / "twice")).wait(PATIENCE) == "done"
    delayed = tasks.add.using(run_after=timedelta(seconds=0.5)).enqueue(1, 1)
    held = tasks.hold.enqueue(str(oracle), str(gate), 60.0)
    until(lambda: lines(oracle), what=worker.output())
    held.cancel()
    assert delayed.wait(PATIENCE) == 2
    gate.touch()
    until(lambda: user.inspector.job(held.id).state.is_final)
    assert worker.stop() == 0
    assert "Trying again" not in worker.output()


@pytest.mark.parametrize("command", ["jobworker", "jobscheduler"])
def test_without_a_right_nothing_starts(
    guarded: Guarded, request: pytest.FixtureRequest, command: str
) -> None:
    """The message names the command, before the first process starts or the first look."""
    start = request.getfixturevalue(command.removeprefix("job") + "_process")
    guarded.admin.execute_command("ACL", "SETUSER", "less", *acl.RULES, "-zpopmin")
    worker = start(TEST_REDIS_URL=guarded.url.replace(acl.USER, "less"))
    assert worker.wait() == 1
    assert "may not run ZPOPMIN at" in worker.output()
    assert "Traceback" not in worker.output()
    guarded.admin.execute_command("ACL", "DELUSER", "less")
    guarded.refused()


@pytest.mark.django_db
def test_commands(
    user: Engine, make_job: Make, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each action of `manage.py jobqueue`, and the checks."""
    job_id = make_job()
    output = io.StringIO()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "of tomorrow", [settings.SECRET_KEY]
    arguments: dict[str, list[str]] = {
        "adopt": ["--noinput"],
        "re-sign": [],
        "status": [],
        "queues": [],
        "workers": [],
        "quiet": ["worker-1", "--yes"],
        "stop": ["worker-1", "--yes"],
        "stacks": ["worker-1"],
        "list": [],
        "show": [job_id],
        "explain": [job_id],
        "pause": ["default"],
        "resume": ["default"],
        "tasks": [],
        "schedules": [],
        "run": ["tests.project.tasks.noop"],
        "move": [job_id, "--to", "mail"],
        "run-now": ["--queue", "mail", "--all", "--yes"],
        "empty": ["other", "--yes"],
        "cancel": [job_id],
        "requeue": [job_id],
        "failures": [],
        "delete": [job_id, "--yes"],
        "reconcile": [],
    }
    (actions,) = (
        action.choices
        for action in Command().create_parser("manage.py", "jobqueue")._actions
        if action.dest == "action"
    )
    assert set(actions or ()) == set(arguments)
    user.leases.renew("worker-1", {"pid": 1})
    monkeypatch.setattr(workers, "ANSWER_WITHIN", 0.0)
    with pytest.raises(CommandError, match="has not answered"):
        call_command("jobqueue", "stacks", *arguments.pop("stacks"), stdout=output)
    for action, more in arguments.items():
        call_command("jobqueue", action, *more, stdout=output)
    assert {message.id for message in check_servers()} <= {"jobqueue.W009"}  # in the test's URL
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = settings.SECRET_KEY_FALLBACKS[0], []
    call_command("jobqueue", "adopt", "--noinput", stdout=output)


def test_node_of_a_cluster(tmp_path: Path, settings: Any) -> None:
    """With the line for clusters, and only with it, the owner of the keys is found."""
    port = free_port()
    config = {"port": str(port), "bind": "127.0.0.1", "appendonly": "no", "cluster-enabled": "yes"}
    url = f"redis://{acl.LOGIN}127.0.0.1:{port}"
    settings.TASKS = {
        "default": {
            "BACKEND": "django_jobqueue.backend.JobQueueBackend",
            "OPTIONS": {"URL": url, "CLUSTER": True, "STORE_IN_TESTS": True},
        }
    }
    with EmbeddedServer(tmp_path, config=config) as server:
        admin = Redis(unix_socket_path=str(server.socket))
        admin.execute_command("CLUSTER", "ADDSLOTS", *range(16_384))
        until(lambda: b"cluster_state:ok" in raw(admin, "CLUSTER", "INFO"))
        acl.grant(admin)
        with pytest.raises(QueueUnavailable, match="ACL"):
            get_engine("default").queues.names()
        acl.grant(admin, cluster=True)
        assert get_engine("default").queues.names() == ["default"]


def raw(client: Redis, *words: str) -> bytes:
    pool = client.connection_pool
    connection: Any = pool.connection_class(**pool.connection_kwargs)
    connection.send_command(*words)
    reply: bytes = connection.read_response()
    connection.disconnect()
    return reply


@pytest.fixture
def stranger(guarded: Guarded) -> Iterator[Redis]:
    """Somebody who stole the user's password, next to another's data."""
    guarded.admin.flushall()
    guarded.admin.set(FOREIGN, "theirs")
    client = Redis.from_url(guarded.url)
    yield client
    client.close()
    assert guarded.admin.get(FOREIGN) == b"theirs"


# Not needed, and worth something to a thief.
NEEDLESS = [
    "FLUSHALL",
    "FLUSHDB",
    "KEYS *",
    "SCAN 0",
    "RANDOMKEY",
    "CONFIG GET *",
    "CONFIG SET dir /tmp",
    "SCRIPT FLUSH",
    "SCRIPT KILL",
    "FUNCTION LIST",
    "DEBUG SLEEP 0",
    "MODULE LIST",
    "MODULE LOAD /tmp/x.so",
    "ACL LIST",
    "CLIENT LIST",
    "CLIENT KILL ID 1",
    "CLIENT TRACKING ON BCAST",
    "MONITOR",
    "SHUTDOWN NOSAVE",
    "REPLICAOF 127.0.0.1 1",
    "MIGRATE 127.0.0.1 1 djq:x 0 1",
    "RESTORE djq:x 0 x",
    "DUMP djq:x",
    "RENAME djq:x djq:y",
    "COPY djq:x djq:y",
    "MOVE djq:x 2",
    "SWAPDB 0 1",
    "SORT djq:x",
    "SAVE",
    "PUBLISH djq x",
    "SUBSCRIBE djq",
    "XADD djq:x * a b",
    "MULTI",
    "WAIT 1 0",
]
FOREIGN_CALLS = [
    f"GET {FOREIGN}",
    f"SET {FOREIGN} ours",
    f"DEL {FOREIGN}",
    f"UNLINK {FOREIGN}",
    f"TYPE {FOREIGN}",
    f"EXPIRE {FOREIGN} 1",
    f"HGETALL {FOREIGN}",
    f"RPUSH {FOREIGN} ours",
    f"BLPOP {FOREIGN} 0.01",
    f"ZADD {FOREIGN} 1 ours",
]


@pytest.mark.parametrize("line", [*NEEDLESS, *FOREIGN_CALLS])
def test_the_rest_is_refused(stranger: Redis, line: str) -> None:
    """What the package does not need, and what is not its own."""
    with pytest.raises(ResponseError) as caught:
        stranger.execute_command(*line.split())
    if not unknown(caught.value):
        assert re.search("permission|not allowed", str(caught.value)), caught.value


@pytest.mark.parametrize("line", [*NEEDLESS, *FOREIGN_CALLS])
def test_the_rest_is_refused_inside_a_script(stranger: Redis, line: str) -> None:
    """EVAL is no way around it."""
    with pytest.raises(ResponseError) as caught:
        stranger.eval("return redis.call(unpack(ARGV))", 0, *line.split())
    if not unknown(caught.value):
        text = "ACL failure in script|user executing the script can't|not allowed from script"
        assert re.search(text, str(caught.value)), caught.value


def test_keys_of_a_script_are_looked_at(stranger: Redis) -> None:
    """Also those that it is only given."""
    with pytest.raises(NoPermissionError):
        stranger.eval("return 1", 1, FOREIGN)


def unknown(error: ResponseError) -> bool:
    """Tell whether the server has no such command at all."""
    return "nknown" in str(error)
