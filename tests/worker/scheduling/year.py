"""A year of three schedulers: what they fire, by the server's clock that the test moves, and what
they should, by an oracle that walks through the minutes.

The schedulers run in this process, by turns. They lose replies, call twice, die in the middle,
sleep and go on with what they knew, and are away alone or all at once.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from django_jobqueue.conf import load
from django_jobqueue.engine import Engine
from django_jobqueue.engine.client import Client
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.schedules.cron import Cron, Every, to_ms
from django_jobqueue.schedules.spec import ScheduleSpec
from django_jobqueue.schedules.stored import Listing
from django_jobqueue.schedules.timetable import Timetable
from django_jobqueue.worker.scheduling.firing import SchedulePass
from tests.project.tasks import noop
from tests.support.clock import scripts_with
from tests.support.wallclock import Spec, fires, transitions, utc

BEGIN, END = utc(2027, 9, 1), utc(2028, 9, 1)  # with a leap day
ZONES = (
    "Europe/Berlin",
    "Europe/Bucharest",
    "America/New_York",
    "America/Santiago",
    "Asia/Beirut",
    "Australia/Lord_Howe",
)
STILL_CLOCK = "local function now() return redis.call('GET', KEYS[1] .. 'clock') end"
S, DAY = timedelta(seconds=1), timedelta(days=1)
ON_TIME = 60 * S


@dataclass(slots=True)
class Wanted:
    """One schedule, its times by the oracle, and what should become of them."""

    entry: ScheduleSpec
    times: list[datetime]
    handled: datetime = BEGIN
    fired: list[datetime] = field(default_factory=list)
    missed: int = 0
    overlapped: int = 0

    def look(self, now: datetime) -> None:
        """Take in that somebody looked."""
        due = self.times[bisect_right(self.times, self.handled) : bisect_right(self.times, now)]
        late = [at for at in due if now - at > ON_TIME]
        on_time = due[len(late) :]
        keep = {"skip": 0, "last": 0 if on_time else 1, "all": self.entry.timetable.catch_up_max}
        number = min(keep[self.entry.timetable.catch_up], len(late))
        self.missed += len(late) - number
        found = late[len(late) - number :] + on_time
        if self.entry.overlap == "skip":  # no job ever ends here
            self.overlapped += len(found) if self.fired else max(0, len(found) - 1)
            found = [] if self.fired else found[:1]
        self.fired += found
        self.handled = due[-1] if due else self.handled


def schedules(random: Random) -> list[Wanted]:
    """Return fifty schedules."""
    found: list[Wanted] = []

    def add(times: Cron | Every, all_times: list[datetime], **given: Any) -> None:
        number = len(found)
        given["catch_up"] = ("skip", "last", "all")[number % 3]
        if given["catch_up"] == "all":
            given["catch_up_max"] = random.choice([2, 5, 1000])
        table = Timetable(times, **given)
        entry = ScheduleSpec(
            name=f"{number:02d}",
            task=noop,
            args=[],
            kwargs={},
            timetable=table,
            overlap="skip" if number % 11 == 10 else "allow",
        )
        found.append(Wanted(entry, all_times))

    def add_cron(text: str, zone: str, begin: datetime = BEGIN, end: datetime = END) -> None:
        given = {} if (begin, end) == (BEGIN, END) else {"start": begin, "end": end}
        add(Cron(text, zone), fires(Spec(text), zone, begin, end), **given)

    def add_every(seconds: float, begin: datetime, end: datetime) -> None:
        step = timedelta(seconds=seconds)
        times = [begin + number * step for number in range(-((begin - end) // step))]
        add(Every(seconds, begin), times, start=begin, end=end)

    for zone in ZONES:
        first, second = transitions(zone, BEGIN, END)
        add_cron("30 2 * * 0,3", zone)
        add_cron("0 0 1,15,29 * *", zone)
        for change in (first, second):
            add_cron("*/20 1-3 * * *", zone, change - DAY, change + DAY)
            add_cron("0 */2 * * *", zone, change - DAY, change + DAY)
            add_cron("*/10 * * * *", zone, change - DAY / 4, change + DAY / 4)
    add_every(1, BEGIN + 20 * DAY, BEGIN + 20 * DAY + 90 * S)
    add_every(90_061.5, BEGIN + DAY / 3, END)
    return found


class Unlucky(Client):
    """A road on which calls get lost, come twice, or come late."""

    def __init__(self, random: Random) -> None:
        super().__init__("default", load("default"), scripts=scripts_with(STILL_CLOCK))
        self._random = random
        self.late: list[tuple[str, Sequence[Any], dict[str, Any]]] = []

    def run(
        self, script: str, rest: Sequence[Any] = (), meanwhile: Any = None, /, **given: Any
    ) -> Any:
        luck = self._random.random()
        if luck < 0.01:  # the scheduler dies or sleeps; what it was about to say comes later
            self.late.append((script, rest, given))
            raise QueueUnavailable("no way there", passing=True)
        reply = super().run(script, rest, meanwhile, **given)
        if luck < 0.02:
            raise QueueUnavailable("no way back", passing=True)
        if luck < 0.04 and script != "register_schedules":
            again = super().run(script, rest, meanwhile, **given)
            known = script == "record_missed" and again == 0
            assert again == reply or known or again == [b"known"]
        return reply

    def deliver(self) -> None:
        """Let a call arrive that was given up long ago."""
        script, rest, given = self.late.pop(self._random.randrange(len(self.late)))
        super().run(script, rest, **given)


class Year:
    """Three schedulers on one server."""

    def __init__(self, engine: Engine, random: Random) -> None:
        self._random = random
        self.wanted = schedules(random)
        self.road = Unlucky(random)
        self.engine = Engine(self.road)
        self._client, self._clock = engine.client.redis, self.road.keys("clock")
        listing = Listing(tuple(one.entry for one in self.wanted), ())
        self._schedulers = [
            SchedulePass(self.engine, f"scheduler-{number}", lambda: listing) for number in range(3)
        ]
        self.instants = sorted({at for one in self.wanted for at in one.times})
        self.looks = 0

    def live(self) -> None:
        """Let the year pass."""
        self.set_clock(BEGIN)
        self.look(BEGIN)
        now = BEGIN
        while (now := self._next_instant(now)) < END:
            self.set_clock(now)
            if self.road.late and self._random.random() < 0.1:
                self.road.deliver()
            self.look(now)

    def _next_instant(self, now: datetime) -> datetime:
        """Return when somebody looks next: mostly when something is due, or a little later."""
        place = bisect_right(self.instants, now)
        luck = self._random.random()
        if luck < 0.02:  # all were away
            return now + timedelta(seconds=round(self._random.uniform(60, 4 * 86_400)))
        due = self.instants[place] if place < len(self.instants) else END
        return due + timedelta(milliseconds=self._random.choice([0, 0, 20, 999, 30_000, 59_000]))

    def look(self, now: datetime) -> None:
        """Have some of the schedulers come by, until one has done its work."""
        done = False
        while not done:
            for scheduler in self._random.sample(self._schedulers, self._random.choice([1, 1, 2])):
                self.looks += 1
                try:
                    scheduler.run()
                except QueueUnavailable:
                    continue
                done = True
        for one in self.wanted:
            one.look(now)

    def set_clock(self, now: datetime) -> None:
        self._client.set(self._clock, to_ms(now))

    def fired(self) -> Counter[tuple[str, int]]:
        """Return the schedule and the time of all jobs that were stored."""
        client, keys = self._client, self.road.keys
        ids = client.zrange(keys("queued", "default"), 0, -1)
        pipe = client.pipeline(transaction=False)
        for job_id in ids:
            pipe.hmget(keys("job", job_id.decode()), "schedule", "nominal")
        return Counter((name.decode(), int(nominal)) for name, nominal in pipe.execute())
