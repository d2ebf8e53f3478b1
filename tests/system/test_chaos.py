"""A short storm over real servers and workers, and proof that the verdict sees what is wrong."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from django_jobqueue import Rate
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import NoJob, Slot
from django_jobqueue.flow.signatures import EVENTS
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome, State
from embedded.tether import tethered
from tests.chaos import ends, faults, flows, tasks
from tests.chaos.aftermath import inconsistencies, strays, trim_all
from tests.chaos.evidence import gather
from tests.chaos.features import NARROW, Feature
from tests.chaos.flows import PlannedFlow
from tests.chaos.flows_seen import read_flows
from tests.chaos.jobs import Kind, Planned, by_number, new_job
from tests.chaos.load import CallOff, Receipts
from tests.chaos.options import Options
from tests.chaos.oracle import Oracle
from tests.chaos.storm import Event
from tests.chaos.verdict import CHECKS, judge
from tests.chaos.workers import Kill
from tests.support.clock import Clock
from tests.support.places import parts_of
from tests.support.processes import PATIENCE, ROOT

SHORT = ["--jobs", "300", "--minutes", "0.3", "--threads", "4", "--drain", "60"]


def test_a_short_storm_breaks_no_promise(chaos_seed: int) -> None:
    """Each kind of fault once, 300 jobs: all of them end as they should."""
    command = [sys.executable, "-m", "tests.chaos", *SHORT, "--seed", str(chaos_seed)]
    done = subprocess.run(
        tethered(command, signal.SIGKILL),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
    )
    print(done.stderr)  # noqa: T201 - shown if the test fails
    assert done.returncode == 0, f"CHAOS_SEED={chaos_seed}\n{done.stdout}"
    assert "| acknowledged jobs | 300 |" in done.stdout


def test_a_short_storm_counts_exactly(chaos_seed: int) -> None:
    """300 jobs, half of them atomic: each of these has added one."""
    command = [sys.executable, "-m", "tests.chaos", *SHORT, "--seed", str(chaos_seed)]
    done = subprocess.run(
        tethered([*command, "--counting", "sqlite", "--workers", "2"], signal.SIGKILL),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
    )
    print(done.stderr)  # noqa: T201 - shown if the test fails
    assert done.returncode == 0, f"CHAOS_SEED={chaos_seed}\n{done.stdout}"
    assert "Atomic: 150 jobs, 150 succeeded, sum 150. Plain: 150 jobs" in done.stderr + done.stdout


def test_the_seed_decides_load_and_faults(chaos_seed: int) -> None:
    """The same seed gives the same plan; faults end in time, one at a time on the road."""
    for number in range(chaos_seed, chaos_seed + 50):
        options = Options(jobs=100, seed=number, minutes=0.3)
        one, two = (flows.plan(options, random.Random(number)) for _ in range(2))
        assert one == two
        features = Counter(feature for call in one for job in call for feature in job.features)
        assert min(features[feature] for feature in Feature) >= 5
        kinds = list(faults.KINDS)
        found = faults.plan(options, random.Random(number), kinds)
        assert found == faults.plan(options, random.Random(number), kinds)
        assert all(fault.end <= options.seconds for fault in found)
        road = [fault for fault in found if faults.KINDS[fault.kind].of_road]
        assert all(a.end < b.at for a, b in pairwise(road))
        assert len({fault.kind for fault in found}) >= len(kinds) - 3


# ── The verdict ──────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Past:
    """Jobs that a worker ran, driven by hand, with all that the verdict asks for."""

    engine: Engine
    file: Path
    clock: Clock  # the server's
    slot: Slot = field(default_factory=lambda: Slot("host:4711:aaaa", "0.0"))
    receipts: Receipts = field(default_factory=Receipts)
    events: list[Event] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    load: dict[int, Planned] = field(default_factory=dict)  # of workflows, by number
    passed: float = 0.0  # seconds that did not really pass
    claimed: Job = field(init=False)  # last

    def store(self, planned: Planned) -> str:
        job = new_job(self.engine, planned)
        self.engine.jobs.enqueue([job])
        self.receipts.jobs[job.id] = planned
        return job.id

    def start(self, *, silently: bool = False, queue: str = "default") -> tuple[str, str]:
        """Claim a job and start it, as the process 99 does; return id and fence."""
        found = self.engine.claims.claim(self.slot, [queue])
        assert not isinstance(found, NoJob), found
        self.claimed = found
        if not silently:
            self.write("START", found.id, found.fence)
        return found.id, found.fence

    def run(self, *, takes: float = 0.01) -> str:
        """Run the next job with success; return its id."""
        job, _ = self.start()
        self.wait(takes)
        self.end()
        return job

    def run_flow(self, *, fails: bool = False) -> tuple[str, dict[str, str]]:
        """Run a chain of two with all callbacks; return its id, and those of its jobs by name."""
        number = 10 + len(self.load)
        first = replace(PLAIN, number=number)
        if fails:
            first = replace(first, kind=Kind.RETRY, state=State.FAILED)
        events = zip(EVENTS, range(number + 2, number + 5), strict=True)
        flow = PlannedFlow(
            feature=Feature.CHAIN,
            members=(
                replace(first, task=tasks.stumble, argument=1),
                replace(PLAIN, number=number + 1, task=tasks.relay, argument=0),
            ),
            callbacks={one: replace(PLAIN, number=n, task=tasks.hear) for one, n in events},
            if_failed="stop",
        )
        workflow = flow.build().enqueue().id
        self.receipts.flows.add(workflow)
        self.load |= by_number([flow])
        (seen,) = [one for one in read_flows(self.engine) if one.record.id == workflow]
        first_two = [member.id for member in seen.members]
        for run in range(3 if fails else 4):
            self.start()
            self.wait(0.01)
            self.end(*(("failed", "FAIL", "exception") if fails and not run else ()))
        return workflow, dict(zip(("first", "second"), first_two, strict=True)) | seen.callbacks

    def end(self, outcome: str = "succeeded", line: str = "END", reason: str = "") -> None:
        """Settle what was started last."""
        job = self.claimed
        if line:
            self.write(line, job.id, job.fence)
        timed_out = line != "FAIL" and outcome in {"retried", "failed"}
        settled = RunResult(
            Outcome(outcome),
            value=f'"{job.fence}"'.encode() if outcome == "succeeded" else b"",
            reason=reason,
            exception=ends.TIMED_OUT if timed_out else "",
        )
        verdict, _, _ = self.engine.claims.finish(self.slot, job, settled, [])
        assert verdict in {"ok", "cancelled"}

    def note(self, what: str) -> None:
        self.write(what, self.claimed.id, self.claimed.fence)

    def write(self, what: str, job: str, fence: str, pid: int = 99) -> None:
        with self.file.open("a") as file:
            file.write(f"{what} {job} {fence} 1 {pid} {self.now}\n")

    @property
    def now(self) -> float:
        return time.time() + self.passed

    def wait(self, seconds: float) -> None:
        self.clock.move(seconds)
        self.passed += seconds

    def overrun(self) -> None:
        """Let a run be interrupted after its time."""
        self.store(replace(PLAIN, kind=Kind.OVERRUN, task=tasks.overrun))
        self.start()
        self.wait(tasks.TIMEOUT + 0.01)
        self.note("TIMEOUT")

    def kill(self) -> None:
        """Let the process that runs a job be killed for it."""
        self.kills.append(Kill(4711, 99, self.now, "timed_out"))

    def call_off(self, *, dies: bool = False) -> str:
        """Let a running job be cancelled; return its id."""
        job = self.store(replace(PLAIN, kind=Kind.CALLED_OFF, task=tasks.stay))
        self.start()
        call = self.receipts.called_off[job] = CallOff(self.now)
        call.state = self.engine.jobs.cancel(job)
        call.answered = self.now
        self.note("CANCEL")
        if dies:
            self.die()
        else:
            self.end("cancelled", "LEFT", "cancelled")
        return job

    def die(self) -> None:
        """Let the slot's process be killed."""
        self.events.append(Event("slot_kill", 4711, frozenset([99]), self.now, self.now))
        self.lose()

    def lose(self) -> None:
        """Let the slot's process die with its job, as its supervisor sees it."""
        self.engine.leases.release_slot(self.slot, lost=True, reason="killed_9")

    def verdict(self) -> dict[str, int]:
        """Return each check that found something, and how much."""
        oracle = Oracle(self.file)
        evidence = gather(
            self.engine,
            self.receipts,
            self.load,
            self.events,
            oracle,
            inconsistent=inconsistencies(self.engine),
            strays=strays(self.engine),
            complaints=self.complaints,
            kills=self.kills,
            lease=self.engine.options.lease,
            drained=True,
        )
        return {says: len(found) for says, found in judge(evidence).items() if found}


