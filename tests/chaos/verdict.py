"""The promises, each as a check that yields every case where it was broken."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise

from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.run import Run
from django_jobqueue.jobs.states import Reason, State
from tests.chaos import ends, flows_judged, kept
from tests.chaos.evidence import INTERRUPTED, Evidence, Violation
from tests.chaos.jobs import Kind, Planned

MOST_RUNS = 20  # records of runs that a job keeps
POISON_RECOVERIES = 3  # max_recoveries and the one too many
REASONS = {
    Kind.OVERRUN: "timed_out",
    Kind.CALLED_OFF: "cancelled",
}  # unless it succeeds


Check = Callable[[Evidence], Iterator[Violation]]


def judge(evidence: Evidence) -> dict[str, list[Violation]]:
    """Return what each check found; all lists must be empty."""
    return {says: list(check(evidence)) for says, check in CHECKS.items()}


def _lost(evidence: Evidence) -> Iterator[Violation]:
    for job_id in evidence.receipts.jobs:
        if job_id not in evidence.jobs:
            yield Violation(job_id, "it was acknowledged, and there is no record of it")
        elif job_id not in evidence.indexed:
            yield Violation(job_id, "it was acknowledged, and stands in no index")
    for job_id in {line.job for line in evidence.oracle.lines} - set(evidence.receipts.jobs):
        if job_id not in evidence.jobs:
            yield Violation(job_id, "it ran, and there is no record of it")


def _inconsistent(evidence: Evidence) -> Iterator[Violation]:
    for text in evidence.inconsistent:
        yield Violation("", text)


def _not_final(evidence: Evidence) -> Iterator[Violation]:
    if not evidence.drained:
        yield Violation("", "not all of the load was stored and final in time")
    for job in evidence.jobs.values():
        if not job.state.is_final:
            yield Violation(job.id, f"it is {job.state} at the end")


def _fence_used_twice(evidence: Evidence) -> Iterator[Violation]:
    starts = [(x.job, x.fence) for x in evidence.oracle.lines if x.what == "START"]
    for (job_id, fence), times in Counter(starts).items():
        if times > 1:
            yield Violation(job_id, f"{times} runs have the fence {fence}")


def _ran_though_cancelled(evidence: Evidence) -> Iterator[Violation]:
    for job_id in evidence.receipts.cancelled:
        job = evidence.jobs.get(job_id)
        if job and kept.newer(evidence, job):
            continue  # the call came late, and a newer job had ended its run
        if starts := evidence.oracle.starts(job_id):
            yield Violation(job_id, f"it was cancelled, and started at {starts[0].at:.3f}")
    for job_id, call in evidence.receipts.called_off.items():
        for run in evidence.jobs[job_id].runs if job_id in evidence.jobs else ():
            if run.started_at / 1000 > call.answered:
                yield Violation(job_id, f"it was called off, and run {run.fence} claimed later")


def _ran_though_expired(evidence: Evidence) -> Iterator[Violation]:
    """The first claim is in time, and who ends a job as expired does not so early."""
    for job in evidence.jobs.values():
        if job.expires_at is None:
            continue
        if job.started_at and job.started_at >= job.expires_at:
            yield Violation(job.id, f"it was started {job.started_at - job.expires_at} ms too late")
        if job.reason == "expired" and (job.finished_at or 0) < job.expires_at:
            yield Violation(job.id, "it was ended before it expired")
        if job.reason == "expired" and evidence.oracle.starts(job.id):
            yield Violation(job.id, "it expired, and had run")


def _too_many_runs(evidence: Evidence) -> Iterator[Violation]:
    """Each claim ends as one attempt, one recovery or one release, so there are no more starts."""
    for job in evidence.jobs.values():
        released = sum(run.outcome == "released" for run in job.runs)
        bound = job.attempts + job.recoveries + released + (not job.state.is_final)
        if evidence.broke_under(job):
            bound += _unrecorded(job)
        starts = len(evidence.oracle.starts(job.id))
        if starts > bound and len(job.runs) < MOST_RUNS:
            yield Violation(
                job.id,
                f"{starts} starts; {job.attempts} attempts, {job.recoveries} recoveries and "
                f"{released} releases explain {bound}",
            )


def _run_without_record(evidence: Evidence) -> Iterator[Violation]:
    for job in evidence.jobs.values():
        if not job.state.is_final or len(job.runs) >= MOST_RUNS:
            continue
        known = {run.fence for run in job.runs}
        starts = evidence.oracle.starts(job.id)
        ends = [line.at for line in starts[1:]] + [(job.finished_at or 0) / 1000]
        for line, end in zip(starts, ends, strict=False):
            if line.fence not in known and not evidence.broke(line.at, end):
                yield Violation(job.id, f"the run with fence {line.fence} is not on record")


def _ended_by_an_old_run(evidence: Evidence) -> Iterator[Violation]:
    for job in evidence.jobs.values():
        if not job.state.is_final or not job.fence:
            continue
        if not job.runs or not _is_fence_of(job, job.runs[-1]):
            if not evidence.broke((job.attempted_at or 0) / 1000, (job.finished_at or 0) / 1000):
                says = f"its last claim has fence {job.fence}, its last run another"
                yield Violation(job.id, says)
        elif job.state is State.SUCCEEDED and job.result != f'"{job.fence}"'.encode():
            yield Violation(job.id, f"its result is {job.result!r}, its fence {job.fence}")


def _is_fence_of(job: Job, run: Run) -> bool:
    """Tell whether a job's fence is that of a run; a recovery leaves only the run's number."""
    number, dash, _ = run.fence.partition("-")
    return job.fence == run.fence or (run.outcome in INTERRUPTED and job.fence == number + dash)


def _wrong_state(evidence: Evidence) -> Iterator[Violation]:
    for job in evidence.jobs.values():
        if not job.state.is_final:
            continue
        planned = evidence.planned.get(job.id)
        expected = _expected(evidence, job, planned)
        if kept.may_end(job, planned):
            expected = [(job.state, job.attempts)]
        if (job.state, job.attempts) not in expected:
            kind = planned.kind if planned else "unknown"
            found = f"{job.state} after {job.attempts} attempts"
            yield Violation(job.id, f"{kind}: {found}, not one of {expected}")
        elif job.state is not State.SUCCEEDED and job.reason != _reason(job, planned):
            yield Violation(job.id, f"it {job.state}, by its record for {job.reason!r}")
        elif not _attempts_are_runs(evidence, job):
            yield Violation(job.id, f"{job.attempts} attempts are not those of its runs")
        elif kept.may_end(job, planned):
            continue
        elif _is_poison(evidence, job) and job.recoveries != POISON_RECOVERIES:
            yield Violation(job.id, f"poison failed after {job.recoveries} recoveries")


def _attempts_are_runs(evidence: Evidence, job: Job) -> bool:
    more = job.attempts - sum(run.counts for run in job.runs)
    most = _unrecorded(job) if evidence.broke_under(job) else 0
    return len(job.runs) >= MOST_RUNS or 0 <= more <= most


def _unrecorded(job: Job) -> int:
    """Return how many runs of a job are not on record; the fence has the number of the last."""
    return int(job.fence.partition("-")[0] or 0) - len(job.runs)


def _recorded_twice(evidence: Evidence) -> Iterator[Violation]:
    for job in evidence.jobs.values():
        for fence, times in Counter(run.fence for run in job.runs).items():
            if times > 1:
                yield Violation(job.id, f"its run {fence} is on record {times} times")


def _counted_twice(evidence: Evidence) -> Iterator[Violation]:
    """Counts may be lost with the end of a script; there is never one too many."""
    jobs = evidence.jobs.values()
    happened = {
        "enqueued": len(jobs),
        "succeeded": sum(job.state is State.SUCCEEDED for job in jobs),
        "failed": sum(job.state is State.FAILED for job in jobs),
        "retried": sum(job.attempts for job in jobs),
        "recovered": sum(job.recoveries for job in jobs),
    }
    for event, times in happened.items():
        counted = max(evidence.counted.get(event, 0), evidence.totals.get(event, 0))
        if counted > times:
            yield Violation("", f"{event}: counted {counted} times, happened {times} times")


def _expected(evidence: Evidence, job: Job, planned: Planned | None) -> list[tuple[State, int]]:
    if planned is None:
        return []
    planned_end = [(planned.state, planned.attempts)]
    if job.id in evidence.receipts.cancelled:
        return [(State.CANCELLED, 0)]
    too_late = planned.kind is Kind.CANCELLED and job.id in evidence.receipts.jobs
    if too_late:
        return [*planned_end, (State.CANCELLED, 0)]  # the answer to cancel came too late
    if planned.kind is Kind.OVERRUN:
        return [*planned_end, (State.SUCCEEDED, 2), (State.FAILED, 2)]
    if call := evidence.receipts.called_off.get(job.id):
        # Counted if it ended as its run came to an end, not if it was taken back.
        called_off = [(State.CANCELLED, 0), (State.CANCELLED, 1)]
        return called_off + planned_end * (call.state is not State.CANCELLED)
    return planned_end


def _reason(job: Job, planned: Planned | None) -> str:
    """Return why a job may have ended as it did; its own reason if that is not told here."""
    if planned is None or kept.may_end(job, planned):
        return job.reason
    return REASONS.get(planned.kind, job.reason)


def _is_poison(evidence: Evidence, job: Job) -> bool:
    planned = evidence.planned.get(job.id)
    return planned is not None and planned.kind is Kind.POISON


def _ended_without_saying_so(evidence: Evidence) -> Iterator[Violation]:
    for job in evidence.jobs.values():
        says = {State.SUCCEEDED: ["END"], State.FAILED: ["FAIL"]}.get(job.state, [])
        if says == ["FAIL"] and job.reason == "timed_out":
            # The interrupt may have come when all was noted.
            says = [] if ends.was_killed(evidence, job) else ["LEFT", "END"]
        if not says or _is_poison(evidence, job):
            continue
        if not any(evidence.oracle.has(what, job.id, job.fence) for what in says):
            yield Violation(job.id, f"it {job.state}, and its run {job.fence} wrote no {says[0]}")


def _never_started(evidence: Evidence) -> Iterator[Violation]:
    """A claim whose reply got lost is answered again: the job need not wait for its lease."""
    for job in evidence.jobs.values():
        started = {line.fence for line in evidence.oracle.starts(job.id)}
        for run in job.runs:
            if run.outcome not in INTERRUPTED or run.fence in started:
                continue
            if run.outcome == "recovered" and not evidence.cause(run, None):
                yield Violation(
                    job.id, f"run {run.fence} was handed out, never started, and nobody died"
                )


def _two_of_a_key(evidence: Evidence) -> Iterator[Violation]:
    """A unique job is stored once the one before it is final, or has expired."""
    unique = sorted(
        (job.unique, job.enqueued_at, job.id) for job in evidence.jobs.values() if job.unique
    )
    for (key, _, first), (other, stored, second) in pairwise(unique):
        job = evidence.jobs[first]
        ended = job.expires_at if job.reason == Reason.EXPIRED else job.finished_at
        if key == other and (ended is None or stored < ended):
            yield Violation(second, f"it was stored while {first} had its key")


def _bad_ends(evidence: Evidence) -> Iterator[Violation]:
    for text in evidence.complaints:
        yield Violation("", text)


CHECKS: dict[str, Check] = {
    "jobs that are lost": _lost,
    "inconsistencies among the keys": _inconsistent,
    "jobs that are not final": _not_final,
    "fences used twice": _fence_used_twice,
    "jobs started though acknowledged as cancelled": _ran_though_cancelled,
    "jobs started too late, or ended too early, by what they expire": _ran_though_expired,
    "jobs with more starts than attempts, recoveries and releases": _too_many_runs,
    "runs that are not on record": _run_without_record,
    "runs recorded twice": _recorded_twice,
    "events counted twice": _counted_twice,
    "jobs ended by a run that had lost its lease": _ended_by_an_old_run,
    "jobs in a wrong final state": _wrong_state,
    "finished jobs whose run did not reach its end": _ended_without_saying_so,
    "claims lost though nobody died": _never_started,
    "runs interrupted without reason": ends.without_reason,
    "kills that hit another run": ends.killed_for_another,
    "runs that broke off though nobody killed them": ends.in_silence,
    "runs that outlived their limit or a cancellation": ends.outlived,
    "unique jobs stored while another one was open": _two_of_a_key,
    "keys and queues of which more jobs held leases than may": kept.too_many_at_once,
    "windows with more starts than their rate": kept.too_many_starts,
    "rates not used though jobs waited and slots were free": kept.too_few_starts,
    "jobs skipped or superseded without reason, or not": kept.ended_in_vain,
    "locks, places and entries of keys without their jobs": kept.strays,
    "workflows with a wrong end": flows_judged.wrong_ends,
    "members of workflows out of their turn": flows_judged.out_of_turn,
    "callbacks missing, or called in vain": flows_judged.wrong_callbacks,
    "workers that ended unasked, or not as asked": _bad_ends,
}
