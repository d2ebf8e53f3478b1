"""Workflows of jobs without tasks: their shape is all that matters to the engine."""

from collections.abc import Sequence
from typing import Any

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import NoJob, Slot
from django_jobqueue.jobs.job import Job, new_id
from django_jobqueue.jobs.run import RunResult
from tests.support.jobs import new_job

SLOT = Slot("worker-1", "0.0")
CHAIN = [(0, 1), (1, 2), (2, 0)]
FAN = [(0, 1), (0, 1), (0, 1), (1, 0)]  # three, and what follows them
EVENTS = ("on_success", "on_failure", "on_done")


def members(
    workflow: str, shape: Sequence[tuple[int, int]], events: Sequence[str] = (), **fields: Any
) -> list[Job]:
    """Return the jobs of a workflow: per member its step and what it feeds; then the callbacks."""
    jobs = [
        new_job(
            new_id(), task=f"a.m{number}", flow=f"{workflow} {number} {feeds}", step=step, **fields
        )
        for number, (step, feeds) in enumerate(shape, 1)
    ]
    return [*jobs, *(new_job(new_id(), task=f"a.{e}", flow=f"{workflow} {e}") for e in events)]


def steps(shape: Sequence[tuple[int, int]]) -> str:
    found: dict[int, tuple[int, int]] = {}
    for number, (step, _) in enumerate(shape, 1):
        found[step] = found.get(step, (number, number))[0], number
    return " ".join(f"{step} {first} {last}" for step, (first, last) in found.items())


def stage(
    engine: Engine,
    shape: Sequence[tuple[int, int]],
    events: Sequence[str] = (),
    if_failed: str = "stop",
) -> tuple[str, list[Job]]:
    """Stage a workflow whole, unsealed; return its id and its jobs."""
    workflow = new_id()
    jobs = members(workflow, shape, events)
    engine.workflows.stage(
        workflow, jobs, total=len(shape), steps=steps(shape), if_failed=if_failed
    )
    return workflow, jobs


def started(
    engine: Engine,
    shape: Sequence[tuple[int, int]],
    events: Sequence[str] = (),
    if_failed: str = "stop",
) -> tuple[str, list[Job]]:
    """Store and seal a workflow."""
    workflow, jobs = stage(engine, shape, events, if_failed)
    engine.workflows.seal(workflow)
    return workflow, jobs


def run(engine: Engine, result: RunResult, slot: Slot = SLOT) -> str:
    """Run the next job to this end; return the name of its task, "" if there is none."""
    job = engine.claims.claim(slot, ["default"])
    while isinstance(job, NoJob) and job.more:
        job = engine.claims.claim(slot, ["default"])
    if isinstance(job, NoJob):
        return ""
    engine.claims.finish(slot, job, result, [])
    return job.task.removeprefix("a.")


def run_all(engine: Engine, result: RunResult) -> list[str]:
    """Run all jobs that can run, those too that this lets run; return the names of their tasks."""
    found = []
    while name := run(engine, result):
        found.append(name)
    return found


def states(engine: Engine, jobs: Sequence[Job]) -> list[str]:
    return [str(engine.inspector.job(job.id).state) for job in jobs]
