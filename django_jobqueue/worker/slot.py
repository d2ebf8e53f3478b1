"""One slot: claim → execute → finish, where finish brings the next job along.

A slot owns a job only while it runs it. A fault of Redis never ends it: it waits and
calls again with the same nonce or fence, which the scripts answer as they did before.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from django.db import close_old_connections
from redis.exceptions import RedisError

from django_jobqueue.engine import Engine
from django_jobqueue.engine.workers import Nothing, Slot
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.run import Claimed, Settlement
from django_jobqueue.worker.executor import Executor, Outcome

logger = logging.getLogger("django_jobqueue.worker")

BLOCK = 5.0  # longest wait for a wake token, seconds
BACKOFF = (0.1, 1.0)  # seconds between calls while Redis is away
PROGRESS_EVERY = 0.2  # seconds between two stored reports of a job
PROGRESS_PAUSE = 5.0  # seconds without reports after one failed

T = TypeVar("T")
U = TypeVar("U")


class StopIdling(BaseException):
    """Raised by the signal handler in a slot that waits for work, and only there."""


@dataclass(slots=True)
class StopFlag:
    """What the process's signal handler and its slots share."""

    requested: bool = False
    interruptible: bool = False  # a slot of the main thread waits for work

    def handle(self, signum: int, frame: object) -> None:
        self.requested = True
        if self.interruptible:
            self.interruptible = False
            raise StopIdling


class SlotLoop:
    """Work in one slot until told to stop."""

    def __init__(
        self,
        engine: Engine,
        executor: Executor,
        slot: Slot,
        queues: Sequence[str] | None,
        stop: StopFlag,
        *,
        burst: bool = False,
        max_jobs: int | None = None,
        report: Callable[..., object],
        tidy: Callable[[], object] = close_old_connections,
    ) -> None:
        """`queues` None: all known ones. `report` stores progress, or raises soon.

        `tidy` is called after each job and after each wait, so it has always been called
        just before a job.
        """
        self._engine = engine
        self._executor = executor
        self._slot = slot
        self._wanted = queues
        self._queues: Sequence[str] = queues or ["default"]
        self._stop = stop
        self._burst = burst
        self._max_jobs = max_jobs
        self.done = 0  # jobs run
        self._report = report
        self._tidy = tidy
        self._mute_until = 0.0  # monotonic; no progress is stored before
        self.idle = False
        self.gate = threading.Lock()  # held to leave idleness: see Process

    def run(self) -> None:
        self._look_up_queues()
        found: Claimed | Nothing = Nothing(more=True)
        while True:
            if isinstance(found, Claimed):
                found = self._release(found) if self._stop.requested else self._work(found)
            elif self._stop.requested or self.done == self._max_jobs:
                return
            elif found.more:
                found = self._claim()
            elif not self._burst:
                self._wait(found.wait_ms)
                found = Nothing(more=True)
            elif self._look_up_queues():
                found = Nothing(more=True)
            else:
                return

    def _claim(self) -> Claimed | Nothing:
        workers = self._engine.workers
        return self._patiently(lambda: workers.claim(self._slot, self._queues), Nothing())

    def _work(self, job: Claimed) -> Claimed | Nothing:
        """Run a job, settle it, and return what the same call claimed."""
        logger.info("Started %s", _Line(job))
        began = time.monotonic()
        outcome = self._executor.execute(job, self._slot.worker, self._reporter(job))
        self._tidy()
        self.done += 1
        last = self._stop.requested or self.done == self._max_jobs
        found = self._finish(job, outcome, [] if last else self._queues)
        logger.info(
            "%s in %.3f s: %s", outcome.settlement.outcome, time.monotonic() - began, _Line(job)
        )
        return found

    def _finish(self, job: Claimed, outcome: Outcome, queues: Sequence[str]) -> Claimed | Nothing:
        workers = self._engine.workers
        verdict, now_ms, found = self._patiently(
            lambda: workers.finish(self._slot, job, outcome.settlement, queues),
            None,
        )
        if verdict == "stale":
            logger.warning("The lease was lost, the outcome is dropped: %s", _Line(job))
        else:
            self._executor.announce(outcome, now_ms)
        return found

    def _release(self, job: Claimed) -> Nothing:
        """Give back a job that was claimed while the stop came in."""
        settled, workers = Settlement(outcome="released"), self._engine.workers
        self._patiently(lambda: workers.finish(self._slot, job, settled, []), None)
        return Nothing()

    def _wait(self, wait_ms: int | None) -> None:
        """Sleep until a token, the next due job, or BLOCK is over."""
        self._look_up_queues()
        block = BLOCK if wait_ms is None else min(BLOCK, wait_ms / 1000)
        wake = [self._engine.connection.keys("wake", queue) for queue in self._queues]
        if self._wanted is None:
            wake.append(self._engine.connection.keys("wake", "*"))
        if not self._enter_idleness():
            return
        try:
            self._engine.connection.execute("BLPOP", *wake, max(0.01, block))
        except RedisError as error:
            logger.debug("Waiting for work: %s", error)
            self._pause(0)
        except StopIdling:
            pass  # run() sees the request
        finally:
            self._stop.interruptible = False
            with self.gate:
                self.idle = False
        self._tidy()

    def _enter_idleness(self) -> bool:
        with self.gate:
            self.idle = True
        if threading.current_thread() is threading.main_thread():
            self._stop.interruptible = True
        return not self._stop.requested

    def _look_up_queues(self) -> bool:
        """Note which queues there are, if all are served; tell whether that has changed."""
        if self._wanted is not None:
            return False
        before = self._queues
        self._queues = self._patiently(self._engine.queues.names, before)
        return self._queues != before

    def _patiently(self, call: Callable[[], T], otherwise: U | None) -> T | U:
        """Repeat a call until Redis answers; what was asked for stays the same call.

        When a stop is requested, `otherwise` is taken instead, unless it is None.
        """
        failures = 0
        while True:
            try:
                answer = call()
            except JobQueueError as error:
                if failures == 0:
                    logger.warning("%s Trying again until it answers.", error)
                if self._stop.requested and otherwise is not None:
                    return otherwise
                self._pause(failures)
                failures += 1
            else:
                if failures:
                    logger.warning("Redis answers again after %d failed calls.", failures)
                return answer

    def _pause(self, failures: int) -> None:
        shortest, longest = BACKOFF
        time.sleep(min(longest, shortest * 2 ** min(failures, 10)) * random.uniform(0.5, 1))  # noqa: S311

    def _reporter(self, job: Claimed) -> Callable[[int, int, str], None]:
        last = 0.0

        def report(current: int, total: int, text: str) -> None:
            nonlocal last
            now = time.monotonic()
            if now < self._mute_until or (now - last < PROGRESS_EVERY and current != total):
                return
            last = now
            try:
                self._report(job.id, job.fence, current, total, text)
            except JobQueueError as error:
                self._mute_until = now + PROGRESS_PAUSE
                logger.debug("Progress of job %s was not stored: %s", job.id, error)

        return report


class _Line:
    """A job in a log line, written only if the line is."""

    def __init__(self, job: Claimed) -> None:
        self._job = job

    def __str__(self) -> str:
        job = self._job
        return (
            f"job={job.id} task={job.task} queue={job.queue} "
            f"attempt={job.attempt} fence={job.fence}"
        )
