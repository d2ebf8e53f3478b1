"""All that the verdict looks at, and why a run ended early."""

import math
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django_jobqueue.engine import Engine
from django_jobqueue.engine.keys import INDEXES
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.run import Run
from tests.chaos.faults import KINDS
from tests.chaos.flows_seen import FlowSeen, read_flows
from tests.chaos.jobs import Kind, Planned, number_of
from tests.chaos.load import Receipts
from tests.chaos.oracle import Line, Oracle
from tests.chaos.storm import END, Event
from tests.chaos.workers import Kill

MINUTE = 60_000  # ms
SLACK = 0.5  # seconds between a fault and what it does to a call that is under way
REPEAT = 2.5  # seconds in which a claim without reply has surely been repeated
CUTS = {kind.name for kind in KINDS.values() if kind.cuts}
BREAKS = {kind.name for kind in KINDS.values() if kind.breaks}
HOLDS = ("sleep", "delay")  # what was sent before them is done after them
DEAD_SLOT = ("slot_kill", "poison")
ENDED = ("worker_kill", "stop", END)  # a worker, and all that it runs
INTERRUPTED = {"recovered", "released"}  # outcomes of runs that another has to repeat


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise."""

    job: str  # id, or ""
    text: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was promised, what was done to it, and what is there now."""

    receipts: Receipts
    events: list[Event]  # poison jobs included
    oracle: Oracle
    jobs: dict[str, Job]  # all that are stored
    planned: dict[str, Planned]  # what each stored or acknowledged job is
    indexed: frozenset[str]  # ids that stand in any index
    totals: dict[str, int]
    counted: dict[str, int]  # event → how often, by the counters of all minutes
    flows: list[FlowSeen]
    inconsistent: list[str]
    strays: list[str]  # locks, places and parked entries without their jobs
    complaints: list[str]  # of workers
    kills: list[Kill]  # by supervisors, for what was run
    lease: float  # seconds
    drained: bool

    def cause(self, run: Run, start: Line | None) -> str:
        """Return the kind of fault that interrupted a run, or "" if there is none."""
        if (blow := self.blow(run, start)) is not None:
            return blow.kind
        if start is not None and self.kill_of(start) is not None:
            return "limit"
        # One that never started lost the reply to its claim, and the repeated claims after it.
        until = run.started_at / 1000 + REPEAT if start is None else run.finished_at / 1000
        cuts = (event for event in self.events if self._cuts(event, run.started_at / 1000, until))
        return next((event.kind for event in cuts), "")

    def blow(self, run: Run, start: Line | None) -> Event | None:
        """Return the last fault that hit a run's process, or its worker if it never started."""
        hits = (event for event in self.events if self._hit(event, run, start))
        return max(hits, key=lambda event: event.began, default=None)

    def kill_of(self, start: Line) -> Kill | None:
        """Return the kill by its supervisor of which a run died, the last of its process."""
        found = (kill for kill in self.kills if kill.pid == start.pid and kill.at >= start.at)
        kill = next(found, None)
        return kill if kill and self.oracle.last_start(kill.pid, kill.at) is start else None

    def died(self, run: Run, start: Line) -> bool:
        """Tell whether a fault killed the process of a run while it held its lease, or later.

        The latter explains only the silence of a run for whose lost lease there is a cause.
        """
        deaths = [
            event.began
            for event in self.events
            if (event.kind in DEAD_SLOT and start.pid in event.slots)
            or (event.kind in ENDED and event.worker == supervisor_of(run))
        ]
        if any(began - SLACK <= run.finished_at / 1000 for began in deaths):
            return True
        return bool(deaths) and self.cause(run, start) in {"freeze", *CUTS}

    def broke(self, began: float, ended: float) -> bool:
        """Tell whether scripts were stopped half-way in a time.

        What they write last may be missing then: the record of a run, and counts.
        """
        return any(
            event.kind in BREAKS and event.began - SLACK < ended and began < event.ended + SLACK
            for event in self.events
        )

    def broke_under(self, job: Job) -> bool:
        """Tell whether scripts were stopped half-way while a job was not final."""
        return self.broke(job.enqueued_at / 1000, (job.finished_at or math.inf) / 1000)

    def _hit(self, event: Event, run: Run, start: Line | None) -> bool:
        began, ended = run.started_at / 1000, run.finished_at / 1000
        # A worker that was asked to stop does nothing after that.
        is_before = event.began < began - SLACK and event.kind != "stop"
        if is_before and start is None:  # a claim may reach the server after its sender's death
            is_before = not self._held_up(event.began, began)
        if is_before or event.began > ended:
            return False
        if start is not None:
            return start.pid in event.slots
        # What a dead process held is given back by its supervisor, or by the first claim of its
        # successor: in any case before its lease ends.
        is_given_back = ended - began < self.lease or event.kind not in DEAD_SLOT
        return event.worker == supervisor_of(run) and is_given_back

    def _held_up(self, began: float, ended: float) -> bool:
        """Tell whether what was sent before a time was kept from the server until its end."""
        return any(
            event.kind in HOLDS and event.began - SLACK < began and ended < event.ended + SLACK
            for event in self.events
        )

    def _cuts(self, event: Event, began: float, until: float) -> bool:
        """Tell whether a fault cut the road in a time, for so long that a lease could end."""
        if event.kind not in CUTS or event.began > until or event.ended + SLACK < began:
            return False
        long = event.ended - event.began > self.lease / 2
        return long or event.kind in {"black_hole", "server_kill"}


