"""The scheduler: fires when the time has come, maintains, and ends at once when asked to.

Any number of them may run. Runs as `manage.py jobscheduler`, or as one process of a worker.
Next: worker/firing.py.
"""

import logging
import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from django_jobqueue.conf import load
from django_jobqueue.engine import Engine, new_engine
from django_jobqueue.engine.locate import supervisor_timeouts
from django_jobqueue.exceptions import JobQueueError, QueueUnavailable
from django_jobqueue.worker.firing import LOOK_EVERY, Firing
from django_jobqueue.worker.health import HealthFile
from django_jobqueue.worker.maintenance import Maintenance, Tick
from django_jobqueue.worker.process import STOP_SIGNALS, Plan
from django_jobqueue.worker.reader import Reader

logger = logging.getLogger("django_jobqueue.worker")

SILENT = 30.0  # seconds without a look: then it is not healthy
SHORTEST = 0.001  # seconds between two looks: the server's clock may be a little behind


class Stopped(BaseException):
    """A signal asks to stop. Whatever it interrupts may be lost, and is made up for by others."""


class Scheduler:
    """One scheduler of one alias."""

    def __init__(
        self,
        engine: Engine,
        name: str,
        *,
        maintains: bool = True,
        health_file: Path | None = None,
    ) -> None:
        """`name` is an id that is never used again, as a worker's."""
        self._engine = engine
        self._reader = Reader(engine.alias)
        self._firing = Firing(engine, name, self._reader.latest)
        self._look = Tick(LOOK_EVERY, self._fire)
        self._ticks = [*(Maintenance(engine).ticks if maintains else ()), self._look]
        self._health = HealthFile("scheduler", health_file)
        self._show = Tick(1.0, self._show_health)
        self._looked_at = time.monotonic()
        self._failures = 0
        self._retry_at = 0.0  # monotonic; no call before
        self._is_stopping = False

    def run(self, stoppers: Sequence[int] = STOP_SIGNALS) -> int:
        """Fire until a signal comes; return the exit code.

        Raises: ServerUnfit, OwnerMismatch, SchemaMismatch, QueueUnavailable (the log-in is
        refused) before the first look.
        """
        try:
            for signum in stoppers:
                signal.signal(signum, self._on_signal)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
            self._attach()
            logger.info("Fires schedules of=%s pid=%d", self._engine.alias, os.getpid())
            self._reader.start()
            while not self._is_stopping:
                self._run_due()
                time.sleep(max(0.0, self._due - time.monotonic()))
        except Stopped:
            pass
        finally:
            self._reader.stop()
            self._health.end()
        logger.info("The scheduler has stopped.")
        return 0

    @property
    def _due(self) -> float:
        """Return when there is something to do, in monotonic time."""
        call_at: float = min(tick.due for tick in self._ticks)
        return min(self._show.due, max(call_at, self._retry_at))

    def _on_signal(self, signum: int, frame: object) -> None:
        if not self._is_stopping:
            # Where Python drops what a handler raises, the loop finds the mark.
            self._is_stopping = True
            raise Stopped

    def _attach(self) -> None:
        """Introduce the process, waiting while Redis is away."""
        while not self._is_stopping:
            try:
                self._engine.connection.attach()
            except QueueUnavailable as error:
                if not error.passing:
                    raise
                self._failed(error)
                time.sleep(max(0.0, self._retry_at - time.monotonic()))
            else:
                return

    def _run_due(self) -> None:
        self._show.run_if_due()
        if time.monotonic() < self._retry_at:
            return
        try:
            for tick in self._ticks:
                tick.run_if_due()
        except JobQueueError as error:
            self._failed(error)
        else:
            if self._failures:
                logger.warning("Redis answers again.")
            self._failures = 0

    def _fire(self) -> None:
        asked_at = time.monotonic()
        pause = self._firing.run()
        self._looked_at = time.monotonic()
        self._look.due = max(asked_at + pause, self._looked_at + SHORTEST)

    def _failed(self, error: JobQueueError) -> None:
        """Wait a little before the next call; the first is then a look."""
        if self._failures == 0:
            logger.error("%s Nothing is fired; trying again.", error)
        pause = min(1.0, 0.1 * 2 ** min(self._failures, 10)) * random.uniform(0.5, 1)  # noqa: S311
        self._failures += 1
        self._retry_at = self._look.due = time.monotonic() + pause

    def _show_health(self) -> None:
        silent = time.monotonic() - self._looked_at > SILENT
        self._health.show([f"it could not look for {SILENT:g} s"] if silent else [])


def fire_for(plan: Plan) -> None:
    """Fire the schedules of a worker's alias, in a process of its own."""
    signal.set_wakeup_fd(-1)  # a forked process has the supervisor's
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches the supervisor, which asks
    Scheduler(scheduler_engine(plan.alias), plan.worker, maintains=False).run([signal.SIGTERM])


def scheduler_engine(alias: str) -> Engine:
    """Return an engine for one who repeats its calls itself."""
    return new_engine(alias, supervisor_timeouts(load(alias).lease))
