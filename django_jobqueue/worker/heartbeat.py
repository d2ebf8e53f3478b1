"""The heartbeat of a worker: renew its leases, check for cancelled jobs, maintain the queues.

After a failure it tries again without end. It renews first, so that the leases are renewed
before any worker may reap them when the server returns.
"""

import logging
import math
import os
import socket
import time
from collections.abc import Callable, Mapping

from django_jobqueue import __version__, paths
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Lease, Slot
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.flow import limits
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome
from django_jobqueue.jobs.text import one_line
from django_jobqueue.worker.config import WorkerConfig
from django_jobqueue.worker.health import Health
from django_jobqueue.worker.limits.enforcer import Enforcer
from django_jobqueue.worker.limits.shared_state import run_id
from django_jobqueue.worker.maintenance import Maintenance
from django_jobqueue.worker.ticks import RedisTicks, Tick

logger = logging.getLogger("django_jobqueue.worker")

CANCEL_CHECK_EVERY = 0.5  # seconds


class Heartbeat(RedisTicks):
    """The regular calls of one worker to Redis."""

    def __init__(
        self,
        engine: Engine,
        config: WorkerConfig,
        enforcer: Enforcer,
        health: Health,
        figures: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        """`figures` returns what the worker's record tells beside what is known here."""
        self._claims = engine.claims
        self._unsettled = engine.unsettled
        self._leases = engine.leases
        self._config = config
        self._enforcer = enforcer
        self._health = health
        self._figures = figures
        self._renewal = Tick(engine.options.lease / 3, self._renew)
        cancel_check = Tick(CANCEL_CHECK_EVERY, self._renew_if_cancelled)
        look = Tick(1.0, self._look_for_ended)
        self._limits = engine.limits
        self._noting = Tick(1.0, self._note_limits)
        ticks = [self._renewal, self._noting, cancel_check, look, *Maintenance(engine).ticks]
        super().__init__(ticks, "Running jobs run on; trying again.")
        self._started_at = int(time.time() * 1000)
        self._is_stopping = False
        self._told: frozenset[str] = frozenset()
        self.has_ended = False  # a job has ended without a slot, and nobody was told of that yet
        self.has_ledger = False  # there were durable jobs, whose rows must be looked after

    def note_failure(self, error: JobQueueError) -> None:
        """Delay all calls, and let the worker's health name what must be changed."""
        super().note_failure(error)
        self._health.note_refusal(self.outage.refusal)

    def mark_stopping(self) -> None:
        """Store at once in the worker's record that the worker is stopping."""
        self._is_stopping = True
        self.renew_soon()

    def renew_soon(self) -> None:
        """Store at once what has changed in the worker's record."""
        self._renewal.due = time.monotonic()

    def take_told(self) -> frozenset[str]:
        """Return what somebody wants of this worker, once."""
        told, self._told = self._told, frozenset()
        return told

    def has_left_ended(self) -> bool:
        """Return whether there is still an end to be told of; if Redis is away, none can be."""
        if not self.is_failing:
            try:
                self._look_for_ended()
            except JobQueueError as error:
                self.note_failure(error)
        return self.has_ended and not self.is_failing

    def remove_record(self) -> None:
        """Remove the worker's record."""
        try:
            self._leases.forget(self._config.worker)
        except JobQueueError as error:
            logger.warning("The worker's record stays for ten minutes: %s", error)

    def _note_limits(self) -> None:
        """Store once what limits the code of this worker has."""
        tasks = paths.registered().items()
        self._limits.set_limits({path: limits.numbers_of(task) for path, task in tasks})
        self._noting.due = math.inf

    def _look_for_ended(self) -> None:
        self.has_ended, self.has_ledger = self._unsettled.look()

    def _renew_if_cancelled(self) -> None:
        """Renew at once if a job was cancelled; the reply names the job."""
        if self._leases.take_renewal_request(self._config.worker):
            self._renew()

    def _renew(self) -> None:
        config, sent_at, before = self._config, time.monotonic(), self._enforcer.runs()
        held, told = self._leases.renew(
            config.worker,
            {
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "queues": " ".join(config.queues or ()),
                "weights": " ".join(map(str, config.weights)),
                "processes": config.processes,
                "threads": config.threads,
                "version": __version__,
                "started_at": self._started_at,
                "stopping": int(self._is_stopping),
                "fault": next(iter(self._health.faults()), ""),
                **self._figures(),
            },
        )
        self._told |= told
        self._health.note_renewal()
        self._enforcer.note_renewal(held, sent_at)
        now = self._enforcer.runs()
        for one in held:
            if one.lost:
                logger.warning("Slot %s lost the lease of job %s", one.slot, one_line(one.id))
            elif _is_over(one, before, now):
                self._release(one)

    def _release(self, held: Lease) -> None:
        """Release a run that Redis assigns to a slot which is at another run.

        After a failover, the new server may lack the end of that run. Without the release, the
        renewals would keep the job in state running until the slot's present job ends.
        """
        slot = Slot(self._config.worker, held.slot)
        released = RunResult(Outcome.RELEASED)
        reply, _, _ = self._claims.finish(slot, held, released, [], untold=True)
        logger.warning("Redis has lost the end of job %s: released, %s", one_line(held.id), reply)


def _is_over(held: Lease, before: dict[str, int], now: dict[str, int]) -> bool:
    """Return whether the slot was at one other run before and after the renewal."""
    run = before.get(held.slot, 0)
    return run not in (0, run_id(held.fence)) and run == now[held.slot]
