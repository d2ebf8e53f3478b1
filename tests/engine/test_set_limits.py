"""set_limits: the numbers that the code of a worker has."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import ALL_QUEUES, Slot
from django_jobqueue.exceptions import JobQueueError
from tests.support.places import REAP, Make, claimed, everything, full_memory, nothing, tokens


def stored(engine: Engine) -> dict[str, str]:
    found = engine.client.redis.hgetall(engine.client.keys("limits"))
    return {name.decode(): value.decode() for name, value in found.items()}


def test_numbers_are_stored(engine: Engine) -> None:
    engine.limits.set_limits({"a.b": "1w 20w", "a.c": ""})
    assert stored(engine) == {"a.b": "1w 20w"}
    assert engine.client.run("set_limits", ["a.b", "1w", "a.d", "2w"], queues="") == 2


def test_task_that_has_no_limit_any_more(engine: Engine) -> None:
    """Tasks that this code does not know stay as they are."""
    engine.limits.set_limits({"a.b": "1w", "a.d": "5s"})
    engine.limits.set_limits({"a.b": "", "a.c": "2o"})
    assert stored(engine) == {"a.b": "", "a.c": "2o", "a.d": "5s"}


def test_many_tasks(engine: Engine) -> None:
    numbers = {f"a.t{number:03}": "1w" for number in range(250)}
    engine.limits.set_limits(numbers)
    assert stored(engine) == numbers


def test_limited_queues(engine: Engine) -> None:
    meta = engine.client.keys("meta")
    engine.client.run("set_limits", queues="mail 5 a.b-c 12 ")
    assert engine.client.redis.hget(meta, "limits") == b"mail 5 a.b-c 12 "
    engine.limits.set_limits({})
    assert not engine.client.redis.hexists(meta, "limits")


@pytest.mark.parametrize("queues", ["", "default 2 ", "mail 1 "])
def test_full_queue_is_offered_again(engine: Engine, make_job: Make, queues: str) -> None:
    """Whoever serves all queues looks there at once, and not when the reaper comes by."""
    first, second = make_job(), make_job()
    engine.client.run("set_limits", queues="default 1 ")
    assert claimed(engine, Slot("worker-1", "0.0"), ALL_QUEUES).id == first
    nothing(engine, Slot("worker-1", "0.1"), ALL_QUEUES)
    assert not engine.client.redis.exists(engine.client.keys("work"))
    engine.client.run("set_limits", queues=queues)
    assert tokens(engine, "*") == 1
    assert claimed(engine, Slot("worker-1", "0.1"), ALL_QUEUES).id == second


def test_full_queue_whose_limit_was_lost_is_offered_by_the_next_reap(
    engine: Engine, make_job: Make
) -> None:
    """Redis lost it with the hash that it stands in."""
    first, second = make_job(queue="mail"), make_job(queue="mail")
    engine.client.run("set_limits", queues="mail 1 ")
    assert claimed(engine, Slot("worker-1", "0.0"), ALL_QUEUES).id == first
    nothing(engine, Slot("worker-1", "0.1"), ALL_QUEUES)
    engine.client.redis.hdel(engine.client.keys("meta"), "limits")
    nothing(engine, Slot("worker-1", "0.1"), ALL_QUEUES)
    engine.queues.reap(**REAP)
    assert claimed(engine, Slot("worker-1", "0.1"), ALL_QUEUES).id == second


def test_same_call_again_changes_nothing(engine: Engine) -> None:
    engine.limits.set_limits({"a.b": "1w"})
    before = everything(engine)
    engine.limits.set_limits({"a.b": "1w"})
    assert everything(engine) == before


def test_full_server_takes_them(engine: Engine) -> None:
    with full_memory(engine):
        engine.client.run("set_limits", ["a.b", "1w"], queues="mail 5 ")
    assert stored(engine) == {"a.b": "1w"}


@pytest.mark.parametrize(
    ("words", "queues", "said"),
    [
        (["a b", "1w", "a.c", "1w"], "", 'task is "a b"; it must be a word'),
        (["a.b", "1x"], "", 'tasks is "1x"; it must be numbers'),
        (["a.b"], "", 'tasks is ""; it must be numbers'),
        ([], "mail", 'queues is "mail"; it must be names and numbers'),
    ],
)
def test_wrong_words_are_refused(engine: Engine, words: list[str], queues: str, said: str) -> None:
    before = everything(engine)
    with pytest.raises(JobQueueError, match=said):
        engine.client.run("set_limits", words, queues=queues)
    assert everything(engine) == before
