"""The supervisor's record of one process, and the release of its jobs when it ends."""

import logging
import os
import signal
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.states import Outcome, State
from django_jobqueue.jobs.text import one_line
from django_jobqueue.worker.limits.enforcer import Enforcer, Kill
from django_jobqueue.worker.limits.interrupt import INTERRUPT_SIGNAL
from django_jobqueue.worker.limits.kill import has_ended, kill_group, kill_if_still
from django_jobqueue.worker.limits.shared_state import SlotState, run_id

logger = logging.getLogger("django_jobqueue.worker")

PAGE_SIZE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class End(NamedTuple):
    """The end of a process, recorded when the supervisor first sees it."""

    lost: bool  # not caused by the worker's stop: it counts as a recovery of the job
    reason: str


@dataclass(slots=True)
class Child:
    """One process, its slots, and the supervisor's actions on it."""

    process: BaseProcess
    pid: int
    slots: list[str]
    states: list[SlotState]  # of its slots; its own if it is the maintenance process
    started: float  # monotonic
    stacks: Connection | None = None  # where it writes them; see stacks.py
    killed: Kill | None = None  # set when a run exceeded its limits
    is_retired: bool = False  # asked to end after its job
    end: End | None = None
    is_collected: bool = False

    def __post_init__(self) -> None:
        # The process does the same; whichever comes first.
        with suppress(OSError):
            os.setpgid(self.pid, self.pid)

    @property
    def name(self) -> str:
        return self.process.name

    def is_running(self) -> bool:
        """Return whether it runs; if it has ended, kill what its tasks left, then collect it."""
        if not self.is_collected and has_ended(self.process):
            kill_group(self.pid)
            self.process.join()
            self.is_collected = True
        return not self.is_collected

    @property
    def memory(self) -> int:
        """Return the resident memory in bytes; 0 if the system does not report it."""
        try:
            pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * PAGE_SIZE

    def retire(self) -> None:
        """Ask it to end after its job."""
        if not self.is_retired:
            self.is_retired = True
            self.send(signal.SIGTERM)

    def send(self, signum: int) -> None:
        if self.is_running():
            os.kill(self.pid, signum)

    def kill(self) -> None:
        """Kill it, and what its tasks have started."""
        if self.is_running():
            kill_group(self.pid)

    def enforce(self, enforcer: Enforcer) -> None:
        """Interrupt or kill runs that exceed their limits."""
        if self.killed is not None:
            return  # its end is not collected yet
        for slot in self.slots:
            if enforcer.ask_if_due(slot):
                self.send(INTERRUPT_SIGNAL)
            kill_due = partial(enforcer.kill_due, slot)
            kill = kill_due()
            if kill and self.is_running() and kill_if_still(self.pid, kill_due):
                logger.warning("Process %s of slot %s was killed: %s", self.pid, slot, kill.reason)
                self.killed = kill

    def release_jobs(self, engine: Engine, worker: str, end: End) -> None:
        """Finish or release the jobs that it held when it ended.

        Raises: QueueUnavailable.
        """
        for name in self.slots:
            slot = Slot(worker, name)
            if not self._is_settled(engine, slot):
                moved = engine.leases.release_slot(slot, lost=end.lost, reason=end.reason)
                if moved:
                    how = "recovered" if end.lost else "released"
                    job, state = map(one_line, moved)
                    level = logging.ERROR if state == State.FAILED else logging.WARNING
                    logger.log(
                        level, "Job %s was %s, because its process ended: %s", job, how, state
                    )

    def _is_settled(self, engine: Engine, slot: Slot) -> bool:
        """Finish the killed run with the result of its kill; return whether that was done."""
        if self.killed is None or self.killed.result is None:
            return False
        held = engine.leases.held(slot.worker, slot.name)
        if held is None or run_id(held.fence) != self.killed.run:
            return False
        engine.claims.finish(slot, held, self.killed.result, [], untold=True)
        outcome, reason = self.killed.result.outcome, self.killed.reason
        level = logging.ERROR if outcome is Outcome.FAILED else logging.WARNING
        logger.log(level, "Job %s was killed (%s): %s", one_line(held.id), reason, outcome)
        return True


def collect_orphans(own: Collection[int]) -> None:
    """Collect ended processes that are not `own`: the children of jobs that have ended.

    Orphans become children of process 1, which may be a worker in a container.
    """
    while os.getpid() == 1 and hasattr(os, "waitid"):
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None or found.si_pid in own:
            return
        os.waitpid(found.si_pid, 0)
