"""Random calls of what schedulers, operators and maintenance do to schedules."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from .world import World

QUEUES = ("a", "b", "c")
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def payload_of(job_id: str) -> str:
    """Return a text that is one of the record's fields for one half of the jobs."""
    is_small = int(job_id[-12:-2], 16) % 2  # the ids of a run are numbered
    return f"payload of {job_id}" + ("" if is_small else f", again {job_id}")


names = st.sampled_from(["n1", "n2", "n3"])
rules = st.sampled_from(["r1", "r1", "r2", "r3"])  # digests


class ScheduleRules(World):
    """The scripts of schedules."""

    @rule(
        scheduler=st.sampled_from(["s1", "s2"]),
        schedules=st.lists(st.tuples(names, rules), max_size=3, unique_by=lambda pair: pair[0]),
    )
    def register(self, scheduler: str, schedules: list[tuple[str, str]]) -> None:
        words = tuple(word for pair in schedules for word in pair)
        self.ask("register_schedules", words, scheduler=scheduler)

    @rule(
        name=names,
        rule=rules,
        queue=st.sampled_from(QUEUES),
        due=st.sampled_from(["", "", "+5000"]),
        unique=st.sampled_from(["", "", "aa done", "ac +60000"]),
        later=st.sampled_from([-MINUTE, 0, 1, 1000, 2000]),
        overlap=st.sampled_from(["allow", "skip"]),
        registered=st.sampled_from([True, True, False]),
    )
    def fire(
        self,
        name: str,
        rule: str,
        queue: str,
        due: str,
        unique: str,
        later: int,
        overlap: str,
        registered: bool,
    ) -> None:
        """A scheduler fires a time that it thinks is due, and may have slept before that."""
        if registered:
            self.register("s1", [(name, rule)])
        nominal = (self.model.since_of(name, rule) or self.model.now) + later
        job_id = self.new_id()
        more = (*(("unique", unique) if unique else ()), "schedule", name)
        job = (job_id, queue, "a.b", 0, due, payload_of(job_id), len(more), *more)
        self.ask("fire", job, name=name, rule=rule, nominal=nominal, overlap=overlap)

    fire_too = fire  # what schedulers do most

    @rule(name=names, rule=rules, since=st.sampled_from([0, 0, 0, 1]), count=st.integers(1, 3))
    def record_missed(self, name: str, rule: str, since: int, count: int) -> None:
        known = (self.model.since_of(name, rule) or 0) - since
        given = {"since": known, "nominal": known + 1000 * count, "count": count}
        self.ask("record_missed", name=name, rule=rule, **given)

    @rule(name=names, queue=st.sampled_from(QUEUES), unique=st.sampled_from(["", "aa done"]))
    def run_now(self, name: str, queue: str, unique: str) -> None:
        job_id = self.new_id()
        more = (*(("unique", unique) if unique else ()), "schedule", name)
        job = (job_id, queue, "a.b", 0, "", payload_of(job_id), len(more), *more)
        self.ask("run_now", job, name=name)

    @rule(name=names | st.just(""), unseen=st.sampled_from([MINUTE, DAY, 30 * DAY]))
    def forget_schedule(self, name: str, unseen: int) -> None:
        self.ask("forget_schedule", name=name, unseen=unseen, gone=HOUR)
