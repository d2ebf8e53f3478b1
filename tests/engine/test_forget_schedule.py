"""forget_schedule: what is known of schedules and schedulers that are no more."""

from django_jobqueue.engine import Engine
from tests.support.clock import Clock
from tests.support.places import everything, full_memory, places

from .firing import OTHER, RULE, fire, known, look, new, scores

DAY = 86_400


def test_deleted_schedule_is_forgotten(engine: Engine) -> None:
    """The jobs that it stored stay, and so do other schedules."""
    since, job = look(engine), new()
    look(engine, name="other")
    fire(engine, since + 1, job)

    assert engine.schedules.forget("nightly") == 1

    assert known(engine) == {}
    assert set(scores(engine, "schedules")) == {"other"}
    assert places(engine) == {"queued": {"default": [job.id]}}


def test_unknown_name_is_no_error(engine: Engine) -> None:
    assert engine.schedules.forget("nobody") == 1
    assert "schedule:nobody" not in everything(engine)


def test_schedules_not_seen_for_a_month_are_forgotten(engine: Engine, clock: Clock) -> None:
    """Renamed in the code, for example: nobody tells Redis."""
    look(engine, name="old")
    clock.move(29 * DAY)
    look(engine, OTHER, name="new")
    assert engine.schedules.forget() == 0
    clock.move(1 * DAY + 1)

    assert engine.schedules.forget() == 1

    assert set(scores(engine, "schedules")) == {"new"}
    assert [key for key in everything(engine) if key.startswith("schedule:")] == ["schedule:new"]


def test_many_are_forgotten_by_and_by(engine: Engine, clock: Clock) -> None:
    """A script holds up the whole server while it runs."""
    engine.schedules.register("s1", {f"n{number}": RULE for number in range(130)})
    clock.move(31 * DAY)
    assert [engine.schedules.forget() for _ in range(3)] == [100, 30, 0]


def test_schedulers_not_seen_for_a_day_are_forgotten(engine: Engine, clock: Clock) -> None:
    """But the last one: people are told since when nobody fires."""
    look(engine, scheduler="first")
    clock.move(DAY - 60)
    look(engine, scheduler="second")
    engine.schedules.forget()
    assert set(scores(engine, "schedulers")) == {"first", "second"}
    clock.move(61)
    engine.schedules.forget()
    assert set(scores(engine, "schedulers")) == {"second"}
    clock.move(10 * DAY)
    engine.schedules.forget()
    assert set(scores(engine, "schedulers")) == {"second"}


def test_many_schedulers_are_forgotten_by_and_by(engine: Engine, clock: Clock) -> None:
    """As schedules are."""
    for number in range(130):
        look(engine, scheduler=f"s{number}")
    clock.move(DAY + 1)
    look(engine, scheduler="new")
    left = []
    for _ in range(2):
        engine.schedules.forget()
        left.append(len(scores(engine, "schedulers")))
    assert left == [31, 1]


def test_repeated_call_changes_nothing(engine: Engine) -> None:
    look(engine)
    engine.schedules.forget("nightly")
    before = everything(engine)
    engine.schedules.forget("nightly")
    assert everything(engine) == before


def test_forgetting_works_at_maxmemory(engine: Engine) -> None:
    """It makes room."""
    look(engine)
    with full_memory(engine):
        engine.schedules.forget("nightly")
    assert known(engine) == {}
