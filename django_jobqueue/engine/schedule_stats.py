"""What people are shown of schedules: their last fires, and whether a scheduler is there.

Part of the inspector: writes nothing, and nothing is decided by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from redis.client import Pipeline

from django_jobqueue.engine.client import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleStats:
    """What became of a schedule so far. Times in ms; 0: never."""

    nominal_at: int = 0  # of the last fire
    fired_at: int = 0
    job_id: str = ""  # of the last fire, or of the last run by hand
    fired: int = 0
    missed: int = 0
    missed_at: int = 0
    overlapped: int = 0


class ScheduleReader:
    """Read the schedules of one alias for people."""

    def __init__(self, connection: Connection) -> None:
        self._keys = connection.keys
        self._read = connection.read

    def stats(self, names: Sequence[str]) -> dict[str, ScheduleStats]:
        """Return what is known of schedules, by name."""

        def ask(pipe: Pipeline) -> None:
            for name in names:
                pipe.hgetall(self._keys("schedule", name))

        replies = self._read(ask) if names else []
        return {name: _stats(reply) for name, reply in zip(names, replies, strict=True) if reply}

    def seen_at(self) -> int | None:
        """Return when a scheduler was last seen; None: never."""

        def ask(pipe: Pipeline) -> None:
            pipe.zrange(self._keys("schedulers"), 0, 0, desc=True, withscores=True)

        (newest,) = self._read(ask)
        return int(float(newest[0][1])) if newest else None


def _stats(reply: dict[bytes, bytes]) -> ScheduleStats:
    return ScheduleStats(
        nominal_at=_number(reply, b"nominal"),
        fired_at=_number(reply, b"fired_at"),
        job_id=reply.get(b"job", b"").decode(errors="replace"),
        fired=_number(reply, b"fired"),
        missed=_number(reply, b"missed"),
        missed_at=_number(reply, b"missed_at"),
        overlapped=_number(reply, b"overlapped"),
    )


def _number(reply: dict[bytes, bytes], name: bytes) -> int:
    """Return a field as a number; one that was damaged counts as missing."""
    word = reply.get(name, b"")
    return int(word) if word.isdigit() and len(word) < 17 else 0
