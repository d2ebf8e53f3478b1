"""The configuration of a worker, which is the same for all its processes."""

import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """The options of `jobworker`, and the id of the worker."""

    alias: str
    worker: str  # its id
    queues: tuple[str, ...] | None  # None: all queues
    weights: tuple[int, ...] = ()  # of the queues; none: in their order
    processes: int = 1
    threads: int = 1
    burst: bool = False
    max_jobs: int | None = None  # per slot; then its process is replaced
    max_memory: int | None = None  # bytes; a process above it is replaced after its job
    shutdown_timeout: float = 30.0  # seconds
    health_file: Path | None = None  # touched while the worker is healthy
    scheduler: bool = False  # fire schedules in an extra process
    reloader: int | None = None  # the pid of the process that restarts the worker; see autoreload

    @property
    def slots(self) -> list[str]:
        return [slot for process in range(self.processes) for slot in self.slots_of(process)]

    def slots_of(self, process: int) -> list[str]:
        return [f"{process}.{thread}" for thread in range(self.threads)]


def new_worker_id() -> str:
    """Return a new, unique id that contains the host and the pid."""
    host = "".join(c for c in socket.gethostname() if c.isalnum() or c in "-._")[:32]
    return f"{host or 'host'}:{os.getpid()}:{secrets.token_hex(4)}"
