"""Did each workflow go as it should?"""

from collections.abc import Iterator

from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import State
from tests.chaos.evidence import Evidence, Violation
from tests.chaos.flows_seen import FlowSeen

UNSEALED = "unsealed"  # its caller did not come to the end of storing it
CALLED = {"on_success": "succeeded", "on_failure": "failed"}  # event → state of the workflow


def wrong_ends(evidence: Evidence) -> Iterator[Violation]:
    """Each workflow ends, and counts its members rightly; no acknowledged one is lost."""
    for workflow in evidence.receipts.flows - {flow.record.id for flow in evidence.flows}:
        yield Violation("", f"workflow {workflow} was acknowledged, and is gone")
    for flow in evidence.flows:
        record, jobs = flow.record, _members(evidence, flow)
        if record.reason == UNSEALED:
            if record.state != "cancelled" or any(map(evidence.oracle.starts, flow.ids)):
                yield Violation(flow.ids[0], f"workflow {record.id} is {record}, never sealed")
            continue
        failed = sum(job.state is not State.SUCCEEDED for job in jobs)
        wanted = ("failed" if failed else "succeeded", len(jobs), len(jobs), failed)
        if (record.state, record.members, record.done, record.failed) != wanted:
            yield Violation(flow.ids[0], f"workflow {record.id} is {record}, not {wanted}")


def out_of_turn(evidence: Evidence) -> Iterator[Violation]:
    """A member runs after all that precede it, and not if one of these failed and it is to stop."""
    for flow in evidence.flows:
        jobs = {job.id: job for job in _members(evidence, flow)}
        for member in flow.members:
            if member.id in jobs and flow.record.reason != UNSEALED:
                before = [jobs[one.id] for one in flow.members
                          if one.feeds == member.step != 0 and one.id in jobs]  # fmt: skip
                stops = flow.record.if_failed == "stop"
                yield from _turn(evidence, jobs[member.id], before, stops)


def _turn(evidence: Evidence, job: Job, before: list[Job], stops: bool) -> Iterator[Violation]:
    stops = stops and any(one.state is not State.SUCCEEDED for one in before)
    if stops and (job.state is not State.CANCELLED or evidence.oracle.starts(job.id)):
        yield Violation(job.id, "it was not stopped, and what precedes it had failed")
    if not stops and job.reason.startswith("parent:"):
        yield Violation(job.id, "it was stopped, and nothing that precedes it had failed")
    ready = max((one.finished_at or 0 for one in before), default=0)
    if job.runs and min(run.started_at for run in job.runs) < ready:
        yield Violation(job.id, "it began before what precedes it had ended")


def wrong_callbacks(evidence: Evidence) -> Iterator[Violation]:
    """A callback is called if it is to be, and no other one; that it is one job says how often."""
    for flow in evidence.flows:
        for event, job_id in flow.callbacks.items():
            is_called = CALLED.get(event, flow.record.state) == flow.record.state
            is_called = is_called and flow.record.reason != UNSEALED
            job = evidence.jobs.get(job_id)
            if job is None or (is_called and job.state is not State.SUCCEEDED):
                yield Violation(job_id, f"{event} was to be called")
            elif not is_called and (job.reason != "not_called" or evidence.oracle.starts(job_id)):
                yield Violation(job_id, f"{event} was not to be called")


def _members(evidence: Evidence, flow: FlowSeen) -> list[Job]:
    return [evidence.jobs[one.id] for one in flow.members if one.id in evidence.jobs]
