"""Where everything stands: what a test compares after each transition."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import NoJob, Slot
from django_jobqueue.engine.keys import INDEXES, JOB_PARTS, Keys
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome
from tests.support.acl import many

Make = Callable[..., str]
Places = dict[str, dict[str, list[str]]]

DONE = RunResult(Outcome.SUCCEEDED)
FAILED = RunResult(Outcome.FAILED, reason="exception", exception="builtins.ValueError")
RELEASED = RunResult(Outcome.RELEASED)
HELD = RunResult(Outcome.RELEASED, reason="unknown_task", delay_ms=30_000)
RETRIED = RunResult(Outcome.RETRIED, exception="builtins.OSError", delay_ms=60_000)
REAP = {"interval_ms": 10**12, "grace_ms": 30_000}  # no gap is long enough for the reaper to wait


def places(engine: Engine) -> Places:
    """Return {index: {queue: [ids in order]}} of all that is not empty; failed-of by task."""
    client, prefix = engine.client.redis, engine.client.keys.prefix
    found: Places = defaultdict(dict)
    names: list[tuple[str, str]] = []
    pipeline = many(client)
    for key in client.scan_iter(match=f"{prefix}*", count=1000):
        text = key.decode(errors="backslashreplace")
        kind, colon, name = text.removeprefix(prefix).partition(":")
        if colon and kind in (*INDEXES, "failed-of"):
            names.append((kind, name))
            pipeline.zrange(key, 0, -1)
    for (kind, name), ids in zip(names, pipeline.execute(), strict=True):
        found[kind][name] = [job_id.decode() for job_id in ids]
    return dict(found)


def record(engine: Engine, job_id: str) -> dict[str, str]:
    """Return the fields of a job's hash."""
    fields = engine.client.redis.hgetall(engine.client.keys("job", job_id))
    return {name.decode(): value.decode() for name, value in fields.items()}


def everything(engine: Engine) -> dict[str, Any]:
    """Return all keys of the alias with their values, to show that nothing changed."""
    client, prefix = engine.client.redis, engine.client.keys.prefix
    read: dict[Any, Callable[[bytes], Any]] = {
        b"hash": client.hgetall,
        b"string": client.get,
        b"set": client.smembers,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
    }
    keys = client.scan_iter(match=f"{prefix}*", count=1000)
    found = {key.decode().removeprefix(prefix): read[client.type(key)](key) for key in keys}
    found.pop("clock", None)  # of the test loader
    return found


def score(engine: Engine, index: str, job_id: str, queue: str = "default") -> int | None:
    """Return an id's score in an index."""
    found = engine.client.redis.zscore(engine.client.keys(index, queue), job_id)
    return None if found is None else int(found)


def tokens(engine: Engine, queue: str = "default") -> int:
    """Return how many wake tokens a queue has."""
    return engine.client.redis.llen(engine.client.keys("wake", queue))


def drop_tokens(engine: Engine, *queues: str) -> None:
    """Take the wake tokens away, as slots would."""
    keys = [engine.client.keys("wake", queue) for queue in queues or ("default", "*")]
    engine.client.redis.delete(*keys)


def claimed(engine: Engine, slot: Slot, *queues: str) -> Job:
    """Claim a job that must be there."""
    job = engine.claims.claim(slot, queues or ("default",))
    assert isinstance(job, Job)
    return job


def next_ids(engine: Engine, many: int, *queues: str) -> list[str]:
    """Return what so many idle slots get, one after the other."""
    slots = (Slot("worker-1", f"1.{number}") for number in range(many))
    return [claimed(engine, slot, *queues).id for slot in slots]


def nothing(engine: Engine, slot: Slot, *queues: str) -> NoJob:
    """Claim where there must be nothing."""
    found = engine.claims.claim(slot, queues or ("default",))
    assert isinstance(found, NoJob)
    return found


def parts_of(keys: Keys, job_id: str) -> list[str | bytes]:
    """Return the keys that hold one job."""
    return [keys(kind, job_id) for kind in JOB_PARTS]


def finish(engine: Engine, slot: Slot, job: Job, settled: RunResult = DONE) -> str:
    """Settle a run without claiming the next job; return the reply."""
    return engine.claims.finish(slot, job, settled, [])[0]


def counted(engine: Engine, event: str, queue: str = "default") -> int:
    """Return how often an event was counted in all minutes."""
    numbers = engine.client.redis.scan_iter(match=engine.client.keys("minute", "*"))
    minutes = [engine.inspector.minute(int(key.decode().rpartition(":")[2])) for key in numbers]
    return sum(minute.get((event, queue), 0) for minute in minutes)


@contextmanager
def full_memory(engine: Engine) -> Iterator[None]:
    """Let the server use more memory than it may: it refuses whatever needs more."""
    client = engine.client.redis
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1)
    try:
        yield
    finally:
        client.config_set("maxmemory", 0)
