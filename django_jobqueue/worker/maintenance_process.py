"""The maintenance process of a worker does what may hang, so that the supervisor never does.

It tells of jobs that ended without a slot. It runs no job and touches no lease. The supervisor
starts it when there is something to tell, kills it when that takes too long, and stops it last.
"""

import os
import signal
import time
from multiprocessing.connection import Connection, wait

from django_jobqueue.compat import silence_framework
from django_jobqueue.worker import forks
from django_jobqueue.worker.config import WorkerConfig
from django_jobqueue.worker.ended import EndedJobs
from django_jobqueue.worker.limits.shared_state import SharedState, SlotState
from django_jobqueue.worker.outage import patient_engine
from django_jobqueue.worker.process import EXIT_TIMEOUT, init_child, leave_to_supervisor
from django_jobqueue.worker.slot_loop import StopFlag
from django_jobqueue.worker.stop_signals import STOP_SIGNALS, alarm, heeded
from django_jobqueue.worker.ticks import RedisTicks, Tick

PLACE = "maintenance"  # of this process in the shared state, beside the slots
LOOK_EVERY = 1.0  # seconds
TELL_TIMEOUT = 60.0  # seconds that the receivers may take for one job


def run_maintenance(
    config: WorkerConfig,
    shared: SharedState,
    alive: Connection,
    inherited: Connection | None,
    settings: str,
) -> None:
    """Tell of ended jobs until told to stop; see run_process."""
    init_child(alive, inherited, settings)
    silence_framework()
    stop, state = StopFlag(), shared.slot(PLACE)
    with alarm() as alarmed:
        forks.set_handlers(
            dict.fromkeys(heeded(), leave_to_supervisor) | {signal.SIGTERM: stop.handle}
        )
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        MaintenanceLoop(config, state, stop, alarmed).run()
    state.mark_drained()
    state.mark_leaving(time.monotonic() + EXIT_TIMEOUT)


class MaintenanceLoop:
    """The work of the maintenance process."""

    def __init__(self, config: WorkerConfig, state: SlotState, stop: StopFlag, alarm: int) -> None:
        """Show in `state` by when a pass must end; a signal makes the descriptor `alarm` ready."""
        self._ended = EndedJobs(patient_engine(config.alias))
        self._look = Tick(LOOK_EVERY, self._tell_all)
        self._ticks = RedisTicks([self._look], "Ends of jobs are told later; trying again.")
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
        self._look.due = time.monotonic()
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

    def _limit(self) -> None:
        self._state.must_exit_by = time.monotonic() + TELL_TIMEOUT

    def _sleep(self) -> None:
        timeout = max(0.0, self._ticks.due - time.monotonic())
        if wait([self._alarm], timeout):
            os.read(self._alarm, 4096)
