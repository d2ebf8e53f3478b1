"""Read and damage the stored payload of a job, which is a field of its record if it is small."""

from typing import Any

from django_jobqueue.engine import Engine

LENGTH = len("1.") + 22 + len(".")  # of what stands before the JSON


def read(engine: Engine, job_id: str) -> bytes:
    client, keys = _place(engine)
    return client.hget(keys("job", job_id), "payload") or client.get(keys("payload", job_id)) or b""


def put(engine: Engine, job_id: str, payload: bytes) -> None:
    """Replace it where it is."""
    client, keys = _place(engine)
    if client.hexists(keys("job", job_id), "payload"):
        client.hset(keys("job", job_id), "payload", payload)
    else:
        client.set(keys("payload", job_id), payload)


def drop(engine: Engine, job_id: str) -> None:
    client, keys = _place(engine)
    client.hdel(keys("job", job_id), "payload")
    client.delete(keys("payload", job_id))


def damage(engine: Engine, job_id: str) -> None:
    """Make it a list."""
    drop(engine, job_id)
    client, keys = _place(engine)
    client.rpush(keys("payload", job_id), "x")


def _place(engine: Engine) -> tuple[Any, Any]:
    return engine.client.redis, engine.client.keys
