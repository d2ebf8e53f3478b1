"""Unique jobs as a caller makes them, and their locks as Redis has them."""

from typing import Any

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.job import Job, new_id
from tests.support.jobs import new_job

KEY, OTHER_KEY = "a" * 32, "b" * 32
NEWEST = "newest,5000,60000"


def unique_job(until: str = "done", key: str = KEY, told: str = "", **given: Any) -> Job:
    """Return a new job; `told` says who has its id already."""
    return new_job(new_id(), unique=f"{key} {until} {told}".rstrip(), **given)


def store(engine: Engine, until: str = "done", key: str = KEY, told: str = "", **given: Any) -> Job:
    """Store a job, or not, as its `duplicate` says then."""
    job = unique_job(until, key, told, **given)
    engine.jobs.enqueue([job])
    return job


def stored(engine: Engine, until: str = "done", **given: Any) -> str:
    """Store a job that must be stored, and return its id."""
    job = store(engine, until, **given)
    assert job.duplicate is None
    return job.id


def winner(engine: Engine, until: str = "done", **given: Any) -> str:
    """Return the id of the job that stands for a further call; "" if it is stored itself."""
    duplicate = store(engine, until, **given).duplicate
    return duplicate.id if duplicate else ""


def locks(engine: Engine) -> dict[str, str]:
    """Return the key and the words of each lock."""
    found = engine.client.redis.hgetall(engine.client.keys("unique"))
    return {key.decode(): lock.decode() for key, lock in found.items()}
