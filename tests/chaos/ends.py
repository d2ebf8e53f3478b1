"""Was each run ended by what may end it: its own end, its limit, a call to cancel, a death?"""

import math
from collections.abc import Iterator

from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.run import Run
from tests.chaos import kept
from tests.chaos.evidence import INTERRUPTED, Evidence, Violation, supervisor_of
from tests.chaos.jobs import Kind
from tests.chaos.tasks import KILL_GRACE, TIMEOUT, UNSTOPPABLE
from tests.chaos.workers import Kill

ENDS = {"END", "FAIL", "LEFT"}  # what a run notes that was not killed
TIMED_OUT = "django_jobqueue.exceptions.JobTimeout"
PATIENCE = 15.0  # seconds that a fault may keep a limit or a call from its run
MS = 0.001  # seconds; the server cuts its times off there


def without_reason(evidence: Evidence) -> Iterator[Violation]:
    """By their notes and their records."""
    for job in evidence.jobs.values():
        for line in evidence.oracle.of(job.id):
            if line.what not in {"TIMEOUT", "CANCEL", "LEFT"}:
                continue
            if not _may_end(evidence, job, line.fence, line.what, line.at):
                yield Violation(job.id, f"its run {line.fence} noted {line.what} for no reason")
        for run in job.runs:
            what = "CANCEL" if run.outcome == "cancelled" else "TIMEOUT"
            ended = run.outcome == "cancelled" or run.exception == TIMED_OUT
            if ended and not _may_end(evidence, job, run.fence, what, run.finished_at / 1000):
                yield Violation(job.id, f"its run {run.fence} was {run.outcome} for no reason")


def killed_for_another(evidence: Evidence) -> Iterator[Violation]:
    """Supervisors kill a process for one run: that one must have been over, and be hit."""
    for kill in evidence.kills:
        start = evidence.oracle.last_start(kill.pid, kill.at)
        job = evidence.jobs.get(start.job) if start else None
        if start and job and _may_kill(evidence, job, start.fence, kill):
            continue
        unstarted = _unstarted(evidence, kill)
        if not any(_may_kill(evidence, job, run.fence, kill) for job, run in unstarted):
            hit = f"run {start.fence}" if start else "no run"
            yield Violation(job.id if job else "", f"{kill} hit {hit}, which was not to end")


def in_silence(evidence: Evidence) -> Iterator[Violation]:
    """A run without a last note must have died."""
    for job in evidence.jobs.values():
        ended = {line.fence for line in evidence.oracle.of(job.id) if line.what in ENDS}
        for start in evidence.oracle.starts(job.id):
            run = _run(job, start.fence)
            if run is None or start.fence in ended or evidence.kill_of(start):
                continue
            if not evidence.died(run, start):
                yield Violation(job.id, f"its run {start.fence} broke off, and nobody killed it")


def outlived(evidence: Evidence) -> Iterator[Violation]:
    """None comes to its end long after its time, or after the answer to a call to cancel it."""
    for job in evidence.jobs.values():
        starts = {line.fence: line.at for line in evidence.oracle.starts(job.id)}
        for line in evidence.oracle.of(job.id):
            if line.what != "END" or line.fence not in starts:
                continue
            late = line.at - _last_moment(evidence, job, line.fence, starts[line.fence])
            if late > KILL_GRACE + UNSTOPPABLE + PATIENCE:
                yield Violation(job.id, f"its run {line.fence} ended {late:.1f} s too late")


def was_killed(evidence: Evidence, job: Job) -> bool:
    """Tell whether a supervisor killed the last run of a job."""
    starts = [line for line in evidence.oracle.starts(job.id) if line.fence == job.fence]
    if starts:
        return evidence.kill_of(starts[0]) is not None
    return any(_may_kill(evidence, job, job.fence, kill) for kill in evidence.kills)


def _last_moment(evidence: Evidence, job: Job, fence: str, started: float) -> float:
    """Return when a run is to be interrupted; infinity: nobody promised that."""
    planned, run = evidence.planned.get(job.id), _run(job, fence)
    if planned is not None and planned.kind is Kind.OVERRUN:
        return started + TIMEOUT
    call = evidence.receipts.called_off.get(job.id)
    if call is None or run is None or run.outcome in INTERRUPTED:
        return math.inf  # one that has lost its lease is not told
    return max(call.answered, started)


def _run(job: Job, fence: str) -> Run | None:
    return next((run for run in job.runs if run.fence == fence), None)


def _may_end(evidence: Evidence, job: Job, fence: str, what: str, at: float) -> bool:
    """Tell whether a run might be interrupted at a moment."""
    planned, claimed_at = evidence.planned.get(job.id), _claimed_at(evidence, job, fence)
    if planned is None or claimed_at is None:
        return False
    if what != "TIMEOUT" and any(newer / 1000 <= at + MS for newer in kept.newer(evidence, job)):
        return True
    if what != "CANCEL" and planned.kind is Kind.OVERRUN:
        return at >= claimed_at / 1000 + TIMEOUT
    if what != "TIMEOUT" and (call := evidence.receipts.called_off.get(job.id)):
        return at + MS >= call.sent
    return what != "TIMEOUT" and planned.kind is Kind.CANCELLED  # that call came late


def _claimed_at(evidence: Evidence, job: Job, fence: str) -> int | None:
    """Return when a run was claimed (ms); the earliest time, if a broken script left no record."""
    if run := _run(job, fence):
        return run.started_at
    return job.enqueued_at if evidence.broke_under(job) else None


def _may_kill(evidence: Evidence, job: Job, fence: str, kill: Kill) -> bool:
    """Tell whether a kill might be meant for a run, and has hit it."""
    run = _run(job, fence)
    if run and (run.outcome == "succeeded" or supervisor_of(run) != kill.worker):
        return False
    what = {"timed_out": "TIMEOUT", "cancelled": "CANCEL"}.get(kill.reason, "")
    return bool(what) and _may_end(evidence, job, fence, what, kill.at - KILL_GRACE)


def _unstarted(evidence: Evidence, kill: Kill) -> Iterator[tuple[Job, Run]]:
    """Yield the runs of a worker that were claimed before a kill and never noted their start.

    A worker that was frozen after a claim kills its run as soon as it goes on.
    """
    for job in evidence.jobs.values():
        started = {line.fence for line in evidence.oracle.starts(job.id)}
        for run in job.runs:
            if run.fence not in started and run.started_at / 1000 < kill.at:
                yield job, run
