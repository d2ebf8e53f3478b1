"""Run the jobs that are in Redis, in the process of a test."""

import multiprocessing
from collections.abc import Sequence

from django_jobqueue import compat
from django_jobqueue.backend import JobQueueBackend
from django_jobqueue.engine import get_engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.testing.run import WORKER, now_ms
from django_jobqueue.worker.ended import EndedJobs
from django_jobqueue.worker.executor import Executor
from django_jobqueue.worker.limits.shared_state import SharedState
from django_jobqueue.worker.slot_loop import SlotLoop, StopFlag


def drain(alias: str = "default", queues: Sequence[str] | None = None) -> int:
    """Run the jobs in Redis, in this process, until none can run; return how many ran.

    As with `jobworker --burst`, jobs that these jobs enqueue run too, jobs due later stay, and
    `task_finished` is sent for jobs that ended without a run, such as cancelled ones.
    """

    def tidy() -> None:
        """Do nothing: the caller owns the connections."""

    engine = get_engine(alias)
    executor = Executor(alias, engine.options, engine.signer, JobQueueBackend)
    slot = Slot(f"{WORKER}-{now_ms()}", "0.0")
    loop = SlotLoop(
        engine,
        executor,
        slot,
        queues,
        StopFlag(),
        SharedState(multiprocessing, [slot.name]).slot(slot.name),
        burst=True,
        reports=engine.jobs,
        tidy=tidy,
    )
    with compat.framework_silenced():
        before = -1
        while before != loop.jobs_done:  # what ended without a run may let others run
            before = loop.jobs_done
            loop.run()
            while engine.workflows.advance():
                pass
        ended = EndedJobs(engine, tidy)
        while ended.tell_next():
            pass
    return loop.jobs_done
