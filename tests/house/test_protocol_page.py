"""docs/reference/protocol.md is the protocol: what the server holds is what the page says."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.keys import KINDS, SCHEMA
from django_jobqueue.engine.scripts import SHARED
from django_jobqueue.jobs import payload
from django_jobqueue.jobs.job import Job, new_id
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.signing import Signer
from django_jobqueue.jobs.states import Outcome
from tests.support import flows
from tests.support.docs import ROOT, blocks, table_rows
from tests.support.jobs import new_job
from tests.support.places import DONE, FAILED
from tests.support.unique import KEY, NEWEST, store

PAGE = ROOT / "docs" / "reference" / "protocol.md"
TEXT = PAGE.read_text(encoding="utf-8")
# What a command of redis-cli can be asked of.
READS = {
    "ZCARD": "ZSET",
    "ZRANGE": "ZSET",
    "HGETALL": "HASH",
    "GET": "STRING",
    "LRANGE": "LIST",
}


def workflow(engine: Engine) -> None:
    """Store a workflow of which one member has succeeded and one has failed, and its stacks."""
    shape, slot = [(0, 1), (0, 1), (1, 0)], Slot("w5", "0.0")
    jobs = flows.members(new_id(), shape, queue="flow")
    name = jobs[0].flow.partition(" ")[0]
    engine.workflows.stage(name, jobs, total=3, steps=flows.steps(shape))
    engine.workflows.seal(name)
    for result in (DONE._replace(signed=b"1.x"), FAILED):
        job = engine.claims.claim(slot, ["flow"])
        assert isinstance(job, Job)
        (more,) = flows.members(name, [(0, 1)], queue="later")
        more.flow = f"{name} {job.flow.split()[1]}.1 1"
        engine.workflows.add_members(name, job, [more], group=1, feeds=1, most=9)
        engine.claims.finish(slot, job, result, [])
    engine.leases.store_stacks(slot.worker, "{}")
    started, _ = flows.stage(engine, shape)
    engine.client.redis.zadd(engine.client.keys("workflow-notes"), {f"end {started} 1 1 x": 1})


@pytest.fixture
def lived(engine: Engine, make_job: Callable[..., str], slot: Slot) -> Engine:
    """A store in which jobs have been in every state that there is a way to."""
    workers, queues = engine.claims, ["default"]
    for outcome in ("retried", "released", "failed", "succeeded", "cancelled"):
        make_job(priority=7, max_attempts=5, max_recoveries=3)
        job = workers.claim(slot, queues)
        assert isinstance(job, Job)
        engine.jobs.progress(job.id, job.fence, 1, 2, "half")
        engine.jobs.log(job.id, job.fence, "half of it")
        delay = 60_000 if outcome in {"retried", "released"} else 0
        settled = RunResult(
            Outcome(outcome),
            value=b"1",
            reason="why",
            exception="a.B",
            traceback="line",
            delay_ms=delay,
            cache="d 3600",
            keep_ms=60_000,
        )
        workers.finish(slot, job, settled, [])
    make_job()
    workers.claim(slot, queues)
    engine.leases.release_slot(slot, lost=True, reason="killed_9")
    running = workers.claim(slot, queues)
    assert isinstance(running, Job)
    engine.jobs.cancel(running.id)
    engine.leases.renew(slot.worker, {"host": "h", "pid": 1})
    nominal = engine.schedules.register("s1", {"nightly": "rule"}).now + 1
    fired = new_job(new_id(), "default", "a.b", b"payload", schedule="nightly", nominal_at=nominal)
    engine.schedules.fire("nightly", "rule", nominal, fired, overlap="allow")
    engine.jobs.requeue(make_job(due=timedelta(hours=1)))
    make_job(queue="mail", data=99 * b"x", fair="t")
    lost_twice = make_job(queue="twice")
    for _ in range(2):
        assert isinstance(workers.claim(Slot("w2", "0.0"), ["twice"]), Job)
        engine.leases.release_slot(Slot("w2", "0.0"), lost=True, reason="killed_9")
    assert isinstance(workers.claim(Slot("w2", "0.0"), ["twice"]), Job)
    assert engine.inspector.job(lost_twice).recoveries == 2
    engine.limits.set_limits({"a.b": "1w"})
    for _ in range(2):
        make_job("a.b", "keyed", limits=("1w:k", "2o:z"))
    workers.claim(Slot("w3", "0.0"), ["keyed"])
    make_job("a.c", "keyed", limits=("1w:k",))
    workers.claim(Slot("w3", "1.0"), ["keyed"])
    for _ in range(2):
        make_job("a.d", "rated", limits=("1r60000.1:api",))
        workers.claim(Slot("w4", "0.0"), ["rated"])
    workflow(engine)
    engine.queues.pause("default")
    engine.jobs.cancel(make_job(due=timedelta(hours=1), expires="+7200000", tags=("t",)))
    engine.jobs.cancel(make_job(due=timedelta(hours=1), round=1))
    newest = make_job(queue="mail", unique=f"{KEY} {NEWEST}")
    engine.locks.replace(store(engine, NEWEST, told="told"), newest, 1, b"payload")
    return engine


def test_job_fields(lived: Engine) -> None:
    """The table has exactly the fields that jobs get."""
    keys = lived.client.keys
    client: Any = lived.client.redis
    found = {name for key in client.keys(f"{keys('job')}:*") for name in client.hkeys(key)}
    assert {name.decode() for name in found} == set(dict(table_rows(PAGE, "field")))


def test_types_of_keys(lived: Engine) -> None:
    """Each key is of a kind in the table, has its type, and a TTL only if the table says so."""
    prefix = lived.client.keys.prefix
    client: Any = lived.client.redis
    seen = set()
    for key in client.keys("*"):
        name = key.decode()
        assert name.startswith(prefix)
        kind = name.removeprefix(prefix).partition(":")[0]
        assert client.type(key).decode().upper() == KINDS[kind].type, name
        assert (client.ttl(key) > 0) == ("TTL" in KINDS[kind].until), name
        seen.add(kind)
    # No hour has a minute that has ended, and few queues are not summed.
    assert set(KINDS) - seen <= {"hour", "sums"}, "the fixture does not reach these kinds"


def test_records_of_runs(lived: Engine) -> None:
    """A record is seven words, with an outcome of the table, then the traceback."""
    outcomes = set(re.findall(r"`(\w+)`", _section("### Attempts").partition("| outcome |")[2]))
    keys = lived.client.keys
    client: Any = lived.client.redis
    seen = set()
    for key in client.keys(f"{keys('attempts')}:*"):
        for record in client.lrange(key, 0, -1):
            words = record.decode().partition("\n")[0].split(" ")
            assert len(words) == 7
            seen.add(words[5])
    assert seen == outcomes - {"requeued"}
    for job_id in client.zrange(keys("failed", "default"), 0, -1):
        lived.jobs.requeue(job_id.decode())
        record = client.lrange(keys("attempts", job_id.decode()), -1, -1)[0]
        assert record.decode().split(" ")[5] == "requeued"


def test_signature_example() -> None:
    """The example follows from the page's own words, and from the code."""
    rows = dict(re.findall(r"^\| ([\w ]+) \| `(.*)` \|$", _section("### Payload"), re.M))
    key = hashlib.sha256(b"django_jobqueue.payload:" + rows["secret"].encode()).digest()
    words = ["1", rows["id"], rows["task"], rows["JSON"]]
    digest = hmac.digest(key, "\x1f".join(words).encode(), "sha256")
    signature = base64.b64encode(digest).decode()[:22]
    assert rows["payload"] == f"1.{signature}.{rows['JSON']}"
    assert rows["owner tag"] == hmac.digest(key, b"django_jobqueue.owner", "sha256")[:8].hex()
    signer = Signer([rows["secret"]])
    assert signer.sign(rows["id"], rows["task"], rows["JSON"].encode()).decode() == rows["payload"]
    assert signer.owners() == [rows["owner tag"]]


