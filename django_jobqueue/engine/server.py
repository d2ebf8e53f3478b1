"""Read for people how the server is: its clock, its memory and the schedulers that use it."""

from dataclasses import dataclass

from redis.client import Pipeline
from redis.exceptions import ResponseError

from django_jobqueue.engine.client import Client
from django_jobqueue.exceptions import QueueUnavailable

UNSEEN_MS = 30_000  # a scheduler makes a pass every 5 s
MOST_SCHEDULERS = 100  # those seen last


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of a server, in bytes."""

    used: int
    most: int  # 0: no bound of its own
    policy: str  # what it does when that is used up


@dataclass(frozen=True, slots=True)
class ServerStats:
    """A server at one instant."""

    now: int  # ms
    schedulers: int  # seen lately
    scheduler_seen_at: int | None  # ms; None: none was ever seen
    memory: Memory | None  # None: the user may not read it


def read_server(client: Client) -> ServerStats:
    """Return how the server is."""

    def ask(pipe: Pipeline) -> None:
        pipe.time()
        pipe.zrange(client.keys("schedulers"), 0, MOST_SCHEDULERS - 1, desc=True, withscores=True)

    time, schedulers = client.read(ask)
    now = time[0] * 1000 + time[1] // 1000
    seen = [int(at) for _, at in schedulers or ()]
    alive = sum(now - at <= UNSEEN_MS for at in seen)
    return ServerStats(now, alive, seen[0] if seen else None, _memory(client))


def _memory(client: Client) -> Memory | None:
    try:
        (info,) = client.read(lambda pipe: pipe.info("memory"))
    except QueueUnavailable as error:
        if isinstance(error.__cause__, ResponseError):  # an ACL forbids it, or the host does
            return None
        raise
    most = int(info.get("maxmemory", 0))
    return Memory(int(info["used_memory"]), most, str(info.get("maxmemory_policy", "")))