PLAIN = Planned(number=1, kind=Kind.NOOP, queue="default", priority=0, task=tasks.quick)


EXPIRING = replace(PLAIN, features=frozenset([Feature.EXPIRES]), expires=30)


def having(*features: Feature, **given: Any) -> Planned:
    return replace(PLAIN, features=frozenset(features), **given)


def limited_past(past: Past) -> None:
    """Jobs that waited for a key, a rate or a queue, a skipped one, and one for a newer one."""
    for feature in (Feature.WAIT, Feature.RATE, Feature.RATE):
        past.store(having(feature))
        past.store(having(feature))
        past.run()
        past.run()
        past.wait(1)
    past.store(having(Feature.SKIP))
    past.store(having(Feature.SKIP))
    past.start()
    past.slot, slot = Slot("host:4711:aaaa", "0.1"), past.slot
    assert isinstance(past.engine.claims.claim(past.slot, ["default"]), NoJob)
    past.slot = slot
    past.end()
    past.store(having(Feature.CANCEL_OLDER))
    past.wait(0.01)
    past.store(having(Feature.CANCEL_OLDER))
    past.run()


@pytest.fixture
def past(engine: Engine, clock: Clock, tmp_path: Path) -> Iterator[Past]:
    """A past without fault: a success, a retry, a run lost with its process, a cancellation.

    And runs that were ended: one for its time, at first asked and then killed, two called off, of
    which one dies of that. And jobs that expire: one was started in time.
    """
    past = Past(engine, tmp_path / "oracle", clock)
    for late in (False, True):
        past.store(EXPIRING)
        past.wait(60 * late)
        if not late:
            past.start()
            past.end()
    assert isinstance(engine.claims.claim(Slot("worker-9", "0.0"), ["default"]), NoJob)
    for attempts in (1, 2):
        past.store(replace(PLAIN, attempts=attempts))
        for _ in range(attempts - 1):
            past.start()
            past.end("retried", "FAIL")
        past.start()
        past.end()
    past.overrun()
    past.end("retried", "LEFT")
    past.start()
    past.wait(tasks.TIMEOUT + tasks.KILL_GRACE + 0.01)
    past.kill()
    past.end("failed", "", "timed_out")
    past.call_off()
    past.call_off(dies=True)
    limited_past(past)
    past.run_flow()
    past.run_flow(fails=True)
    past.store(PLAIN)
    past.start()
    past.die()
    past.start()
    past.end()
    job = past.store(replace(PLAIN, kind=Kind.CANCELLED, after=60))
    assert engine.jobs.cancel(job) == State.CANCELLED
    past.receipts.cancelled.add(job)
    yield past
    engine.client.redis.flushall()  # the damage is not the engine's