def test_digest_example() -> None:
    """The example of a latest value follows from the page's own words, and from the code."""
    rows = dict(re.findall(r"^\| (\w+) \| `(.*)` \|$", _section("## Cached values"), re.M))
    data = f"{rows['task']}\x1f{rows['arguments']}".encode()
    assert rows["digest"] == hashlib.sha256(data).hexdigest()
    arguments = json.loads(rows["arguments"])
    assert payload.digest(rows["task"], dict(reversed(arguments.items()))) == rows["digest"]


def test_numbers_and_strings_of_the_digest() -> None:
    """Each form that the page shows is the one that is taken."""
    section = _section("## Cached values")
    for number in (1.0, 0.0001, 0.00001, 1.5e16):
        assert f"`{payload._sorted(number)}`" in section
    escaped = re.findall(r"`(\\[^u`])`", section)
    assert len(escaped) == 7
    assert payload._sorted('"\\\b\f\n\r\t') == f'"{"".join(escaped)}"'
    assert payload._sorted("\x1f\x7fé\u2028") == '"\\u001f\x7fé\u2028"'


def test_latest_values_have_their_fields(lived: Engine) -> None:
    """The table has exactly what stands there."""
    client: Any = lived.client.redis
    found = {name.decode() for name in client.hkeys(lived.client.keys("cached", "d"))}
    assert found == set(dict(table_rows(PAGE, "name")))


def test_schema_is_the_present_one() -> None:
    assert f"The schema described here is **{SCHEMA}**" in TEXT


def test_redis_cli_commands(lived: Engine) -> None:
    """Each suits the type of the key that it names, and runs."""
    client: Any = lived.client.redis
    (block,) = (block for block in blocks(PAGE) if block.mark == "redis")
    assert len(block.commands) > 5
    for line in block.commands:
        match = re.fullmatch(
            r"redis-cli -n 1 (\w+) '(djq:\{default\}:([a-z-]+)(?::[^']+)?)'(.*)", line
        )
        assert match, line
        command, key, kind, rest = match.groups()
        assert READS[command] == KINDS[kind].type, line
        client.execute_command(command, key, *rest.split())


def _section(heading: str) -> str:
    """Return what stands between a heading and the next one."""
    return re.split(r"^#+ ", TEXT.partition(f"\n{heading}\n")[2], maxsplit=1, flags=re.M)[0]


def test_page_names_the_shared_files_in_their_order() -> None:
    """Who sends a script puts the functions before it that it needs."""
    (item,) = re.findall(r"^1\. from `lua/shared/`.*?^2\. ", TEXT, re.DOTALL | re.MULTILINE)
    assert tuple(re.findall(r"`([\w/]+)`", item)[1:]) == SHARED
