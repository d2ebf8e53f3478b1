"""Where a measure is taken: the server of its process, emptied, and a folder."""

from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.cores import Set
from benchmarks.record import Record
from benchmarks.request import Request
from django_jobqueue.engine import Engine, close_engines, get_engine

SCRIPT_COMMANDS = ("evalsha", "eval", "fcall")


@dataclass(frozen=True, slots=True)
class Scripts:
    """The script calls that the server counted since its statistics were reset."""

    calls: int
    usec: float  # all of them together


@dataclass(slots=True)
class Bench:
    """What every measure gets."""

    request: Request
    folder: Path
    record: Record = field(init=False)

    def __post_init__(self) -> None:
        self.record = Record(self.folder / "record")

    @property
    def client_cores(self) -> Set:
        return frozenset(self.request.client_cores)

    @property
    def both_cores(self) -> Set:
        return frozenset(self.request.both_cores)

    def empty(self) -> Engine:
        """Empty server and record, and return the engine that enqueues there, attached."""
        close_engines()
        self.record.clear()
        engine = get_engine("default")
        engine.client.redis.flushall()
        engine.client.attach()
        return engine


def scripts(engine: Engine) -> Scripts:
    found = engine.client.redis.info("commandstats")
    rows = [found.get(f"cmdstat_{name}", {}) for name in SCRIPT_COMMANDS]
    return Scripts(
        sum(row.get("calls", 0) for row in rows), float(sum(row.get("usec", 0) for row in rows))
    )


class LongestCall:
    """The longest script call of a block, by the server's own slow log."""

    def __init__(self, engine: Engine, at_least_usec: int = 0) -> None:
        self._client, self._least = engine.client.redis, at_least_usec
        self.ms = 0.0

    def __enter__(self) -> "LongestCall":
        self._client.config_set("slowlog-max-len", 100_000)
        self._client.config_set("slowlog-log-slower-than", self._least)
        self._client.slowlog_reset()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.config_set("slowlog-log-slower-than", -1)
        calls = [
            entry["duration"]
            for entry in self._client.slowlog_get(100_000)
            if entry["command"].split(b" ")[0].lower().decode() in SCRIPT_COMMANDS
        ]
        self.ms = max(calls, default=self._least) / 1000  # shorter ones are not told of