def test_a_past_without_fault_is_acquitted(past: Past) -> None:
    """Retries, recoveries and cancellations are no violations."""
    assert past.verdict() == {}


def leave_no_record(past: Past) -> tuple[float, float]:
    """Let a run end without a record, as if that were refused; return from when to when."""
    past.store(replace(PLAIN, attempts=2))
    began = past.now
    past.start()
    past.end("retried", "FAIL")
    past.engine.client.redis.rpop(past.engine.client.keys("attempts", past.claimed.id))
    past.start()
    past.end()
    return began, past.now


def test_a_record_may_be_missing_if_a_script_broke(past: Past) -> None:
    """The events of the storm tell whether one did, at that time."""
    began, ended = leave_no_record(past)
    found = {"runs that are not on record": 1, "jobs in a wrong final state": 1}
    assert past.verdict() == found
    past.events.append(Event("acl", began=began - 60, ended=began - 1))
    assert past.verdict() == found
    past.events.append(Event("acl", began=began, ended=ended))
    assert past.verdict() == {}


def test_a_claim_may_reach_the_server_after_the_death_of_who_sent_it(past: Past) -> None:
    """If something held it up between them; the supervisor gives the job back within its lease."""
    died = past.now
    past.wait(5)
    lose_a_claim(past)
    past.events.append(Event("slot_kill", 4712, frozenset([98]), died, died))
    assert past.verdict() == {"claims lost though nobody died": 1}
    past.events.append(Event("sleep", began=died - 1, ended=died + 1))
    assert past.verdict() == {"claims lost though nobody died": 1}
    past.events[-1].ended = past.now
    assert past.verdict() == {}


