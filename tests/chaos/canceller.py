"""Whoever calls jobs off while they run, as soon as the oracle tells that they do."""

import heapq
import threading
import time
from pathlib import Path
from typing import TextIO

from django_jobqueue.engine import Engine, get_engine
from django_jobqueue.exceptions import JobNotFound, QueueUnavailable
from tests.chaos.load import PAUSE, CallOff, Receipts
from tests.chaos.oracle import Line

LOOK = 0.02  # seconds between two looks at the oracle


class Canceller(threading.Thread):
    """Cancel each job that is to be called off, some time after its first start."""

    def __init__(self, receipts: Receipts, oracle: Path) -> None:
        """`receipts` are the feeder's: only a job that it got acknowledged is called off."""
        super().__init__(name="canceller", daemon=True)
        self._receipts = receipts
        self._oracle = oracle
        self._stopped = threading.Event()
        self._failure: BaseException | None = None
        self._engine: Engine = get_engine("default")
        self._seen: set[str] = set()  # ids of the jobs that have started
        self._due: list[tuple[float, str]] = []  # heap: monotonic, id
        self._rest = ""  # of the file: a line that is being written

    def run(self) -> None:
        try:
            with self._oracle.open() as oracle:
                while not self._stopped.wait(LOOK):
                    self._look(oracle)
                    while self._due and self._due[0][0] <= time.monotonic():
                        self._call_off(heapq.heappop(self._due)[1])
        except BaseException as error:
            self._failure = error

    def end(self) -> None:
        """Stop; raises what it broke at."""
        self._stopped.set()
        self.join()
        if self._failure is not None:
            raise RuntimeError("Running jobs could not be called off.") from self._failure

    def _look(self, oracle: TextIO) -> None:
        """Note the jobs that have started since the last look."""
        *texts, self._rest = (self._rest + oracle.read()).split("\n")
        for line in map(Line.parse, texts):
            planned = self._receipts.jobs.get(line.job)
            if planned is None or planned.call_off_after is None or line.job in self._seen:
                continue
            self._seen.add(line.job)
            heapq.heappush(self._due, (time.monotonic() + planned.call_off_after, line.job))

    def _call_off(self, job_id: str) -> None:
        """Repeat the call until it is answered."""
        call = self._receipts.called_off[job_id] = CallOff(time.time())
        while not self._stopped.is_set():
            try:
                call.state = self._engine.jobs.cancel(job_id)
            except QueueUnavailable:
                self._stopped.wait(PAUSE)
            except JobNotFound:
                return  # the verdict finds that it is lost
            else:
                call.answered = time.time()
                return
