"""A server of its own with workers, without a storm: for one promise at a time."""

import time
from pathlib import Path
from types import TracebackType
from typing import Any

from django_jobqueue.engine import Engine
from tests.chaos.jobs import Kind, Planned, new_job
from tests.chaos.oracle import Line, Oracle
from tests.chaos.scene import direct_engine
from tests.chaos.tasks import ORACLE
from tests.chaos.workers import Worker
from tests.support.processes import until
from tests.support.servers import TcpServer


class Site:
    """Leaving it ends all that it started; use it in the thread that entered it."""

    def __init__(self, folder: Path, binary: Path) -> None:
        folder.mkdir()
        self.server = TcpServer(folder / "server", binary=binary)
        self.engine: Engine = direct_engine(self.server.url)
        self.workers: list[Worker] = []
        self._folder = folder
        self._file = folder / "oracle"

    def __enter__(self) -> "Site":
        self._file.touch()
        self.server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
        self.engine.client.close()
        self.server.close()

    def start_worker(self, *arguments: str) -> Worker:
        """Start a worker and return it at once."""
        log = self._folder / f"worker-{len(self.workers)}.log"
        environment = {"CHAOS_REDIS_URL": self.server.url, ORACLE: str(self._file)}
        worker = Worker(log, [*arguments, "--verbosity", "0"], environment)
        self.workers.append(worker)
        return worker

    def until_back(self, worker: Worker) -> float:
        """Wait until a worker has introduced itself to the server; return when that was."""

        def seen() -> list[int]:
            known = self.engine.inspector.workers()
            return [found.seen_at for found in known if found.pid == worker.pid]

        return until(seen, 30, f"a worker\n{worker.output()}")[0] / 1000

    def enqueue(self, task: Any, argument: Any = None, *, queue: str = "default") -> str:
        planned = Planned(
            number=0, kind=Kind.LONG, queue=queue, priority=0, task=task, argument=argument
        )
        job = new_job(self.engine, planned)
        self.engine.jobs.enqueue([job])
        return job.id

    def oracle(self) -> Oracle:
        return Oracle(self._file)

    def start_of(self, job: str, number: int = 1, timeout: float = 90.0) -> Line:
        """Wait for the n-th start of a job."""
        what = f"start {number} of {job}"
        return until(lambda: self.oracle().starts(job)[number - 1 : number], timeout, what)[0]

    def first_start_since(self, moment: float) -> float:
        """Wait for a start of any job after a moment, and return how long after."""

        def since() -> list[float]:
            lines = self.oracle().lines
            return [x.at - moment for x in lines if x.what == "START" and x.at >= moment]

        return min(until(since, 30, "a start"))

    def restart_after(self, seconds: float) -> float:
        """Kill the server, restart it later; return when it accepted connections."""
        self.server.kill()
        time.sleep(seconds)  # the outage
        self.server.start()
        return time.time()
