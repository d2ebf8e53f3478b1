"""register_schedules: since when the times of schedules count."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.schedules import CHUNK
from django_jobqueue.exceptions import QueueUnavailable
from tests.support.clock import Clock
from tests.support.places import everything, full_memory

from .firing import OTHER, RULE, fire, known, look, raw, rules, scores


def test_new_schedule_begins_now(engine: Engine) -> None:
    """Nothing that lies before the first look is ever fired."""
    found = engine.schedules.register("s1", {"nightly": RULE, "hourly": OTHER})

    assert found.since == {"nightly": found.now, "hourly": found.now}
    assert scores(engine, "schedules") == {
        "nightly": found.now,
        "hourly": found.now,
    }
    assert scores(engine, "schedulers") == {"s1": found.now}
    assert (known(engine), rules(engine)) == ({}, 1)


def test_next_looks_tell_the_same(engine: Engine, clock: Clock) -> None:
    """Whoever looks; that it was looked at is noted."""
    since = look(engine)
    clock.move(20)
    found = engine.schedules.register("s2", {"nightly": RULE})

    assert found.since == {"nightly": since}
    assert found.now >= since + 20_000
    assert scores(engine, "schedules") == {"nightly": found.now}
    assert scores(engine, "schedulers") == {"s1": since, "s2": found.now}


def test_times_count_after_the_latest_that_was_fired(engine: Engine, clock: Clock) -> None:
    """The high water holds for all rules."""
    since = look(engine)
    clock.move(10)
    fire(engine, since + 5_000)
    assert look(engine) == since + 5_000
    assert look(engine, OTHER) > since + 5_000
    clock.move(10)
    fire(engine, since + 18_000)
    assert look(engine, OTHER) == since + 18_000


def test_changed_rule_begins_now(engine: Engine, clock: Clock) -> None:
    """Times that the new rule would have had before it was there are not made up for."""
    since = look(engine)
    clock.move(3600)
    assert look(engine, OTHER) >= since + 3_600_000


def test_two_rules_side_by_side(engine: Engine, clock: Clock) -> None:
    """During a deploy old and new code look by turns: neither begins anew."""
    first, second = look(engine, RULE), look(engine, OTHER)
    for _ in range(10):
        clock.move(30)
        assert (look(engine, RULE), look(engine, OTHER)) == (first, second)
    assert rules(engine) == 2


def test_rule_that_comes_back_begins_now(engine: Engine, clock: Clock) -> None:
    """It was changed, and changed back: what the old rule would have fired since is not due."""
    first = look(engine, RULE)
    for _ in range(4):
        clock.move(30)
        look(engine, OTHER)
    assert rules(engine) == 1
    assert look(engine, RULE) >= first + 120_000


def test_rule_stays_over_a_downtime(engine: Engine, clock: Clock) -> None:
    """Nobody looked for days: what was missed is for catch-up to say."""
    since = look(engine)
    clock.move(3 * 86_400)
    assert look(engine) == since


def test_more_schedules_than_fit_into_a_call(engine: Engine) -> None:
    """They are told in one answer."""
    names = {f"s{number}": RULE for number in range(2 * CHUNK + 1)}
    found = engine.schedules.register("s1", names)
    assert set(found.since) == set(names)
    assert set(scores(engine, "schedules")) == set(names)


def test_scheduler_without_schedules_is_seen(engine: Engine) -> None:
    """People see that it is there."""
    found = engine.schedules.register("s1", {})
    assert (found.since, scores(engine, "schedulers")) == ({}, {"s1": found.now})
    assert engine.inspector.schedules.seen_at() == found.now


def test_emptied_server_begins_anew(engine: Engine) -> None:
    """Nothing is known, so nothing is due."""
    since = look(engine)
    fire(engine, since + 60_000)
    engine.client.redis.flushall()
    assert look(engine) < since + 60_000
    assert known(engine) == {}


@pytest.mark.parametrize("field", ["since", "seen", "high_water"])
def test_damaged_field(engine: Engine, clock: Clock, field: str) -> None:
    """A rule that can't be read begins now; it does not stop its scheduler."""
    since = look(engine)
    look(engine, OTHER)
    key, client = engine.client.keys("schedule", "nightly"), raw(engine)
    for name in client.hkeys(key):
        if name.startswith(field.encode()):
            client.hset(key, name, "nonsense")
    client.hset(key, "high_water", "nonsense")
    clock.move(10)
    found = look(engine)
    assert found >= since + 10_000 if field == "since" else found == since
    assert fire(engine, found + 1).reply == "fired"


def test_key_of_another_type_gives_way(engine: Engine) -> None:
    """Something else wrote there."""
    engine.client.redis.set(engine.client.keys("schedule", "nightly"), "nonsense")
    since = look(engine)
    assert fire(engine, since + 1).reply == "fired"


def test_same_look_again_changes_nothing(engine: Engine, clock: Clock) -> None:
    """But the time at which it was made."""
    look(engine)
    before = everything(engine)["schedule:nightly"]
    clock.move(1)
    look(engine)
    after = everything(engine)["schedule:nightly"]
    assert {key for key in after if after[key] != before[key]} == {
        key for key in after if key.startswith(b"seen:")
    }


def test_look_is_refused_at_maxmemory(engine: Engine) -> None:
    """Nothing new can be stored then, and nothing has changed."""
    before = everything(engine)
    with full_memory(engine), pytest.raises(QueueUnavailable, match="maxmemory"):
        look(engine)
    assert everything(engine) == before


def test_clock_that_goes_back_silences_no_schedule(engine: Engine, clock: Clock) -> None:
    """What lies more than a minute ahead counts as now; a small step is waited for."""
    since = look(engine)
    fire(engine, since + 1)
    clock.move(-30)
    assert look(engine) == since + 1
    clock.move(-3600)
    found = engine.schedules.register("s1", {"nightly": RULE})

    assert found.since == {"nightly": found.now}
    assert fire(engine, found.now + 1).reply == "fired"


def test_new_rule_after_the_clock_went_back_begins_now(engine: Engine, clock: Clock) -> None:
    """At its first look, and not at its second."""
    since = look(engine)
    fire(engine, since + 1)
    clock.move(-3600)
    found = engine.schedules.register("s1", {"nightly": OTHER})
    assert found.since == {"nightly": found.now}