def test_what_broken_scripts_leave_goes_with_the_trim(past: Past) -> None:
    """A second place, until then; a job that nobody knows, for ever; nothing else."""
    client, keys = past.engine.client.redis, past.engine.client.keys
    job = next(iter(past.receipts.jobs))
    client.zadd(keys("cancelled", "default"), {job: 1})
    unknown = new_job(past.engine, PLAIN)
    past.engine.jobs.enqueue([unknown])
    client.zrem(keys("queued", "default"), unknown.id)
    client.zrem(keys("work"), "default")
    assert len(inconsistencies(past.engine)) == 2
    assert inconsistencies(past.engine, broken=True) == []
    rest = trim_all(past.engine, broken=True)
    assert (rest.faults, rest.remains) == ([], 1)  # its payload is in its record


def test_what_the_trim_leaves_is_found(past: Past) -> None:
    client, keys = past.engine.client.redis, past.engine.client.keys
    job = next(iter(past.receipts.jobs))
    client.zadd(keys("failed-of", "a.b"), {job: 1})
    assert inconsistencies(past.engine, broken=True) == []
    assert len(trim_all(past.engine, broken=True).faults) > 0


def lose_record(past: Past) -> None:
    job = next(iter(past.receipts.jobs))
    past.engine.client.redis.delete(*parts_of(past.engine.client.keys, job))


def lose_place(past: Past) -> None:
    job = next(iter(past.receipts.jobs))
    past.engine.client.redis.zrem(past.engine.client.keys("succeeded", "default"), job)


def forget_a_job_that_ran(past: Past) -> None:
    lose_record(past)
    lose_place(past)
    del past.receipts.jobs[next(iter(past.receipts.jobs))]


def put_into_two_places(past: Past) -> None:
    job = next(iter(past.receipts.jobs))
    past.engine.client.redis.zadd(past.engine.client.keys("queued", "default"), {job: 1})


def leave_one_running(past: Past) -> None:
    past.store(PLAIN)
    past.start()


def use_a_fence_twice(past: Past) -> None:
    past.store(PLAIN)
    past.write("START", *past.start())
    past.end()


def run_a_cancelled_one(past: Past) -> None:
    (job,) = past.receipts.cancelled
    past.write("START", job, "1-x")


def run_off_the_record(past: Past) -> None:
    past.write("START", past.claimed.id, "7-x")


def record_twice(past: Past) -> None:
    key = past.engine.client.keys("attempts", past.claimed.id)
    (record,) = past.engine.client.redis.lrange(key, -1, -1)
    past.engine.client.redis.rpush(key, record)


def count_twice(past: Past) -> None:
    past.engine.client.redis.hincrby(past.engine.client.keys("totals"), "recovered", 1)


def end_by_an_old_run(past: Past) -> None:
    key = past.engine.client.keys("job", past.claimed.id)
    past.engine.client.redis.hset(key, "fence", "7-x")


def keep_the_result_of_an_old_run(past: Past) -> None:
    past.engine.client.redis.set(past.engine.client.keys("result", past.claimed.id), '"1-x"')


