"""For the tests of projects that use the queue.

    with captured_jobs() as jobs:          # nothing is stored, also inside TestCase
        client.post("/register/", ...)
    assert_enqueued(jobs, send_welcome, args=[5])
    jobs.run()                             # run them here and now

`EagerBackend` as BACKEND runs each job at once and needs no Redis; `drain()` works off what
stands in a real one.
"""

import multiprocessing
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from time import time
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from django_jobqueue import cached, compat
from django_jobqueue.backend import JobQueueBackend, Prepared
from django_jobqueue.bulk import Call, singles
from django_jobqueue.conf import Options, load
from django_jobqueue.engine import get_engine
from django_jobqueue.engine.cached import Kept
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs import payload
from django_jobqueue.jobs.attempt import Claimed, Run
from django_jobqueue.jobs.job import State
from django_jobqueue.jobs.payload import Signer
from django_jobqueue.jobs.result import JobResult
from django_jobqueue.retry import Seconds
from django_jobqueue.task import Task
from django_jobqueue.worker.board import Board
from django_jobqueue.worker.executor import Executor, Outcome
from django_jobqueue.worker.interrupt import Interrupt
from django_jobqueue.worker.slot import SlotLoop, StopFlag

WORKER = "in-process"
MAX_RUNS = 100  # of one job at once: a task that always raises Retry must end


