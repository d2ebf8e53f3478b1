"""The maintenance process of a worker does what may hang, so that the supervisor never does.

It tells of jobs that ended without a slot, and looks after the ledger of durable jobs. It runs no
job and touches no lease. The supervisor starts it when there is work for it, kills it when that
takes too long, and stops it last.
"""

import logging
import os
import signal
import time
from multiprocessing.connection import Connection, wait

from django.db import Error

from django_jobqueue.compat import silence_framework
from django_jobqueue.engine import Engine
from django_jobqueue.engine.scripts import Argument
from django_jobqueue.ledger.lag import lag
from django_jobqueue.ledger.reconciling import Reconciliation
from django_jobqueue.ledger.table import table
from django_jobqueue.signals import maintained
from django_jobqueue.worker import connections, forks
from django_jobqueue.worker.config import WorkerConfig
from django_jobqueue.worker.ended import EndedJobs
from django_jobqueue.worker.limits.shared_state import SharedState, SlotState
from django_jobqueue.worker.outage import patient_engine
from django_jobqueue.worker.process import EXIT_TIMEOUT, init_child, leave_to_supervisor
from django_jobqueue.worker.slot_loop import StopFlag
from django_jobqueue.worker.stop_signals import STOP_SIGNALS, alarm, heeded
from django_jobqueue.worker.ticks import RedisTicks, Tick

logger = logging.getLogger("django_jobqueue.worker")

PLACE = "maintenance"  # of this process in the shared state, beside the slots
LOOK_EVERY = 1.0  # seconds
WALK_EVERY = 60.0  # seconds between comparisons of all open rows with Redis
PURGE_EVERY = 300.0  # seconds
TELL_TIMEOUT = 60.0  # seconds that the receivers may take for one job
LONGEST_LAG = 60.0  # seconds that a durable job may wait for Redis without a warning
DATABASE_PAUSE = 5.0  # seconds after an error of the database


def run_maintenance(
    config: WorkerConfig,
    shared: SharedState,
    has_ledger: bool,
    alive: Connection,
    inherited: Connection | None,
    settings: str,
) -> None:
    """Tell of ended jobs and keep the ledger until told to stop; see run_process.

    `has_ledger`: there are durable jobs; else Redis may tell later that there are.
    """
    init_child(alive, inherited, settings)
    silence_framework()
    stop, state = StopFlag(), shared.slot(PLACE)
    with alarm() as alarmed:
        forks.set_handlers(
            dict.fromkeys(heeded(), leave_to_supervisor) | {signal.SIGTERM: stop.handle}
        )
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        MaintenanceLoop(config, has_ledger, state, stop, alarmed).run()
    state.mark_drained()
    state.mark_leaving(time.monotonic() + EXIT_TIMEOUT)


class MaintenanceLoop:
    """The work of the maintenance process."""

    def __init__(
        self,
        config: WorkerConfig,
        has_ledger: bool,
        state: SlotState,
        stop: StopFlag,
        alarm: int,
    ) -> None:
        """Show in `state` by when a pass must end; a signal makes the descriptor `alarm` ready."""
        engine = patient_engine(config.alias)
        self._ended = EndedJobs(engine)
        self._ledger = LedgerTicks(engine, Reconciliation(engine, connections.tidy, self._limit))
        self._look = Tick(LOOK_EVERY, self._tell_all)
        self._settle = Tick(LOOK_EVERY, self._keep_ledger)
        ticks = [self._look, self._settle]
        self._ticks = RedisTicks(ticks, "Ends of jobs are told later; trying again.")
        self._engine = engine
        self._has_ledger = has_ledger
        self._waits_for_redis = config.burst  # at the end too
        self._state = state
        self._stop = stop
        self._alarm = alarm

    def run(self) -> None:
        """Make a pass each second; when a stop is requested, make a last one."""
        self._state.mark_ready()
        while not self._stop.requested:
            self._ticks.run_due()
            self._sleep()
        self._look.due = self._settle.due = time.monotonic()
        self._ticks.run_due()
        while self._ticks.is_failing and self._waits_for_redis:
            self._sleep()
            self._ticks.run_due()

    def _tell_all(self) -> None:
        """Tell of all ended jobs; the time limit is for each of them."""
        try:
            self._limit()
            while self._ended.tell_next():
                self._limit()
        finally:
            self._state.mark_ready()

    def _keep_ledger(self) -> bool:
        """Look after the ledger, if there is one; the time limit is for each step."""
        engine = self._engine
        # Once there was a ledger there is one, also when Redis was emptied.
        self._has_ledger = self._has_ledger or any(engine.unsettled.look())
        if not self._has_ledger:
            return False
        try:
            self._limit()
            return self._ledger.run_due(engine.client.epoch)
        finally:
            self._state.mark_ready()

    def _limit(self) -> None:
        self._state.must_exit_by = time.monotonic() + TELL_TIMEOUT

    def _sleep(self) -> None:
        timeout = max(0.0, self._ticks.due - time.monotonic())
        if wait([self._alarm], timeout):
            os.read(self._alarm, 4096)


class LedgerTicks:
    """The regular work on the ledger of one alias; it pauses while the database fails."""

    def __init__(self, engine: Engine, reconciliation: Reconciliation) -> None:
        self._engine = engine
        self._reconciliation = reconciliation
        self._walk = Tick(WALK_EVERY, reconciliation.walk)
        self._purge = Tick(PURGE_EVERY, self._tidy_up)
        self._lag = Tick(WALK_EVERY, self._warn_of_lag)
        self._epoch: Argument = ""
        self._retry_at = 0.0  # monotonic
        self._is_failing = False

    def run_due(self, epoch: Argument) -> bool:
        """Settle and relay, and do what else is due; return whether more is due at once.

        Raises: QueueUnavailable.
        """
        now = time.monotonic()
        if now < self._retry_at:
            return False
        if epoch != self._epoch:  # Redis was emptied or replaced, or this is the first pass
            self._epoch, self._walk.due = epoch, now
            self._reconciliation.restart()
        try:
            is_more = self._reconciliation.relay()
            self._walk.run_if_due()
            self._purge.run_if_due()
            self._lag.run_if_due()
        except Error as error:
            self._note_failure(error)
            return False
        finally:
            connections.tidy()
        self._is_failing = False
        return is_more or min(self._walk.due, self._purge.due) <= time.monotonic()

    def _tidy_up(self) -> bool:
        """Purge the ledger, and tell other apps to purge; return whether more may be left."""
        if self._reconciliation.purge():
            return True
        maintained.send_robust(table(), alias=self._engine.alias)
        return False

    def _warn_of_lag(self) -> None:
        found = lag(self._engine)
        if found.seconds > LONGEST_LAG:
            logger.warning(
                "%d durable jobs wait for Redis, the oldest for %.0f s.",
                found.waiting,
                found.seconds,
            )

    def _note_failure(self, error: Error) -> None:
        self._retry_at = time.monotonic() + DATABASE_PAUSE
        if not self._is_failing:
            logger.error("The ledger can't be kept: %s Trying again.", error)
        self._is_failing = True
