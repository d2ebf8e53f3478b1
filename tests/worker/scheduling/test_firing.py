"""Firing: what a scheduler makes of its schedules."""

import logging
import os
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from django_jobqueue import JobContext, JobResult, task
from django_jobqueue.compat import signals, task_backends
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.models import Schedule
from django_jobqueue.schedules.cron import Cron, Every, from_ms, to_ms
from django_jobqueue.schedules.spec import ScheduleSpec
from django_jobqueue.schedules.stored import Listing, current
from django_jobqueue.schedules.timetable import Timetable
from django_jobqueue.testing import drain
from django_jobqueue.worker.scheduling.firing import LOOK_EVERY, SchedulePass
from tests.project import tasks
from tests.support.clock import Clock
from tests.support.places import claimed, places
from tests.support.schedule_rows import row_of

from .year import Year

MINUTE = Timetable(Every(60))


def entry(name: str = "minutely", **given: Any) -> ScheduleSpec:
    fields: dict[str, Any] = {
        "task": tasks.noop,
        "args": [],
        "kwargs": {},
        "timetable": MINUTE,
    } | given
    return ScheduleSpec(name=name, **fields)


def scheduler(
    engine: Engine, *entries: ScheduleSpec, faults: tuple[tuple[str, str], ...] = ()
) -> SchedulePass:
    return SchedulePass(engine, "scheduler", lambda: Listing(entries, faults))


def next_minute(engine: Engine, clock: Clock, firing: SchedulePass, by: float = 0.01) -> int:
    """Look, and move the clock to the next full minute; return that, in ms."""
    firing.run()
    seconds, micros = engine.client.redis.time()
    now = seconds * 1000 + micros // 1000
    now += int(engine.client.redis.get(engine.client.keys("clock")) or 0)
    clock.move((60_000 - now % 60_000) / 1000 + by)
    return now - now % 60_000 + 60_000


def jobs(engine: Engine) -> list[Any]:
    ids = places(engine).get("queued", {}).get("default", [])
    return [engine.inspector.job(job_id) for job_id in ids]


def test_job_knows_its_schedule_and_time(engine: Engine, clock: Clock, slot: Slot) -> None:
    """In its record, when it is claimed, and as a result."""
    firing = scheduler(engine, entry(task=tasks.add, args=[1, 2]))
    nominal = next_minute(engine, clock, firing)
    firing.run()

    (job,) = jobs(engine)
    assert (job.schedule, job.nominal_at, job.task) == (
        "minutely",
        nominal,
        "tests.project.tasks.add",
    )
    result = tasks.add.get_result(job.id)
    assert (result.schedule, result.nominal_time) == ("minutely", from_ms(nominal))
    run = claimed(engine, slot)
    assert (run.schedule, run.nominal_at) == ("minutely", nominal)


@task(takes_context=True)
def tell(context: JobContext) -> list[str]:
    return [context.schedule, str(context.nominal_time)]


def test_task_knows_its_time(engine: Engine, clock: Clock) -> None:
    """However late it runs; a task that somebody enqueued has none."""
    firing = scheduler(engine, entry(task=tell))
    nominal = next_minute(engine, clock, firing)
    firing.run()
    (job,) = jobs(engine)
    plain = tell.enqueue()
    clock.move(3000)
    drain()
    time = datetime.fromtimestamp(nominal / 1000, UTC)
    assert tell.get_result(job.id).return_value == ["minutely", str(time)]
    plain.refresh()
    assert plain.return_value == ["", "None"]


def test_next_look_comes_with_the_next_time(engine: Engine, clock: Clock) -> None:
    """Or after five seconds."""
    firing = scheduler(engine, entry(), entry("later", timetable=Timetable(Every(3600))))
    next_minute(engine, clock, firing, by=-2)
    assert 0 < firing.run() <= 2
    clock.move(3)
    assert firing.run() == LOOK_EVERY


def test_fire_is_logged_with_its_lateness(engine: Engine, clock: Clock, caplog: Any) -> None:
    firing = scheduler(engine, entry())
    nominal = next_minute(engine, clock, firing, by=7)
    with caplog.at_level(logging.INFO, "django_jobqueue"):
        firing.run()
    (line,) = [line for line in caplog.messages if line.startswith("Fired")]
    time = from_ms(nominal).isoformat(sep=" ", timespec="milliseconds")
    assert line.startswith(f"Fired schedule=minutely nominal={time} late=7.")


def test_others_are_told_of_the_job(engine: Engine, clock: Clock) -> None:
    """The signal is the one that every enqueue sends, from whoever fired."""
    firing, other = scheduler(engine, entry()), scheduler(engine, entry())
    nominal = next_minute(engine, clock, firing)
    heard: list[JobResult[..., Any]] = []

    def hear(task_result: JobResult[..., Any], **_: object) -> None:
        heard.append(task_result)

    signals.task_enqueued.connect(hear, sender=type(task_backends["default"]))
    try:
        firing.run(), other.run()
    finally:
        signals.task_enqueued.disconnect(hear, sender=type(task_backends["default"]))
    (result,) = heard
    assert (result.schedule, result.nominal_time) == ("minutely", from_ms(nominal))
    assert not result.is_pending


