"""Whoever enqueues: stores the load through the storm, and remembers what it was promised."""

import heapq
import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from django_jobqueue.engine import Engine, get_engine
from django_jobqueue.exceptions import JobNotFound, QueueUnavailable
from django_jobqueue.jobs.states import State
from tests.chaos.flows import Call, PlannedFlow
from tests.chaos.jobs import Planned, new_job

T = TypeVar("T")

AHEAD = 0.25  # share of the load that is stored before the faults begin
REPEATED = 0.3  # share of the calls whose ids are the caller's, and which it repeats itself
PAUSE = 0.1  # seconds between two tries


@dataclass(slots=True)
class CallOff:
    """A call to cancel a job that runs. Times in seconds since the epoch."""

    sent: float  # at first
    answered: float = math.inf
    state: State | None = None  # of the job, as the answer told


@dataclass(slots=True)
class Receipts:
    """What the caller was promised."""

    jobs: dict[str, Planned] = field(default_factory=dict)  # acknowledged: id → what it is
    flows: set[str] = field(default_factory=set)  # ids of acknowledged workflows
    cancelled: set[str] = field(default_factory=set)  # ids; acknowledged before they were due
    called_off: dict[str, CallOff] = field(default_factory=dict)  # by id; while they ran
    unknown: int = 0  # jobs of calls that ended with an error: stored or not
    errors: int = 0
    longest_gap: float = 0.0  # seconds from the beginning of a call to the next success
    refusals: dict[str, int] = field(default_factory=dict)  # error → how often


class Feeder(threading.Thread):
    """Store the load: a part at once, the rest evenly over the time of the faults."""

    def __init__(self, calls: list[Call], rng: random.Random, seconds: float) -> None:
        super().__init__(name="feeder", daemon=True)
        self.receipts = Receipts()
        self.done_ahead = threading.Event()
        self.stopped = threading.Event()
        self.failure: BaseException | None = None
        self._calls = calls
        self._rng = rng
        self._seconds = seconds
        self._engine: Engine = get_engine("default")
        self._to_cancel: list[tuple[float, str]] = []  # heap: monotonic, id
        self._troubled_since = 0.0  # monotonic; 0: the last call succeeded

    def run(self) -> None:
        try:
            self._feed()
        except BaseException as error:
            self.failure = error
        finally:
            self.done_ahead.set()

    def _feed(self) -> None:
        ahead = int(len(self._calls) * AHEAD)
        for call in self._calls[:ahead]:
            self._store(call)
        self.done_ahead.set()
        began, rest = time.monotonic(), self._calls[ahead:]
        for position, call in enumerate(rest):
            self._wait_until(began + self._seconds * position / len(rest))
            if self.stopped.is_set():
                return
            self._store(call)
        while self._to_cancel and not self.stopped.is_set():
            self._cancel(*heapq.heappop(self._to_cancel))

    def _wait_until(self, moment: float) -> None:
        """Cancel what is to be cancelled by then, and wait."""
        while self._to_cancel and self._to_cancel[0][0] <= time.monotonic():
            self._cancel(*heapq.heappop(self._to_cancel))
        self.stopped.wait(max(0.0, moment - time.monotonic()))

    def _store(self, call: Call) -> None:
        if isinstance(call, PlannedFlow):
            self._store_flow(call)
            return
        if self._rng.random() < REPEATED:
            self._store_repeatedly(call)
            return
        try:
            ids = self._observed(lambda: _enqueue(call))
        except QueueUnavailable:
            self.receipts.unknown += len(call)
            self._store_repeatedly(call)
        else:
            self._acknowledged(dict(zip(ids, call, strict=True)))

    def _store_repeatedly(self, call: list[Planned]) -> None:
        """Store jobs under ids of ours, until that is acknowledged."""
        new = [new_job(self._engine, planned) for planned in call]
        if self._until_answered(lambda: self._engine.jobs.enqueue(new)):
            ids = [job.duplicate.id if job.duplicate else job.id for job in new]
            self._acknowledged(dict(zip(ids, call, strict=True)))

    def _store_flow(self, flow: PlannedFlow) -> None:
        """Store a workflow; after an error another one, as a user does."""
        while not self.stopped.is_set():
            try:
                workflow = self._observed(lambda: flow.build().enqueue(if_failed=flow.if_failed))
            except QueueUnavailable:
                self.receipts.unknown += len(flow)
                self.stopped.wait(PAUSE)
            else:
                self.receipts.flows.add(workflow.id)
                return

    def _acknowledged(self, jobs: dict[str, Planned]) -> None:
        self.receipts.jobs |= jobs
        for job_id, planned in jobs.items():
            if planned.cancel_after is not None:
                heapq.heappush(self._to_cancel, (time.monotonic() + planned.cancel_after, job_id))

    def _cancel(self, moment: float, job_id: str) -> None:
        self.stopped.wait(max(0.0, moment - time.monotonic()))
        try:
            state = self._until_answered(lambda: self._engine.jobs.cancel(job_id))
        except JobNotFound:
            return  # the verdict finds that it is lost
        if state is State.CANCELLED:
            self.receipts.cancelled.add(job_id)

    def _until_answered(self, call: Callable[[], T]) -> T | None:
        """Repeat a call until it succeeds; None if the storm was called off before."""
        while not self.stopped.is_set():
            try:
                return self._observed(call)
            except QueueUnavailable:
                self.stopped.wait(PAUSE)
        return None

    def _observed(self, call: Callable[[], T]) -> T:
        began = time.monotonic()
        try:
            answer = call()
        except QueueUnavailable as error:
            self._troubled_since = self._troubled_since or began
            self.receipts.errors += 1
            name = type(error.__cause__).__name__
            self.receipts.refusals[name] = self.receipts.refusals.get(name, 0) + 1
            raise
        if self._troubled_since:
            gap = time.monotonic() - self._troubled_since
            self.receipts.longest_gap = max(self.receipts.longest_gap, gap)
            self._troubled_since = 0.0
        return answer


def _enqueue(call: list[Planned]) -> list[str]:
    """Enqueue as a user does, and return the ids."""
    if len(call) == 1:
        return [call[0].called.enqueue(*call[0].arguments).id]
    results = call[0].called.enqueue_many([planned.arguments for planned in call])
    return [result.id for result in results]
