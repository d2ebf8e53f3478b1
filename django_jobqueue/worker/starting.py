"""Start the processes of a worker: those of its slots, its scheduler, its maintenance."""

import gc
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from typing import Any

from django_jobqueue.worker import connections, maintenance_process
from django_jobqueue.worker.child import Child
from django_jobqueue.worker.config import WorkerConfig
from django_jobqueue.worker.limits.shared_state import SharedState
from django_jobqueue.worker.process import run_process, run_scheduler
from django_jobqueue.worker.stop_signals import STOP_SIGNALS

logger = logging.getLogger("django_jobqueue.worker")

START_TIMEOUT = 60.0  # seconds that a process may take until its slots can work
SCHEDULER = -1  # the number of the process that fires schedules, if there is one
MAINTENANCE = -2  # the number of the maintenance process, if there is work for it


@contextmanager
def sharing_memory() -> Iterator[None]:
    """Keep the garbage collector of forked processes off what is loaded by now.

    It writes into every object that it looks at, and memory that is written to is no longer shared.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class Starter:
    """Start processes by their numbers."""

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config
        # Forking is not safe on macOS, where system libraries start threads.
        self._context: Any = multiprocessing.get_context(
            "fork" if sys.platform == "linux" else "spawn"
        )
        self.shared = SharedState(self._context, [*config.slots, maintenance_process.PLACE])
        self.has_ledger = False  # the maintenance process is to look after the rows of durable jobs

    @contextmanager
    def lifeline(self) -> Iterator[None]:
        """Keep open the pipe at whose end all processes kill themselves."""
        self._alive, self._only_mine = self._context.Pipe(duplex=False)
        with self._alive, self._only_mine:
            yield

    def start(self, number: int) -> Child | None:
        """Start a process; return None if the system can't."""
        connections.prepare()
        now = time.monotonic()
        slots = self._config.slots_of(number) if number >= 0 else []
        places = [maintenance_process.PLACE] if number == MAINTENANCE else slots
        states = [self.shared.slot(place) for place in places]
        for state in states:
            state.reset(now + START_TIMEOUT)
        try:
            process, stacks = self._started(number)
        except OSError as error:  # too many processes or files, or no memory
            logger.error("Process %s can't be started: %s", _name(number), error)
            for state in states:
                state.mark_idle()
            return None
        return Child(process, process.pid, slots, states, now, stacks)

    def _started(self, number: int) -> tuple[Any, Connection]:
        """Return a new process, and the pipe into which it writes its stacks."""
        stacks, writer = self._context.Pipe(duplex=False)
        with ExitStack() as unless_started, writer:
            unless_started.enter_context(stacks)
            os.set_blocking(stacks.fileno(), False)
            process = self._new(number, writer)
            # A stop signal must not get lost before the child has installed its handlers.
            signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
            try:
                process.start()
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
            unless_started.pop_all()
        return process, stacks

    def _new(self, number: int, stacks: Connection) -> Any:
        forked = self._context.get_start_method() == "fork"
        inherited = self._only_mine if forked else None
        common = (self._alive, inherited, os.environ.get("DJANGO_SETTINGS_MODULE", ""))
        target: Any = run_process
        given: tuple[Any, ...] = (number, self.shared, stacks)
        if number == SCHEDULER:
            target, given = run_scheduler, ()
        elif number == MAINTENANCE:
            target, given = maintenance_process.run_maintenance, (self.shared, self.has_ledger)
        arguments = (self._config, *given, *common)
        return self._context.Process(target=target, args=arguments, name=_name(number))


def _name(number: int) -> str:
    names = {SCHEDULER: "jobscheduler", MAINTENANCE: "jobworker-maintenance"}
    return names.get(number, f"jobworker-{number}")