def test_bad_schedule_stops_no_other(engine: Engine, clock: Clock, caplog: Any) -> None:
    """What is wrong with it is told once, and again only if that changes."""
    huge = entry("huge", task=tasks.echo, args=["x" * 2_000_000])
    known = [("broken", "there is no task")]
    listing = [Listing((huge, entry()), tuple(known))]
    firing = SchedulePass(engine, "scheduler", lambda: listing[0])
    with caplog.at_level(logging.WARNING, "django_jobqueue"):
        next_minute(engine, clock, firing)
        for _ in range(3):
            firing.run()
    assert [job.schedule for job in jobs(engine)] == ["minutely"]
    told = [line for line in caplog.messages if "is not fired" in line]
    assert told[0] == "Schedule broken is not fired: there is no task"
    assert told[1].startswith("Schedule huge is not fired: PayloadTooLarge: ")
    assert len(told) == 2
    listing[0] = Listing((replace(huge, args=[]), entry()), ())
    firing.run()
    assert "Schedule broken is in order again." in caplog.messages
    assert [job.schedule for job in jobs(engine)] == ["minutely", "huge"]


def test_what_is_fired_is_told_at_the_start_and_after_a_change(
    engine: Engine, clock: Clock, caplog: Any
) -> None:
    """With the next time; and what is not fired, and why."""
    listing = [Listing((entry(),), (), (("nightly", "it is disabled in the admin"),))]
    firing = SchedulePass(engine, "scheduler", lambda: listing[0])
    with caplog.at_level(logging.INFO, "django_jobqueue"):
        firing.run()
        firing.run()
        fired, left_out = caplog.messages
        assert fired.startswith("Schedule minutely of tests.project.tasks.noop: next 20")
        assert left_out == "Schedule nightly is not fired here: it is disabled in the admin."
        listing[0] = Listing((), (), listing[0].left_out)
        firing.run()
    assert caplog.messages[2:] == [left_out]


def test_that_there_is_no_schedule_is_told(engine: Engine, caplog: Any) -> None:
    """With why that may be; but not before the schedules were read."""
    listing: list[Listing | None] = [None]
    firing = SchedulePass(engine, "scheduler", lambda: listing[0])
    firing.run()
    assert caplog.messages == []
    listing[0] = Listing((), ())
    firing.run()
    (line,) = caplog.messages
    assert "There is no schedule" in line
    assert "INSTALLED_APPS" in line


def test_overlap_is_told(engine: Engine, clock: Clock, caplog: Any) -> None:
    firing = scheduler(engine, entry(overlap="skip"))
    next_minute(engine, clock, firing)
    next_minute(engine, clock, firing)
    with caplog.at_level(logging.INFO, "django_jobqueue"):
        firing.run()
    assert len(jobs(engine)) == 1
    assert "the job of its last fire is not final" in caplog.text


def test_missed_times_are_told(engine: Engine, clock: Clock, caplog: Any) -> None:
    """Once, with their number and what catch-up says."""
    firing, other = scheduler(engine, entry()), scheduler(engine, entry())
    next_minute(engine, clock, firing, by=290)
    with caplog.at_level(logging.WARNING, "django_jobqueue"):
        firing.run(), other.run()
    (line,) = [line for line in caplog.messages if "missed" in line]
    assert "Schedule minutely has missed 4 of its times" in line
    assert line.endswith("catch-up is 'skip'.")
    assert len(jobs(engine)) == 1


def test_changed_times_begin_now(engine: Engine, clock: Clock) -> None:
    """A schedule that got another rule is not fired for the time before."""
    listing = [Listing((entry(),), ())]
    firing = SchedulePass(engine, "scheduler", lambda: listing[0])
    next_minute(engine, clock, firing, by=1)
    changed = Timetable(Cron("* * * * *", "UTC"), catch_up="all")
    listing[0] = Listing((entry(timetable=changed),), ())
    firing.run()
    assert jobs(engine) == []
    next_minute(engine, clock, firing)
    firing.run()
    assert len(jobs(engine)) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("wrong", [timedelta(hours=1), timedelta(hours=-1)])
def test_clock_of_the_host_that_enabled_it_does_not_matter(
    engine: Engine, clock: Clock, wrong: timedelta
) -> None:
    """A new one begins at once, and one that was disabled owes nothing of that time."""
    firing = SchedulePass(engine, "scheduler", lambda: current("default"))
    row_of("minutely", catch_up="all")

    def enable(second: int) -> int:
        since = timezone.now() + wrong + timedelta(seconds=second)
        Schedule.objects.update(enabled=True, enabled_since=since)
        nominal = next_minute(engine, clock, firing)
        firing.run()
        return nominal

    def fired() -> list[int | None]:
        return [job.nominal_at for job in jobs(engine) if job.schedule == "minutely"]

    first = enable(0)
    assert fired() == [first]
    Schedule.objects.update(enabled=False)
    firing.run()
    clock.move(600)
    second = enable(1)
    assert fired() == [first, second]


def test_nothing_is_fired_before_the_first_reading(engine: Engine) -> None:
    """The scheduler is seen all the same."""
    assert SchedulePass(engine, "scheduler", lambda: None).run() == LOOK_EVERY
    assert engine.inspector.schedules.seen_at()


@pytest.mark.timeout(300)
def test_a_year_of_three_schedulers(engine: Engine) -> None:
    """Each time is fired once, or as its catch-up says. `CHAOS_SEED=…` repeats a year."""
    seed = int(os.environ.get("CHAOS_SEED", random.randrange(2**32)))
    print(f"CHAOS_SEED={seed}")  # noqa: T201 - shown if the test fails
    year = Year(engine, random.Random(seed))
    assert len(year.wanted) == 50

    year.live()

    wanted = Counter((one.entry.name, to_ms(at)) for one in year.wanted for at in one.fired)
    assert set(wanted.values()) == {1}
    fired = year.fired()
    assert fired - wanted == Counter()
    assert wanted - fired == Counter()
    stats = year.engine.inspector.schedules.stats([one.entry.name for one in year.wanted])
    for one in year.wanted:
        found = stats[one.entry.name]
        assert (found.fired, found.missed) == (len(one.fired), one.missed), one
        assert found.overlapped == one.overlapped
    year.road.close()
