"""names: the queues that hold a job or are paused."""

import pytest

from django_jobqueue.engine import Engine
from tests.support.places import Make


def test_default_is_always_there_and_first(engine: Engine, make_job: Make) -> None:
    """The others follow by name."""
    assert engine.queues.names() == ["default"]
    for queue in ("b", "a", "Z"):
        make_job(queue=queue)
    assert engine.queues.names() == ["default", "Z", "a", "b"]


def test_names_are_read_in_pages(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand queues are a normal site, and one reply with all names holds up the others."""
    monkeypatch.setattr("django_jobqueue.engine.queues.PAGE", 2)
    wanted = [f"q{number}" for number in range(7)]
    for name in ("default", *wanted):
        engine.queues.pause(name)
    assert [len(page) for page in engine.queues.pages()] == [1, 1, 2, 2, 2]
    assert engine.queues.names() == ["default", *wanted]


def test_name_that_is_no_text_is_read_all_the_same(engine: Engine) -> None:
    """Every worker reads the names again and again: one that is damaged must not end them all."""
    engine.client.redis.zadd(engine.client.keys("names"), {b"\xff": 0})
    assert engine.queues.names() == ["default", r"\xff"]
    assert engine.queues.pause(r"\xff")
    assert engine.client.redis.hexists(engine.client.keys("meta"), b"paused:\xff")
    assert engine.queues.resume(r"\xff")
