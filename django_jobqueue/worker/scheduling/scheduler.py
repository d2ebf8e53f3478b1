"""The scheduler: fires schedules, maintains the queues, and ends at once on a signal.

It runs as `manage.py jobscheduler` or as a process of a worker; several may run at a time.
Next: worker/scheduling/firing.py.
"""

import logging
import os
import signal
import time
from pathlib import Path

from django_jobqueue.engine import Engine
from django_jobqueue.worker.autoreload import is_gone
from django_jobqueue.worker.config import WorkerConfig
from django_jobqueue.worker.health import HealthFile
from django_jobqueue.worker.maintenance import Maintenance
from django_jobqueue.worker.outage import attach, patient_engine
from django_jobqueue.worker.scheduling.firing import LOOK_EVERY, SchedulePass
from django_jobqueue.worker.scheduling.loader import ScheduleLoader
from django_jobqueue.worker.stop_signals import handling
from django_jobqueue.worker.ticks import RedisTicks, Tick

logger = logging.getLogger("django_jobqueue.worker")

UNHEALTHY_AFTER = 30.0  # seconds without a pass
MIN_LOOK_INTERVAL = 0.001  # seconds; the server's clock may be slightly behind


class Stopped(BaseException):
    """A signal asks to stop; an interrupted call may be lost, but a later pass repeats it."""


class Scheduler:
    """One scheduler of one alias."""

    def __init__(
        self,
        engine: Engine,
        name: str,
        *,
        maintains: bool = True,
        health_file: Path | None = None,
        reloader: int | None = None,
    ) -> None:
        """Create the ticks; `name` is an id that is never used again, like a worker's.

        `reloader` is the pid of the process that restarts this one; see worker/autoreload.py.
        """
        self._engine = engine
        self._loader = ScheduleLoader(engine.alias)
        self._pass = SchedulePass(engine, name, self._loader.latest)
        self._look = Tick(LOOK_EVERY, self._fire)
        ticks = [self._look, *(Maintenance(engine).ticks if maintains else ())]
        self._ticks = RedisTicks(ticks, "Nothing is fired; trying again.")
        self._health = HealthFile("scheduler", health_file)
        self._reloader = reloader
        self._show = Tick(1.0, self._look_around)
        self._looked_at = time.monotonic()
        self._is_stopping = False

    def run(self) -> int:
        """Fire until a signal comes; return the exit code.

        Raises: ServerUnfit, OwnerMismatch, SchemaMismatch, QueueUnavailable (the log-in is
        refused) before the first pass.
        """
        try:
            with handling(self._on_signal):
                try:
                    self._work()
                finally:
                    self._is_stopping = True  # from now on a signal raises nothing
                    self._loader.stop()
                    self._health.end()
        except Stopped:
            pass
        logger.info("The scheduler has stopped.")
        return 0

    def _work(self) -> None:
        for pause in attach(self._engine, self._ticks.outage):
            time.sleep(pause)
            if self._is_stopping or is_gone(self._reloader):
                return
        logger.info("Fires schedules of=%s pid=%d", self._engine.alias, os.getpid())
        self._loader.start()
        while not self._is_stopping:
            self._show.run_if_due()
            self._ticks.run_due()
            due = min(self._show.due, self._ticks.due)
            time.sleep(max(0.0, due - time.monotonic()))

    def _on_signal(self, signum: int, frame: object) -> None:
        if not self._is_stopping:
            # Python drops exceptions in some places, such as `__del__`; the loop checks the flag.
            self._is_stopping = True
            raise Stopped

    def _fire(self) -> None:
        asked_at = time.monotonic()
        pause = self._pass.run()
        self._looked_at = time.monotonic()
        self._look.due = max(asked_at + pause, self._looked_at + MIN_LOOK_INTERVAL)

    def _look_around(self) -> None:
        self._is_stopping = self._is_stopping or is_gone(self._reloader)
        silent = time.monotonic() - self._looked_at > UNHEALTHY_AFTER
        found = [f"it could not look for {UNHEALTHY_AFTER:g} s"] if silent else []
        refusal = self._ticks.outage.refusal
        self._health.show([refusal] if refusal else found)


def run_for_worker(config: WorkerConfig) -> None:
    """Fire the schedules of a worker's alias, in a separate process."""
    signal.set_wakeup_fd(-1)  # a fork inherits the supervisor's
    engine = patient_engine(config.alias)
    Scheduler(engine, config.worker, maintains=False).run()
