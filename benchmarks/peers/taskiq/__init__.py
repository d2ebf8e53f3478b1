"""Taskiq with the stream broker of taskiq-redis, which acknowledges: async jobs, no results."""

from benchmarks.peers.peer import REDIS, Peer


def _worker(slots: int | None) -> list[str]:
    given = [] if slots is None else ["--workers", str(slots), "--max-async-tasks", "1"]
    return ["-m", "taskiq", "worker", "benchmarks.peers.taskiq.tasks:broker", *given]


PEER = Peer(
    name="taskiq",
    label="Taskiq 0.13",
    folder="taskiq",
    requirements=("taskiq==0.13.0", "taskiq-redis==1.2.4", REDIS),
    worker=_worker,
    settings=None,
)
