"""One process of a worker as its supervisor sees it, and what becomes of its job when it ends."""

import logging
import os
import signal
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

from django_jobqueue.engine.claims import Slot, Workers
from django_jobqueue.jobs.text import one_line
from django_jobqueue.worker.board import number_of
from django_jobqueue.worker.ends import kill_if
from django_jobqueue.worker.enforcer import Enforcer, Verdict

logger = logging.getLogger("django_jobqueue.worker")

PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class End(NamedTuple):
    """How a process ended, as it was when that was seen."""

    lost: bool  # by itself, not because its worker stops: that is a recovery of its job
    reason: str


@dataclass(slots=True)
class Child:
    """One process, its slots, and what its supervisor did to it."""

    process: BaseProcess
    pid: int
    slots: list[str]
    started: float  # monotonic
    verdict: Verdict | None = None  # why it was killed, if that was for its run
    is_retired: bool = False  # it was asked to end after its job, and will be replaced
    end: End | None = None

    @property
    def name(self) -> str:
        return self.process.name

    @property
    def is_running(self) -> bool:
        return self.process.exitcode is None

    @property
    def memory(self) -> int:
        """Return the bytes it has in memory; 0 if that can't be told here."""
        try:
            pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * PAGE

    def send(self, signum: int) -> None:
        if self.is_running:
            os.kill(self.pid, signum)

    def enforce(self, enforcer: Enforcer) -> None:
        """Have its runs keep their limits."""
        if self.verdict is not None:
            return  # it was killed, and its end is still to be collected
        for slot in self.slots:
            if enforcer.asks(slot):
                self.send(signal.SIGUSR1)
            verdict = partial(enforcer.verdict, slot)
            found = verdict()
            if found and self.is_running and kill_if(self.pid, verdict):
                logger.warning("Process %s of slot %s was killed: %s", self.pid, slot, found.reason)
                self.verdict = found

    def give_back(self, workers: Workers, worker: str, end: End) -> None:
        """Settle or give back what it held when it ended.

        Raises: QueueUnavailable.
        """
        for name in self.slots:
            slot = Slot(worker, name)
            if not self._is_settled(workers, slot):
                moved = workers.release_slot(slot, lost=end.lost, reason=end.reason)
                if moved:
                    logger.warning("Job %s was given back, it is %s", *map(one_line, moved))

    def _is_settled(self, workers: Workers, slot: Slot) -> bool:
        """Settle a run that was killed as the verdict says."""
        if self.verdict is None or self.verdict.settlement is None:
            return False
        held = workers.held(slot.worker, slot.name)
        if held is None or number_of(held.fence) != self.verdict.run:
            return False
        workers.finish(slot, held, self.verdict.settlement, [])
        return True
