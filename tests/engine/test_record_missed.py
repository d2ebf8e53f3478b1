"""record_missed: times that nobody fired in time are counted once, and fired no more."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.schedules import Fired, FireReply
from django_jobqueue.exceptions import QueueUnavailable
from tests.support.clock import Clock
from tests.support.places import everything, full_memory, places

from .firing import OTHER, RULE, fire, known, look


def miss(engine: Engine, since: int, nominal: int, count: int, rule: str = RULE) -> bool:
    given = {"since": since, "nominal": nominal, "count": count}
    return engine.schedules.record_missed("nightly", rule, **given)


def test_missed_times_are_counted_and_passed(engine: Engine, clock: Clock) -> None:
    """No job is stored for them, then or later."""
    since = look(engine)
    clock.move(3600)

    assert miss(engine, since, since + 1_800_000, 3)

    found = known(engine)
    assert since + 3_600_000 <= int(found.pop("missed_at")) <= since + 3_700_000
    assert found == {"high_water": str(since + 1_800_000), "missed": "3"}
    assert fire(engine, since + 1_800_000) == Fired(FireReply.KNOWN)
    assert look(engine) == since + 1_800_000
    assert places(engine) == {}


def test_second_scheduler_counts_nothing(engine: Engine, clock: Clock) -> None:
    """It looked at the same time, and saw the same or one time more."""
    since = look(engine)
    assert miss(engine, since, since + 1000, 3)
    before = everything(engine)
    clock.move(1)
    assert not miss(engine, since, since + 1000, 3)
    assert not miss(engine, since, since + 2000, 4)
    assert everything(engine) == before


def test_nothing_is_missed_that_was_fired_meanwhile(engine: Engine) -> None:
    """Another scheduler was quicker, with another catch-up."""
    since = look(engine)
    fire(engine, since + 500)
    before = everything(engine)
    assert not miss(engine, since, since + 1000, 2)
    assert everything(engine) == before


def test_numbers_add_up(engine: Engine) -> None:
    since = look(engine)
    assert miss(engine, since, since + 1000, 3)
    assert miss(engine, since + 1000, since + 9000, 2)
    assert known(engine)["missed"] == "5"


def test_rule_that_is_not_in_use_misses_nothing(engine: Engine, clock: Clock) -> None:
    """As nothing is fired for it."""
    since = look(engine)
    clock.move(61)
    look(engine, OTHER)
    before = everything(engine)
    assert not miss(engine, since, since + 1000, 1)
    assert everything(engine) == before


def test_miss_is_refused_at_maxmemory(engine: Engine) -> None:
    """It is counted when there is room again."""
    since = look(engine)
    before = everything(engine)
    with full_memory(engine), pytest.raises(QueueUnavailable, match="maxmemory"):
        miss(engine, since, since + 1000, 1)
    assert everything(engine) == before