def end_otherwise_than_planned(past: Past) -> None:
    past.receipts.jobs[past.claimed.id] = replace(PLAIN, state=State.FAILED)


def cut_off_the_end(past: Past) -> None:
    lines = past.file.read_text().splitlines()
    past.file.write_text("\n".join(lines[:-1]) + "\n")


def lose_a_claim(past: Past) -> None:
    past.slot = Slot("host:4712:bbbb", "0.0")  # nothing has hit this one
    past.store(PLAIN)
    past.start(silently=True)
    past.lose()
    past.start()
    past.end()


def claim_a_cancelled_one(past: Past) -> None:
    past.receipts.called_off[past.call_off()].answered = 0.0


def fail_for_another_reason(past: Past) -> None:
    past.overrun()
    past.end("failed", "LEFT", "exception")


def count_an_attempt_twice(past: Past) -> None:
    past.overrun()
    past.end()
    past.engine.client.redis.hset(past.engine.client.keys("job", past.claimed.id), "attempts", 2)


def time_out_in_silence(past: Past) -> None:
    past.kills.clear()


def interrupt_a_bystander(past: Past) -> None:
    past.note("LEFT")


def time_out_too_early(past: Past) -> None:
    past.store(replace(PLAIN, kind=Kind.OVERRUN, task=tasks.overrun))
    past.start()
    past.note("TIMEOUT")
    past.end()


def settle_a_bystander(past: Past) -> None:
    past.store(PLAIN)
    past.start()
    past.end("cancelled", "FAIL", "cancelled")


def kill_a_bystander(past: Past) -> None:
    past.store(PLAIN)
    past.start()
    past.kill()
    past.end()


def kill_after_the_end(past: Past) -> None:
    past.overrun()
    past.end()
    past.wait(tasks.KILL_GRACE)
    past.kill()


def kill_too_early(past: Past) -> None:
    past.overrun()
    past.kill()
    past.end("retried", "LEFT")
    past.start()
    past.end()


def break_off(past: Past) -> None:
    past.store(PLAIN)
    past.write("START", *past.start(silently=True), pid=98)
    past.lose()
    past.start()
    past.end()


def run_on_after_its_time(past: Past) -> None:
    past.overrun()
    past.wait(60)
    past.end()


def run_on_though_called_off(past: Past) -> None:
    job = past.store(replace(PLAIN, kind=Kind.CALLED_OFF, task=tasks.stay))
    past.start()
    past.receipts.called_off[job] = CallOff(past.now, past.now, past.engine.jobs.cancel(job))
    past.wait(60)
    past.end()


def start_too_late(past: Past) -> None:
    """The record says that it had expired before."""
    job = past.store(EXPIRING)
    past.start()
    past.end()
    past.engine.client.redis.hset(past.engine.client.keys("job", job), "expires", "1")


def expire_too_early(past: Past) -> None:
    job = past.store(EXPIRING)
    assert past.engine.jobs.cancel(job, "expired") == State.CANCELLED


def expire_though_it_ran(past: Past) -> None:
    job = past.store(EXPIRING)
    past.wait(60)
    assert past.engine.jobs.cancel(job, "expired") == State.CANCELLED
    past.write("START", job, "1-x")


def store_two_of_a_key(past: Past) -> None:
    for _ in range(2):
        past.store(having(Feature.UNIQUE, number=3))
        past.engine.client.redis.delete(past.engine.client.keys("unique"))
    past.wait(0.01)  # times are whole milliseconds, and an end at that of the storing is none
    for _ in range(2):
        past.start()
        past.end()


def hold_a_key_twice(past: Past) -> None:
    past.store(having(Feature.WAIT))
    past.store(having(Feature.WAIT))
    past.start()
    past.wait(0.01)
    for name in ("wait:0", "wide:0"):
        past.engine.client.redis.delete(past.engine.client.keys("places", name))
    first, past.slot = (past.slot, past.claimed), Slot("host:4711:aaaa", "0.1")
    past.run()
    past.slot, past.claimed = first
    past.end()


