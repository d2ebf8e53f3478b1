"""The writer of what workers do: claim, finish, renew, release a slot, go."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import RedisError

from django_jobqueue.engine.client import Connection
from django_jobqueue.jobs.attempt import Claimed, Settlement, read_runs
from django_jobqueue.jobs.job import MAX_ATTEMPTS

UNSEEN_MS = 600_000  # a worker not seen for so long is forgotten
FAR = 10**14  # ms: a time in the year 5138. No number of a record is greater


@dataclass(frozen=True, slots=True)
class Nothing:
    """A claim that found no job."""

    more: bool = False  # claim again at once: only ids that can't run were met
    wait_ms: int | None = None  # until the next scheduled job is due


@dataclass(frozen=True, slots=True)
class Held:
    """What a renewal says of one busy slot."""

    slot: str
    id: str  # of its job
    fence: str
    lost: bool = False  # the run has no lease any more
    cancelled: bool = False  # the run is to end


@dataclass(slots=True)
class Slot:
    """The name under which a slot claims, and the nonce of its next call.

    The nonce is drawn anew after each reply that arrived, and stays after an error: then
    the server gives the same job again if it had given one. It is greater than all before it
    of this name, those of a process that died included: the server tells a late call by it.
    """

    worker: str
    name: str
    nonce: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self.renonce()

    def renonce(self) -> None:
        # This clock is one for all processes of a machine, and never goes back.
        self.nonce = f"{time.monotonic_ns():019d}{os.urandom(6).hex()}"


class Workers:
    """Write what the workers of one alias do."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._call = connection.call
        self._lease = connection.options.lease_ms

    def claim(self, slot: Slot, queues: Sequence[str]) -> Claimed | Nothing:
        """Get the slot's next job, with a lease."""
        reply = self._call(
            "claim",
            queues,
            worker=slot.worker,
            slot=slot.name,
            nonce=slot.nonce,
            lease=self._lease,
        )
        slot.renonce()
        return _read_claim(reply)

    def finish(
        self, slot: Slot, job: Claimed | Held, settled: Settlement, queues: Sequence[str]
    ) -> tuple[str, int, Claimed | Nothing]:
        """Settle a run and claim the next job of `queues` (none: the slot stops).

        Returns the verdict, the server's time in ms and the claim. The verdict is ok,
        cancelled (somebody wanted that, so no other run follows), again (it was settled by an
        earlier call whose reply was lost) or stale (the run had lost its lease: nothing was
        changed).
        """
        reply = self._call(
            "finish",
            queues,
            id=job.id,
            fence=job.fence,
            outcome=settled.outcome,
            result=settled.result,
            reason=settled.reason,
            error=settled.error,
            delay=settled.delay_ms,
            latest=settled.latest,
            worker=slot.worker,
            slot=slot.name,
            nonce=slot.nonce,
            lease=self._lease,
        )
        slot.renonce()
        return reply[0].decode(), int(reply[1]), _read_claim(reply[2:])

    def renew(self, worker: str, info: dict[str, str | int]) -> list[Held]:
        """Extend the leases of a worker's slots; return what became of them."""
        pairs = [word for pair in info.items() for word in pair]
        reply = self._call("renew", pairs, worker=worker, lease=self._lease)
        words = [word.decode(errors="replace") for word in reply]
        slots = zip(words[::4], words[1::4], words[2::4], words[3::4], strict=True)
        return [
            Held(slot, job, fence, lost=what == "lost", cancelled=what == "cancel")
            for slot, job, fence, what in slots
        ]

    def is_called(self, worker: str) -> bool:
        """Tell whether a worker is to renew at once, and take the call away."""
        try:
            key = self._connection.keys("call", worker)
            return self._connection.execute("GETDEL", key) is not None
        except RedisError as error:
            raise self._connection.unavailable(error) from error

    def held(self, worker: str, slot: str) -> Held | None:
        """Return what a slot claimed last, whether it still has the lease or not."""
        try:
            found = self._connection.execute("HGET", self._connection.keys("slots", worker), slot)
        except RedisError as error:
            raise self._connection.unavailable(error) from error
        words = (found or b"").decode().split(" ")
        return Held(slot, words[2], words[3]) if len(words) > 3 else None

    def release_slot(self, slot: Slot, *, lost: bool, reason: str) -> list[str]:
        """Give back the job of a slot whose process is gone; return its id and state, if any.

        `slot` is made after the end of the process and before the start of the next.
        `lost`: the process died by itself, which counts as a recovery of the job.
        """
        reply = self._call(
            "release_slot",
            worker=slot.worker,
            slot=slot.name,
            nonce=slot.nonce,
            lost=int(lost),
            reason=reason,
        )
        return [word.decode() for word in reply]

    def forget(self, worker: str = "") -> int:
        """Remove the record of a worker that ends, and of those not seen for long."""
        return int(self._call("forget_worker", worker=worker, unseen=UNSEEN_MS))


def _read_claim(reply: Sequence[Any]) -> Claimed | Nothing:
    if not reply or reply[0] == b"more":
        return Nothing(more=bool(reply))
    if reply[0] == b"none":
        wait_ms = int(reply[1])
        return Nothing(wait_ms=None if wait_ms < 0 else wait_ms)
    _, job_id, queue, fence, now, payload, words, runs = reply
    fields = dict(zip(words[::2], words[1::2], strict=True))
    started_at = int(now)
    return Claimed(
        id=job_id.decode(),
        queue=queue.decode(),
        fence=fence.decode(),
        now=started_at,
        payload=payload,
        task=fields.get(b"task", b"").decode(errors="replace"),
        attempts=_number(fields, b"attempts", 0),
        recoveries=_number(fields, b"recoveries", 0),
        max_attempts=_number(fields, b"max_attempts", MAX_ATTEMPTS),
        priority=_number(fields, b"priority", 0),
        enqueued_at=_number(fields, b"enqueued_at", 0),
        started_at=_number(fields, b"started_at", started_at),
        held_since=_number(fields, b"held_since", 0) or None,
        runs=read_runs(runs),
        schedule=fields.get(b"schedule", b"").decode(errors="replace"),
        nominal_at=_number(fields, b"nominal", 0) or None,
    )


def _number(fields: dict[bytes, bytes], name: bytes, default: int) -> int:
    """Return a field as a number; one that was damaged counts as missing."""
    value = fields.get(name)
    if value is None:
        return default
    try:
        number = int(value)
    except ValueError:
        return default
    return number if abs(number) < FAR else default
