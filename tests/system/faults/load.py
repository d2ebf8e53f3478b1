"""A caller that goes on enqueueing whatever happens, and what became of its jobs."""

import itertools
import threading
import time
from dataclasses import dataclass
from types import TracebackType

from django_jobqueue.engine import Engine
from django_jobqueue.exceptions import JobNotFound, QueueUnavailable
from django_jobqueue.jobs.states import State
from tests.project import fault_tasks
from tests.support.processes import until
from tests.support.servers import TcpServer

from .conftest import Oracle

PAUSE = 0.005  # seconds between two jobs


@dataclass(frozen=True, slots=True)
class Safe:
    """What a failover can't take away: the replicas have it too."""

    accepted: frozenset[str]  # ids
    succeeded: frozenset[str]


@dataclass(frozen=True, slots=True)
class Losses:
    """What a failover did to jobs that had been accepted."""

    lost: list[str]  # ids of those that the server does not know now
    repeated: list[str]  # of those that ran more often than their record says

    def __str__(self) -> str:
        return f"{len(self.lost)} lost, {len(self.repeated)} ran again without a recovery"


class Caller:
    """Enqueue one job after the other from a thread, and note which were accepted when."""

    def __init__(self, oracle: Oracle) -> None:
        self.accepted: list[tuple[float, str]] = []  # monotonic time, job id
        self.refused: list[str] = []
        self._oracle = oracle
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Caller":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._thread.join()

    @property
    def gap(self) -> float:
        """The longest time between two accepted jobs, in seconds."""
        times = [at for at, _ in self.accepted]
        return max(after - before for before, after in itertools.pairwise(times))

    def until_accepted(self, more: int) -> None:
        """Wait until so many more jobs were accepted."""
        wanted = len(self.accepted) + more
        until(lambda: len(self.accepted) >= wanted, what="jobs are accepted")

    def ids(self) -> frozenset[str]:
        """Return the jobs that were accepted up to now."""
        return frozenset(job_id for _, job_id in list(self.accepted))

    def until_safe(self, engine: Engine, master: TcpServer, replicas: list[TcpServer]) -> Safe:
        """Return what there is, once the replicas have it: replication is asynchronous."""
        accepted = self.ids()
        found = engine.inspector.jobs(list(accepted))
        succeeded = frozenset(job.id for job in found if job.state is State.SUCCEEDED)
        offset = master.info("replication")["master_repl_offset"]

        def have_it() -> bool:
            told = [replica.info("replication") for replica in replicas]
            return min(found.get("slave_repl_offset", 0) for found in told) >= offset

        until(have_it, what="the replicas have what the master had")
        return Safe(accepted, succeeded)

    def report(self) -> str:
        """Return the figures of a failover."""
        return f"gap {self.gap:.2f} s, {len(self.accepted)} accepted, {len(self.refused)} refused"

    def losses(self, engine: Engine) -> Losses:
        """Return what happened to the accepted jobs, once all that are known are final.

        Each of those has run.
        """
        engine.client.close()  # an idle connection may still lead to the former master
        until(lambda: not _unfinished(engine), what="all jobs are final")
        starts = self._oracle.starts()
        lost, repeated = [], []
        for _, job_id in self.accepted:
            try:
                job = engine.inspector.job(job_id)
            except JobNotFound:
                lost.append(job_id)
            else:
                assert job.state is State.SUCCEEDED
                assert starts[job_id] >= 1
                repeated += [job_id] * (starts[job_id] > 1 + job.recoveries)
        return Losses(lost, repeated)

    def _run(self) -> None:
        while not self._stopped.wait(PAUSE):
            try:
                result = fault_tasks.work.enqueue(self._oracle.path)
            except QueueUnavailable as error:
                self.refused.append(str(error))
            else:
                self.accepted.append((time.monotonic(), result.id))


def until_resumed(caller: Caller, oracle: Oracle) -> float:
    """Wait until a job more is accepted and one more has ended; return how long that took."""
    began, ended = time.monotonic(), oracle.ends().total()
    caller.until_accepted(1)
    until(lambda: oracle.ends().total() > ended)
    return time.monotonic() - began


def _unfinished(engine: Engine) -> int:
    states = (state for state in State if not state.is_final)
    return sum(engine.inspector.count(state) for state in states)
