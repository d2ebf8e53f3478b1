"""What a worker owes Redis all the time: leases renewed, queues maintained, itself shown.

It never gives up: after a failure it calls again, renewal first, so that a server that comes
back finds the leases renewed before anybody may reap them.
"""

import logging
import os
import random
import socket
import time

from django_jobqueue import __version__
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Held, Slot
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.jobs.attempt import Settlement
from django_jobqueue.jobs.text import one_line
from django_jobqueue.worker.board import number_of
from django_jobqueue.worker.enforcer import Enforcer
from django_jobqueue.worker.health import Health
from django_jobqueue.worker.maintenance import Maintenance, Tick
from django_jobqueue.worker.process import Plan

logger = logging.getLogger("django_jobqueue.worker")

CALLS = 0.5  # seconds between two looks whether a job was cancelled


class Upkeep:
    """The regular calls of one worker."""

    def __init__(self, engine: Engine, plan: Plan, enforcer: Enforcer, health: Health) -> None:
        self._workers = engine.workers
        self._plan = plan
        self._enforcer = enforcer
        self._health = health
        self._renewal = Tick(engine.options.lease / 3, self._renew)
        self._calls = Tick(CALLS, self._renew_if_called)
        self._maintenance = Maintenance(engine)
        self._retry_at = 0.0  # monotonic; no call before
        self._failures = 0
        self._started_at = int(time.time() * 1000)
        self._is_stopping = False

    @property
    def due(self) -> float:
        """Return when the next call is due, in monotonic time."""
        ticks = [self._renewal, self._calls, *self._maintenance.ticks]
        return max(min(tick.due for tick in ticks), self._retry_at)

    @property
    def is_failing(self) -> bool:
        """Tell whether the latest call has failed."""
        return self._failures > 0

    def run_if_due(self) -> None:
        """Renew and maintain; after a failure the renewal comes first."""
        if time.monotonic() < self._retry_at:
            return
        try:
            self._renewal.run_if_due()
            self._calls.run_if_due()
            for tick in self._maintenance.ticks:
                tick.run_if_due()
        except JobQueueError as error:
            self.failed(error)
        else:
            if self._failures:
                logger.warning("Redis answers again.")
            self._failures = 0

    def failed(self, error: JobQueueError) -> None:
        """Wait a little before the next call."""
        if self._failures == 0:
            logger.error("%s Running jobs run on; trying again.", error)
        pause = min(1.0, 0.1 * 2 ** min(self._failures, 10)) * random.uniform(0.5, 1)  # noqa: S311
        self._failures += 1
        self._retry_at = time.monotonic() + pause
        self._renewal.due = self._retry_at

    def stop(self) -> None:
        """Let people see that the worker is stopping."""
        self._is_stopping = True
        self._renewal.due = time.monotonic()

    def leave(self) -> None:
        """Take the worker's record away."""
        try:
            self._workers.forget(self._plan.worker)
        except JobQueueError as error:
            logger.warning("The worker's record stays for ten minutes: %s", error)

    def _renew_if_called(self) -> None:
        """Renew before the time if a job was cancelled: the renewal tells which."""
        if self._workers.is_called(self._plan.worker):
            self._renew()

    def _renew(self) -> None:
        plan, sent_at, before = self._plan, time.monotonic(), self._enforcer.runs()
        held = self._workers.renew(
            plan.worker,
            {
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "queues": " ".join(plan.queues or ()),
                "processes": plan.processes,
                "threads": plan.threads,
                "version": __version__,
                "started_at": self._started_at,
                "stopping": int(self._is_stopping),
                "fault": next(iter(self._health.faults()), ""),
            },
        )
        self._health.renewed()
        self._enforcer.renewed(held, sent_at)
        now = self._enforcer.runs()
        for one in held:
            if one.lost:
                logger.warning("Slot %s lost the lease of job %s", one.slot, one_line(one.id))
            elif _is_over(one, before, now):
                self._put_back(one)

    def _put_back(self, held: Held) -> None:
        """Give back a run that Redis has a slot hold while the slot is at another one.

        A replica that took over lacks what the slot did last: here, how that run ended. The
        renewals would keep it running for as long as the slot's present job lasts.
        """
        slot = Slot(self._plan.worker, held.slot)
        verdict, _, _ = self._workers.finish(slot, held, Settlement("released"), [])
        logger.warning(
            "Redis has lost the end of job %s: given back, %s", one_line(held.id), verdict
        )


def _is_over(held: Held, before: dict[str, float], now: dict[str, float]) -> bool:
    """Tell whether the slot was at another run all the while."""
    run = before.get(held.slot, 0.0)
    return run not in (0.0, number_of(held.fence)) and run == now[held.slot]
