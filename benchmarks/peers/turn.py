"""One queue's turn at one measure, on a server that is empty."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from redis import Redis

from benchmarks.asking import ask
from benchmarks.cores import Cores, Set
from benchmarks.options import Options
from benchmarks.peers.environments import Environment
from benchmarks.peers.order import Order
from benchmarks.peers.peer import Peer
from benchmarks.record import Record, rate, require_each_once
from benchmarks.request import Values
from benchmarks.watching import Stalled, Worker, start

READY = 2.0  # seconds from the first job of a worker at its default to the first measured one


class Failed(RuntimeError):
    """A queue's process failed; the message is the last line that it said."""


@dataclass(slots=True)
class Turn:
    """What a queue's turn needs."""

    peer: Peer
    environment: Environment
    url: str
    options: Options
    cores: Cores
    folder: Path
    record: Record

    def enqueue(self) -> Values:
        """Measure calls of one job, and bulk calls."""
        values: Values = self._play("enqueue", self.options.jobs)["values"]
        self.empty()
        bulk: Values = self._play("bulk", self.options.jobs)["values"]
        return values | bulk

    def drain(self) -> Values:
        return {"drain": self._drain(1, self.cores.client)}

    def processes(self) -> Values:
        return {"drain_2": self._drain(2, self.cores.both)}

    def latency(self) -> Values:
        """Measure from the call to the job's first line, the worker at its own default."""
        with self._working(None, self.cores.both) as worker:
            self._play("fill", 1)
            worker.wait_for(1)
            time.sleep(READY)
            self.record.clear()
            called = dict(enumerate(self._play("paced", self.options.samples)["called"], 1))
            worker.wait_for(len(called))
        starts = self.record.starts()
        require_each_once(starts, called)
        late = sorted((start.at_ns - called[start.number]) / 1e6 for start in starts)
        return {"latency_p50": median(late), "latency_p99": late[int(0.99 * len(late))]}

    def _drain(self, slots: int, cores: Set) -> float:
        jobs = max(2, int(self.options.jobs * self.peer.part))
        self._play("fill", jobs)
        with self._working(slots, cores) as worker:
            worker.wait_for(jobs)
        starts = self.record.starts()
        require_each_once(starts, range(1, jobs + 1))
        return rate(starts)

    def _play(self, call: str, jobs: int) -> dict[str, Any]:
        order = Order(self.peer.name, call, jobs)
        command = [self.environment.python, "-m", "benchmarks.peers.play", order.dump()]
        variables = self.environment.variables(self.peer, self.url)
        answer = ask(command, variables, self.cores.client)
        if "failed" in answer:
            raise Failed(answer["failed"])
        return answer

    @contextmanager
    def _working(self, slots: int | None, cores: Set) -> Iterator[Worker]:
        command = [self.environment.python, *self.peer.worker(slots)]
        variables = self.environment.variables(self.peer, self.url)
        log = self.folder / f"worker-{time.monotonic_ns()}.log"
        environment = os.environ | variables | self.record.variables()
        process = start(command, environment, log, cores)
        worker = Worker(process, self.record, log, self.options.patience)
        try:
            yield worker
        finally:
            worker.kill()

    def empty(self) -> None:
        self.record.clear()
        with Redis.from_url(self.url) as client:
            client.flushall()
            client.script_flush()


def take(
    peer: Peer, environment: Environment, measure: str, url: str, options: Options, cores: Cores
) -> dict[str, Any]:
    """Return the values of a measure, or why there are none."""
    with tempfile.TemporaryDirectory(prefix="djq-benchmark-") as name:
        folder = Path(name)
        turn = Turn(peer, environment, url, options, cores, folder, Record(folder / "record"))
        turn.empty()
        try:
            return {"values": getattr(turn, measure)()}
        except Stalled as error:
            return {"cannot": str(error)}
        except RuntimeError as error:
            return {"failed": str(error)}
