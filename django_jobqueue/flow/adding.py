"""Add jobs to the group of the member that runs, while it runs: so the group can't be done."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django_jobqueue import on_commit
from django_jobqueue.compat import InvalidTask
from django_jobqueue.conf import Options
from django_jobqueue.engine import Engine
from django_jobqueue.engine.workflows import WorkflowRefused, chunks
from django_jobqueue.flow.membership import Membership, Place
from django_jobqueue.flow.plan import check_member
from django_jobqueue.flow.signatures import MOST_MEMBERS, Signature
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.prepared import Prepared

Prepare = Callable[[Signature, Sequence[Any], Place], Prepared]

WHY = {
    "stale": "the run that adds them has lost its job to another run",
    "ended": "the workflow has ended, or is being cancelled",
    "full": f"a workflow has at most {MOST_MEMBERS:,} members",
}


def given_calls(member: Any, calls: Sequence[Any], alias: str, options: Options) -> list[Signature]:
    """Return the calls that a run adds, given one by one or as an iterable.

    Raises: InvalidTask.
    """
    if not isinstance(member, Membership) or not member.group[0]:
        raise InvalidTask(
            "add_to_group() adds jobs to the group of the job that runs, and this one is in none: "
            "enqueue them by themselves."
        )
    if len(calls) == 1 and isinstance(calls[0], Iterable):
        calls = tuple(calls[0])
    for call in calls:
        if not isinstance(call, Signature) or call.callbacks:
            raise InvalidTask(
                f"add_to_group({call!r}): give calls of tasks, such as thumb.s(pk), without "
                "callbacks."
            )
        check_member(call, alias, takes=False)
        if on_commit.awaited(call.task, options) is not None:
            raise InvalidTask(
                f"add_to_group: {call.task.module_path} is to wait for the commit of this "
                "transaction. Add it after that, or use .using(on_commit=False)."
            )
    return list(calls)


def prepare_added(
    member: Membership, calls: Sequence[Signature], prepare: Prepare
) -> list[tuple[Place, Prepared]]:
    """Make the jobs that a run adds. The n-th has the same name in each run of the member."""
    feeds = str(member.group[1])
    found = []
    for call in calls:
        name = f"{member.member}.{next(member.numbers)}"
        place = Place(member.workflow, name, feeds=feeds, group=member.group, is_added=True)
        found.append((place, prepare(call, call.args, place)))
    return found


def add(engine: Engine, run: Job, member: Membership, jobs: Sequence[Job]) -> None:
    """Store what a run adds, each job once. Raises: WorkflowRefused, QueueUnavailable."""
    group, feeds = member.group
    for chunk in chunks(jobs) if jobs else ():
        reply = engine.workflows.add_members(
            member.workflow, run, chunk, group=group, feeds=feeds, most=MOST_MEMBERS
        )
        if reply != "ok":
            raise WorkflowRefused(
                f"Nothing was added to workflow {member.workflow}: {WHY.get(reply, reply)}."
            )
