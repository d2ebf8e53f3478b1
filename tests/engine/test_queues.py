"""queues: the names of all queues ever used."""

from django_jobqueue.engine import Engine
from tests.support.places import Make


def test_default_is_always_there_and_first(engine: Engine, make_job: Make) -> None:
    """The others follow by name."""
    assert engine.queues.names() == ["default"]
    for queue in ("b", "a", "Z"):
        make_job(queue=queue)
    assert engine.queues.names() == ["default", "Z", "a", "b"]


def test_name_stays_when_the_queue_is_empty(engine: Engine, make_job: Make) -> None:
    """A queue that was used once is known."""
    engine.jobs.delete(make_job(queue="once"))
    assert engine.queues.names() == ["default", "once"]


def test_name_that_is_no_text_is_read_all_the_same(engine: Engine) -> None:
    """Every worker reads the names again and again: one that is damaged must not end them all."""
    engine.client.redis.sadd(engine.client.keys("queues"), b"\xff")
    assert engine.queues.names() == ["default", r"\xff"]
    assert engine.queues.pause(r"\xff")
    assert engine.client.redis.smembers(engine.client.keys("paused")) == {b"\xff"}
    assert engine.queues.resume(r"\xff")
