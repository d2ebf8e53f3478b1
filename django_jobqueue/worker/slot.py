"""One slot: claim → execute → finish, where finish brings the next job along.

A slot owns a job only while it runs it. A fault of Redis never ends it: it waits and
calls again with the same nonce or fence, which the scripts answer as they did before.
"""

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import TypeVar

from django.utils import timezone, translation
from redis.exceptions import RedisError

from django_jobqueue.engine import Engine, close_engines
from django_jobqueue.engine.claims import Nothing, Slot
from django_jobqueue.engine.jobs import Jobs
from django_jobqueue.engine.key_rotation import Rotation
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.jobs.attempt import Claimed, Settlement
from django_jobqueue.jobs.text import one_line
from django_jobqueue.worker import databases
from django_jobqueue.worker.board import Row
from django_jobqueue.worker.executor import Executor, Outcome
from django_jobqueue.worker.interrupt import Interrupt
from django_jobqueue.worker.report import RunReport, Silence

logger = logging.getLogger("django_jobqueue.worker")

BLOCK = 5.0  # longest wait for a wake token, seconds
BACKOFF = (0.1, 1.0)  # seconds between calls while Redis is away

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
        row: Row,
        *,
        burst: bool = False,
        max_jobs: int | None = None,
        reports: Jobs,
        tidy: Callable[[], object] = databases.tidy,
        drop: Callable[[], object] = databases.drop,
    ) -> None:
        """`queues` None: all known ones. `reports` stores what runs tell, or raises soon.

        `tidy` is called after each job and after each wait, so it has always been called
        just before a job; `drop` after a run that was interrupted, wherever it was just then.
        """
        self._engine = engine
        self._executor = executor
        self._slot = slot
        self._wanted = queues
        self._queues: Sequence[str] = queues or ["default"]
        self._stop = stop
        self._row = row
        self._pid = os.getpid()
        self._rotation = Rotation(engine.connection)
        self.interrupt = Interrupt(row)
        self._asked_at = 0.0  # monotonic; when the latest call was sent first
        self._burst = burst
        self._max_jobs = max_jobs
        self.done = 0  # jobs run
        self._reports = reports
        self._silence = Silence()
        self._tidy = tidy
        self._drop = drop
        self.idle = False
        self.gate = threading.Lock()  # held to leave idleness: see Process

    def run(self) -> None:
        self._look_up_queues()
        found: Claimed | Nothing = Nothing(more=True)
        while True:
            if isinstance(found, Claimed):
                self._rotation.mend(found)
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
                self._row.run_dry()
                return

    def _claim(self) -> Claimed | Nothing:
        workers = self._engine.workers
        found = self._patiently(lambda: workers.claim(self._slot, self._queues), Nothing())
        self._row.hear()
        return found

    def _work(self, job: Claimed) -> Claimed | Nothing:
        """Run a job, settle it, and return what the same call claimed."""
        logger.info("Started %s", _Line(job))
        began = time.monotonic()
        self.interrupt.claimed_at = self._asked_at
        report = RunReport(self._reports, job, self._silence)
        before = copy_context()
        outcome = self._executor.execute(job, self._slot.worker, report, self.interrupt)
        if os.getpid() != self._pid:  # a fork of the task's own, which the task let out
            os._exit(1)
        if _is_changed(before):
            _forget_place()
        if self.interrupt.raised is not None:
            close_engines()
            self._drop()
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
        if verdict == "cancelled":
            outcome.settlement = outcome.settlement._replace(outcome=verdict)
        if verdict == "stale":
            logger.warning("The lease was lost, the outcome is dropped: %s", _Line(job))
        elif self._executor.announce(outcome, now_ms):
            self._tidy()  # those who listen may have queried
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
        self._asked_at = time.monotonic()
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


def _is_changed(before: Context) -> bool:
    """Tell whether a context variable is not as it was, which is quicker than to set two back."""
    now = copy_context()
    return len(now) != len(before) or any(before.get(var) is not now[var] for var in now)


def _forget_place() -> None:
    """Take back the language and the time zone that a task has activated."""
    translation.deactivate()
    timezone.deactivate()


class _Line:
    """A job in a log line, written only if the line is; nobody has signed its names yet."""

    def __init__(self, job: Claimed) -> None:
        self._job = job

    def __str__(self) -> str:
        job = self._job
        return one_line(
            f"job={job.id} task={job.task} queue={job.queue} "
            f"attempt={job.attempt} fence={job.fence}"
        )