def fill_a_queue(past: Past) -> None:
    """The limit is that of the storm's workers; here none counts."""
    runs = []
    for number in range(6):
        past.store(having(Feature.NARROW, queue=NARROW))
        past.slot = Slot("host:4711:aaaa", f"0.{number}")
        past.start(queue=NARROW)
        runs.append((past.slot, past.claimed))
    past.wait(0.01)
    for past.slot, past.claimed in runs:
        past.end()


def start_too_often(past: Past) -> None:
    for _ in range(6):
        past.store(having(Feature.RATE))
        past.run()
        past.engine.client.redis.delete(past.engine.client.keys("starts", "api:0"))


def use_little_of_a_rate(past: Past) -> None:
    task = tasks.quick.using(rate=Rate("10/s", key="pace:10/s", burst=1))
    for _ in range(3):
        past.store(replace(PLAIN, task=task))
        past.run()
        past.wait(0.2)


def skip_for_nothing(past: Past) -> None:
    job = past.store(having(Feature.SKIP, lane=1))
    assert past.engine.jobs.cancel(job, "limit") == State.CANCELLED


def supersede_for_nothing(past: Past) -> None:
    job = past.store(having(Feature.CANCEL_OLDER, lane=1))
    assert past.engine.jobs.cancel(job, "superseded") == State.CANCELLED


def start_an_older_one(past: Past) -> None:
    for _ in range(2):
        past.store(having(Feature.CANCEL_OLDER, lane=1))
        past.engine.client.redis.delete(past.engine.client.keys("older", "newest:1"))
        past.wait(0.01)
    past.run()
    past.run()


def leave_a_lock(past: Past) -> None:
    job = past.store(having(Feature.UNIQUE))
    past.run()
    digest = past.engine.inspector.job(job).unique.split()[0]
    past.engine.client.redis.hset(past.engine.client.keys("unique"), digest, job)


def leave_a_place(past: Past) -> None:
    past.engine.client.redis.zadd(past.engine.client.keys("places", "wait:0"), {"unknown": 1})


def leave_a_parked_entry(past: Past) -> None:
    past.engine.client.redis.zadd(past.engine.client.keys("parked", "x"), {past.claimed.id: 1})


def end_a_workflow_wrongly(past: Past) -> None:
    flow, _ = past.run_flow()
    past.engine.client.redis.hset(past.engine.client.keys("workflow", flow), "state", "cancelled")


def count_a_failure_twice(past: Past) -> None:
    flow, _ = past.run_flow(fails=True)
    past.engine.client.redis.zadd(past.engine.client.keys("workflow-failed", flow), {"9": 0})


def run_unsealed(past: Past) -> None:
    flow, _ = past.run_flow(fails=True)
    key = past.engine.client.keys("workflow", flow)
    past.engine.client.redis.hset(key, mapping={"state": "cancelled", "cancel": "unsealed"})


def begin_before_its_parent_ends(past: Past) -> None:
    _, jobs = past.run_flow()
    key = past.engine.client.keys("job", jobs["second"])
    past.engine.client.redis.hset(key, "attempted_at", "1")


def run_after_a_failure(past: Past) -> None:
    _, jobs = past.run_flow(fails=True)
    past.write("START", jobs["second"], "1-x")


def stop_for_nothing(past: Past) -> None:
    _, jobs = past.run_flow()
    key = past.engine.client.keys("job", jobs["second"])
    past.engine.client.redis.hset(key, "reason", "parent:x")


def miss_a_callback(past: Past) -> None:
    _, jobs = past.run_flow()
    key = past.engine.client.keys("job", jobs["on_done"])
    past.engine.client.redis.hset(key, "state", "failed")


def call_in_vain(past: Past) -> None:
    _, jobs = past.run_flow()
    past.write("START", jobs["on_failure"], "1-x")


def lose_a_workflow(past: Past) -> None:
    past.receipts.flows.add("unknown")


def end_unasked(past: Past) -> None:
    past.complaints.append("worker-1 ended with code 1")


