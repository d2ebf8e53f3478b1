"""resume: claims from a paused queue again."""

from django_jobqueue.engine import Engine
from tests.support.places import Make, drop_tokens, everything, full_memory, next_ids, tokens


def test_resumed_queue_gives_its_jobs(engine: Engine, make_job: Make) -> None:
    """Idle slots wake, in the order that the jobs had."""
    ids = [make_job() for _ in range(2)]
    engine.queues.pause("default")
    drop_tokens(engine)

    assert engine.queues.resume("default")

    assert tokens(engine) > 0
    assert next_ids(engine, 2) == ids


def test_same_call_again_is_no_news(engine: Engine) -> None:
    """A queue that was not paused stays as it is, and nobody wakes."""
    assert not engine.queues.resume("default")
    assert tokens(engine) == 0
    engine.queues.pause("default")
    engine.queues.resume("default")
    before = everything(engine)

    assert not engine.queues.resume("default")
    assert everything(engine) == before


def test_resume_works_at_maxmemory(engine: Engine, make_job: Make) -> None:
    """What is stored can be run."""
    make_job()
    engine.queues.pause("default")
    with full_memory(engine):
        assert engine.queues.resume("default")