class Values:
    """The latest values where there is no Redis."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[bytes, int]] = {}  # JSON and ms, by digest
        self._asked_for: set[str] = set()

    def latest(
        self, backend: JobQueueBackend, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> cached.Latest[Any] | None:
        """Return what is kept; enqueue a refresh as Redis would have one stored."""
        digest = cached.digest(task, args, kwargs)
        value, at = self._kept.get(digest, (None, 0))
        found = cached.judge(task, Kept(_now(), value, at))
        if digest not in self._asked_for and cached.needs_refresh(task, found):
            self._asked_for.add(digest)
            backend.enqueue(task, args, kwargs)
        return found

    def note(self, result: JobResult[..., Any]) -> JobResult[..., Any]:
        """Keep what a job returned, if its task says so; return the result."""
        with suppress(TypeError):  # arguments that its function did not take
            if kept_as := cached.kept_as(result.task, result.args, result.kwargs):
                digest = kept_as.split()[0]
                self._asked_for.discard(digest)
                if result.state is State.SUCCEEDED:
                    data = payload.dump_value(result.return_value, sys.maxsize)
                    self._kept[digest] = data, _now()
        return result


class EagerBackend(JobQueueBackend):
    """Run each job when it is enqueued, in the caller's thread, without Redis.

    Arguments and results go through JSON as they would through Redis. Commits and
    run_after are not waited for, and retries follow at once.
    """

    _results: dict[str, JobResult[..., Any]] = {}
    _values = Values()

    @property
    def engine(self) -> Any:
        raise ImproperlyConfigured("EagerBackend has no Redis: use JobQueueBackend to look at it.")

    def enqueue(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        self.validate_task(task)
        return self._run(load(self.alias), task, args, kwargs)

    def enqueue_many(
        self, task: Any, calls: Iterable[Call], spread: Seconds | None = None
    ) -> list[JobResult[..., Any]]:
        return [self.enqueue(*single) for single in singles(task, calls, spread)]

    def latest(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        self.validate_task(task)
        return self._values.latest(self, task, args, kwargs)

    @classmethod
    def clear(cls) -> None:
        """Forget all results and latest values of this process."""
        cls._results.clear()
        cls._values = Values()

    def get_result(self, result_id: str) -> Any:
        """Return a result of this process.

        Raises: TaskResultDoesNotExist.
        """
        try:
            return self._results[result_id]
        except KeyError:
            raise compat.TaskResultDoesNotExist(result_id) from None

    def cancel(self, result_id: str) -> Any:
        """Return how the job ended: there is nothing left to cancel."""
        return self.get_result(result_id).state

    def _run(
        self, options: Options, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> JobResult[..., Any]:
        signer = Signer(options.signing_keys)
        prepared = self._prepare(options, signer, task, args, kwargs)
        prepared[1]._accept(_now())
        compat.signals.task_enqueued.send_robust(type(self), task_result=prepared[1])
        result = run_now(Executor(self.alias, options, signer, type(self)), prepared)
        self._results[result.id] = result
        return self._values.note(result)


class CapturedJobs(list[JobResult[..., Any]]):
    """What was enqueued, in order: task, args, kwargs, run_after and so on of each."""

    def __init__(self, alias: str) -> None:
        super().__init__()
        self._alias = alias
        self._prepared: list[Prepared] = []
        self.by_id: dict[str, JobResult[..., Any]] = {}  # as they stand now
        self.values = Values()

    def add(self, prepared: Prepared) -> None:
        prepared[1]._accept(_now())
        self._prepared.append(prepared)
        self.by_id[prepared[1].id] = prepared[1]
        self.append(prepared[1])

    def run(self) -> list[JobResult[..., Any]]:
        """Run what was captured and not run yet; return how each job ended."""
        options = load(self._alias)
        executor = Executor(self._alias, options, Signer(options.signing_keys), JobQueueBackend)
        prepared, self._prepared = self._prepared, []
        ended = [self.values.note(run_now(executor, job)) for job in prepared]
        self.by_id |= {result.id: result for result in ended}
        return ended

    def drop(self, result_id: str) -> None:
        """Leave a job out when they are run."""
        self._prepared = [job for job in self._prepared if job[1].id != result_id]


class _CapturingBackend(JobQueueBackend):
    jobs: CapturedJobs

    def enqueue(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        self.validate_task(task)
        options = load(self.alias)
        prepared = self._prepare(options, Signer(options.signing_keys), task, args, kwargs)
        self.jobs.add(prepared)
        return prepared[1]

    enqueue_many = EagerBackend.enqueue_many

    def get_result(self, result_id: str) -> Any:
        if result := self.jobs.by_id.get(result_id):
            return result
        raise compat.TaskResultDoesNotExist(result_id)

    def cancel(self, result_id: str) -> State:
        result: JobResult[..., Any] = self.get_result(result_id)
        if not result.state.is_final:
            self.jobs.drop(result_id)
            result._become(State.CANCELLED)
        return result.state

    def latest(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        self.validate_task(task)
        return self.jobs.values.latest(self, task, args, kwargs)


@contextmanager
def captured_jobs(alias: str = "default") -> Iterator[CapturedJobs]:
    """Take down what is enqueued inside the block, in this thread, instead of storing it.

    Commits are not waited for, so it works where on-commit hooks never run.
    """
    handler = compat.task_backends
    before = handler[alias]
    capturing = _CapturingBackend(alias, handler.settings[alias])
    capturing.jobs = CapturedJobs(alias)
    handler[alias] = capturing
    try:
        yield capturing.jobs
    finally:
        handler[alias] = before


def assert_enqueued(
    jobs: Sequence[JobResult[..., Any]],
    task: Task[..., Any],
    *,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    queue_name: str | None = None,
    count: int | None = None,
) -> list[JobResult[..., Any]]:
    """Assert that jobs of the task are among those captured, and return them.

    What is not given may be anything; `count` None: at least one.
    """
    found = [
        job
        for job in jobs
        if job.task.func == task.func
        and (args is None or job.args == list(args))
        and (kwargs is None or job.kwargs == dict(kwargs))
        and (queue_name is None or job.task.queue_name == queue_name)
    ]
    if (count is None and not found) or (count is not None and len(found) != count):
        seen = "".join(
            f"\n  {job.task.module_path}(*{job.args}, **{job.kwargs}) on {job.task.queue_name}"
            for job in jobs
        )
        wanted = f"args={args} kwargs={kwargs} queue_name={queue_name}"
        raise AssertionError(
            f"{task.module_path} was enqueued {len(found)} times with {wanted}, "
            f"wanted {'at least 1' if count is None else count}. Enqueued:{seen or ' nothing'}"
        )
    return found


def drain(alias: str = "default", queues: Sequence[str] | None = None) -> int:
    """Run the jobs that stand in Redis, in this process, until none can run; return how many.

    Like `jobworker --burst`: jobs that those enqueue run too, those due later stay.
    """
    engine = get_engine(alias)
    executor = Executor(alias, engine.options, engine.signer, JobQueueBackend)
    slot = Slot(f"{WORKER}-{_now()}", "0.0")
    loop = SlotLoop(
        engine,
        executor,
        slot,
        queues,
        StopFlag(),
        Board(multiprocessing, [slot.name]).row(slot.name),
        burst=True,
        reports=engine.jobs,
        tidy=lambda: None,  # the connections are the caller's
    )
    loop.run()
    return loop.done


class Unheard:
    """What a run tells of itself when nobody listens."""

    def progress(self, current: int, total: int, text: str) -> None:
        pass

    def log(self, text: str) -> None:
        pass


def run_now(executor: Executor, prepared: Prepared) -> JobResult[..., Any]:
    """Run a job that is not in Redis until it is final."""
    job, result = prepared
    claimed = Claimed(
        id=job.id,
        queue=job.queue,
        fence="1-0",
        now=_now(),
        payload=job.payload,
        task=job.task,
        attempts=0,
        recoveries=0,
        max_attempts=result.max_attempts,
        priority=job.priority,
        enqueued_at=_now(),
        started_at=_now(),
        held_since=None,
    )
    interrupt = Interrupt(Board(multiprocessing, [WORKER]).row(WORKER))  # by nobody
    for _ in range(MAX_RUNS):
        outcome = executor.execute(claimed, WORKER, Unheard(), interrupt)
        if outcome.settlement.outcome != "retried":
            break
        claimed = claimed._replace(
            attempts=claimed.attempts + 1, runs=(*claimed.runs, _record(claimed, outcome))
        )
    executor.announce(outcome, _now())
    return executor.conclude(outcome, _now()) or result


def _record(job: Claimed, outcome: Outcome) -> Run:
    return Run(
        attempt=job.attempt,
        fence=job.fence,
        worker=WORKER,
        started_at=job.now,
        finished_at=_now(),
        outcome=outcome.settlement.outcome,
        exception=outcome.settlement.exception,
        traceback=outcome.settlement.traceback,
    )


def _now() -> int:
    return int(time() * 1000)
