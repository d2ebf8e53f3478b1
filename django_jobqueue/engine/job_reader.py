"""Read the replies about one job."""

from collections.abc import Sequence
from typing import Any

from django_jobqueue.jobs.duplicate import Duplicate
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.run import read_runs
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import ms_of, number, read_log, text


def read_job(job_id: str, reply: Sequence[Any]) -> Job | None:
    """Return the job of a reply with all its data (see whole_job in lua/shared/prelude.lua)."""
    if not reply:
        return None
    words, payload, result, progress, runs, due, log, *other = reply
    large = {} if payload is None else {"payload": payload}  # a small one is in the record
    return Job.read(
        text(other[0]) if other else job_id,
        zip(words[::2], words[1::2], strict=True),
        **large,
        result=result,
        progress=read_progress(progress),
        runs=read_runs(runs),
        due_at=ms_of(due) if due else None,
        log=read_log(log),
        duplicate=Duplicate(text(other[0]), State.FAILED) if other else None,
    )


def read_progress(value: bytes | None) -> tuple[int, int, str] | None:
    """Return what a run has reported last; None: nothing that can be read."""
    try:
        current, total, said = text(value or b"").split(" ", 2)
        return number(current), number(total), said
    except ValueError:  # none reported, or damaged
        return None