DAMAGE: list[tuple[Callable[[Past], None], str]] = [
    (lose_record, "jobs that are lost"),
    (lose_place, "jobs that are lost"),
    (forget_a_job_that_ran, "jobs that are lost"),
    (put_into_two_places, "inconsistencies among the keys"),
    (leave_one_running, "jobs that are not final"),
    (use_a_fence_twice, "fences used twice"),
    (run_a_cancelled_one, "jobs started though acknowledged as cancelled"),
    (start_too_late, "jobs started too late, or ended too early, by what they expire"),
    (expire_too_early, "jobs started too late, or ended too early, by what they expire"),
    (expire_though_it_ran, "jobs started too late, or ended too early, by what they expire"),
    (run_off_the_record, "jobs with more starts than attempts, recoveries and releases"),
    (run_off_the_record, "runs that are not on record"),
    (record_twice, "runs recorded twice"),
    (count_twice, "events counted twice"),
    (end_by_an_old_run, "jobs ended by a run that had lost its lease"),
    (keep_the_result_of_an_old_run, "jobs ended by a run that had lost its lease"),
    (end_otherwise_than_planned, "jobs in a wrong final state"),
    (cut_off_the_end, "finished jobs whose run did not reach its end"),
    (lose_a_claim, "claims lost though nobody died"),
    (claim_a_cancelled_one, "jobs started though acknowledged as cancelled"),
    (fail_for_another_reason, "jobs in a wrong final state"),
    (count_an_attempt_twice, "jobs in a wrong final state"),
    (time_out_in_silence, "finished jobs whose run did not reach its end"),
    (interrupt_a_bystander, "runs interrupted without reason"),
    (time_out_too_early, "runs interrupted without reason"),
    (settle_a_bystander, "runs interrupted without reason"),
    (kill_a_bystander, "kills that hit another run"),
    (kill_after_the_end, "kills that hit another run"),
    (kill_too_early, "kills that hit another run"),
    (break_off, "runs that broke off though nobody killed them"),
    (run_on_after_its_time, "runs that outlived their limit or a cancellation"),
    (run_on_though_called_off, "runs that outlived their limit or a cancellation"),
    (store_two_of_a_key, "unique jobs stored while another one was open"),
    (hold_a_key_twice, "keys and queues of which more jobs held leases than may"),
    (fill_a_queue, "keys and queues of which more jobs held leases than may"),
    (start_too_often, "windows with more starts than their rate"),
    (use_little_of_a_rate, "rates not used though jobs waited and slots were free"),
    (skip_for_nothing, "jobs skipped or superseded without reason, or not"),
    (supersede_for_nothing, "jobs skipped or superseded without reason, or not"),
    (start_an_older_one, "jobs skipped or superseded without reason, or not"),
    (leave_a_lock, "locks, places and entries of keys without their jobs"),
    (leave_a_place, "locks, places and entries of keys without their jobs"),
    (leave_a_parked_entry, "locks, places and entries of keys without their jobs"),
    (end_a_workflow_wrongly, "workflows with a wrong end"),
    (count_a_failure_twice, "workflows with a wrong end"),
    (run_unsealed, "workflows with a wrong end"),
    (begin_before_its_parent_ends, "members of workflows out of their turn"),
    (run_after_a_failure, "members of workflows out of their turn"),
    (stop_for_nothing, "members of workflows out of their turn"),
    (miss_a_callback, "callbacks missing, or called in vain"),
    (lose_a_workflow, "workflows with a wrong end"),
    (call_in_vain, "callbacks missing, or called in vain"),
    (end_unasked, "workers that ended unasked, or not as asked"),
]


@pytest.mark.parametrize(
    ("damage", "check"), DAMAGE, ids=lambda value: getattr(value, "__name__", "")
)
def test_the_verdict_sees(damage: Callable[[Past], None], check: str, past: Past) -> None:
    """Each kind of damage is found by its check."""
    damage(past)
    assert past.verdict().get(check) == 1, past.verdict()


def test_each_check_is_tried() -> None:
    """No check is there that never found anything."""
    assert {check for _, check in DAMAGE} == set(CHECKS)
