"""Fill a site as it stands after years: jobs of all states, in many queues, with many tags."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from benchmarks.tasks import noop, noop_2, noop_3
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome, State

BATCH = 100  # jobs of a call: of one task, one queue and one tag
TAGS = 5_000
TASKS = (noop, noop_2, noop_3)
LATER = timedelta(days=1)
EXCEPTIONS = ("builtins.ValueError", "builtins.KeyError", "builtins.TimeoutError")
TRACEBACK = 'Traceback (most recent call last):\n  File "tasks.py", line 7, in noop\n'
# What becomes of every 100 batches; the others stay queued.
FAIL, SUCCEED, WAIT = 9, 1, 10
QUEUED = FAIL + SUCCEED + WAIT  # a batch that stays queued
VALUE = b'{"pages":7}'


@dataclass(frozen=True, slots=True)
class Site:
    """What a site was filled with."""

    jobs: int
    queue: str  # one of them, which has queued jobs
    queued: int  # jobs there
    failed: str  # id of a failed job

    @classmethod
    def fill(cls, engine: Engine, jobs: int, queues: int) -> "Site":
        """Enqueue the jobs, and let a part of them end."""
        names = [f"queue-{number}" for number in range(queues)]
        batches = range(-(-jobs // BATCH))
        ends = [one for one in batches if one % 100 < FAIL + SUCCEED]
        slot, failed = Slot("benchmark", "0"), ""
        for one in ends:  # first, so that nothing else stands before them
            queue = names[one % queues]
            _enqueue(one, queue)
            for job in _claimed(engine, slot, queue):
                result = _failure(one) if one % 100 < FAIL else RunResult(Outcome.SUCCEEDED, VALUE)
                engine.claims.finish(slot, job, result, ())
                failed = job.id if one % 100 < FAIL else failed
        for one in batches:
            if one % 100 >= FAIL + SUCCEED:
                is_later = one % 100 < QUEUED
                _enqueue(one, names[one % queues], LATER if is_later else None)
        queue = names[QUEUED % queues]
        return cls(jobs, queue, engine.inspector.count(State.QUEUED, [queue]), failed)


def _enqueue(batch: int, queue: str, run_after: timedelta | None = None) -> None:
    task = TASKS[batch % len(TASKS)].using(
        queue_name=queue, run_after=run_after, tags=[f"tag-{batch % TAGS}"]
    )
    task.enqueue_many([(number, "two") for number in range(BATCH)])


def _claimed(engine: Engine, slot: Slot, queue: str) -> Iterator[Job]:
    claims = iter(lambda: engine.claims.claim(slot, (queue,)), None)
    return (job for job in islice(claims, BATCH) if isinstance(job, Job))


def _failure(batch: int) -> RunResult:
    exception = EXCEPTIONS[batch % len(EXCEPTIONS)]
    text = f"{TRACEBACK}{exception}: {batch}"
    return RunResult(Outcome.FAILED, reason="exception", exception=exception, traceback=text)