def supervisor_of(run: Run) -> int:
    """Return the pid of the supervisor of a run."""
    return int(run.worker.split(":")[1])


def gather(
    engine: Engine,
    receipts: Receipts,
    load: dict[int, Planned],
    events: Iterable[Event],
    oracle: Oracle,
    *,
    inconsistent: list[str],
    strays: list[str],
    complaints: list[str],
    kills: list[Kill],
    lease: float,
    drained: bool,
) -> Evidence:
    """Read all jobs from the server, past the proxy."""
    indexed = frozenset(_indexed(engine))
    jobs = {}
    for job_id in indexed | set(receipts.jobs):
        try:
            jobs[job_id] = engine.inspector.job(job_id)
        except JobNotFound:
            continue
    planned = dict(receipts.jobs)
    for job in jobs.values():
        if job.id not in planned and job.payload is not None:
            planned[job.id] = load[number_of(engine, job.id, job.task, job.payload)]
    flows = read_flows(engine)
    known = {one for flow in flows if flow.record.id in receipts.flows for one in flow.ids}
    receipts.jobs |= {job_id: planned[job_id] for job_id in known if job_id in planned}
    return Evidence(
        receipts=receipts,
        events=sorted([*events, *_suicides(oracle, jobs, planned)], key=lambda e: e.began),
        oracle=oracle,
        jobs=jobs,
        planned=planned,
        indexed=indexed,
        totals=engine.inspector.totals(),
        counted=_counted(engine, jobs.values()),
        flows=flows,
        inconsistent=inconsistent,
        strays=strays,
        complaints=complaints,
        kills=kills,
        lease=lease,
        drained=drained,
    )


def _indexed(engine: Engine) -> Iterable[str]:
    keys, client = engine.client.keys, engine.client.redis
    for queue in engine.inspector.queues():
        for index in INDEXES:
            yield from (i.decode() for i in client.zrange(keys(index, queue), 0, -1))


def _counted(engine: Engine, jobs: Iterable[Job]) -> dict[str, int]:
    """Return the sums of the counters since the first job."""
    sums: Counter[str] = Counter()
    first = min((job.enqueued_at for job in jobs), default=0)
    for minute in range(first // MINUTE - 1, time.time_ns() // 10**6 // MINUTE + 2):
        for (event, _), count in engine.inspector.minute(minute).items():
            sums[event] += count
    return sums


def _suicides(oracle: Oracle, jobs: dict[str, Job], planned: dict[str, Planned]) -> Iterable[Event]:
    """Return the starts of poison jobs as what they are: a process is killed."""
    for line in oracle.lines:
        job = jobs.get(line.job)
        if line.what != "START" or job is None or planned[job.id].kind is not Kind.POISON:
            continue
        workers = [run.worker for run in job.runs if run.fence == line.fence]
        pid = int(workers[0].split(":")[1]) if workers else 0
        yield Event("poison", pid, frozenset([line.pid]), line.at, line.at)
