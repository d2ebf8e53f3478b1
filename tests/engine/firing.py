"""What the tests of schedules call and compare."""

from typing import Any

from django_jobqueue.engine import Engine
from django_jobqueue.engine.schedules import Fired
from django_jobqueue.jobs.job import Job, new_id
from tests.support.jobs import new_job

TASK = "tests.project.tasks.noop"
RULE, OTHER = "cron 0 3 * * * UTC", "every 600000 ms"


def new(**given: Any) -> Job:
    fields: dict[str, Any] = {"id": new_id(), "queue": "default", "task": TASK, "payload": b"x"}
    return new_job(**fields | given)


def raw(engine: Engine) -> Any:
    """Return the client, whose replies have many types."""
    return engine.client.redis


def look(engine: Engine, rule: str = RULE, name: str = "nightly", scheduler: str = "s1") -> int:
    """Look at one schedule; return since when its times are not handled."""
    return engine.schedules.register(scheduler, {name: rule}).since[name]


def fire(engine: Engine, nominal: int, job: Job | None = None, **given: Any) -> Fired:
    given = {"name": "nightly", "rule": RULE, "overlap": "allow"} | given
    return engine.schedules.fire(nominal=nominal, job=job or new(), **given)


def known(engine: Engine, name: str = "nightly") -> dict[str, str]:
    """Return what is known of a schedule, but for its rules."""
    found = engine.client.redis.hgetall(engine.client.keys("schedule", name))
    words = {key.decode(): value.decode() for key, value in found.items()}
    return {key: value for key, value in words.items() if not key.startswith(("since:", "seen:"))}


def rules(engine: Engine, name: str = "nightly") -> int:
    """Return how many rules of a schedule are known."""
    found = raw(engine).hkeys(engine.client.keys("schedule", name))
    return sum(key.startswith(b"seen:") for key in found)


def scores(engine: Engine, index: str) -> dict[str, int]:
    found = raw(engine).zrange(engine.client.keys(index), 0, -1, withscores=True)
    return {member.decode(): int(score) for member, score in found}
