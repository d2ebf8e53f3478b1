"""Write for workers: claim, finish, renew, release a slot, forget a worker.

Next: worker/slot_loop.py claims, runs and finishes.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from redis.exceptions import RedisError

from django_jobqueue.engine.client import Client
from django_jobqueue.engine.scripts import Argument
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.run import RunResult, read_runs
from django_jobqueue.jobs.states import State

UNSEEN_MS = 600_000  # a worker unseen for this long is forgotten


class FinishReply(StrEnum):
    """The effect of a finish."""

    OK = "ok"
    CANCELLED = "cancelled"  # a cancel was requested, so no other run follows
    REPEATED = "repeated"  # an earlier call, whose reply was lost, finished the run
    STALE = "stale"  # the run had lost its lease: nothing was changed


_REPLIES = {reply.value.encode(): reply for reply in FinishReply}


@dataclass(frozen=True, slots=True)
class NoJob:
    """A claim that found no job."""

    more: bool = False  # claim again at once: only jobs that can't run were found
    wait_ms: int | None = None  # until the next scheduled job is due


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease of one busy slot at a renewal."""

    slot: str
    id: str  # of its job
    fence: str
    lost: bool = False  # the run has no lease any more
    cancelled: bool = False  # the run is to end


class Finished(NamedTuple):
    """The reply to a finish."""

    reply: FinishReply
    now: int  # ms, by the server
    next: Job | NoJob


@dataclass(slots=True)
class Slot:
    """The name under which a slot claims, and the nonce of its next call.

    After a reply a new nonce is drawn. After an error the old one is kept: if the server had
    claimed a job for the call, it returns that job again. Nonces of a name only rise, even from
    process to process, so that the server recognises a late call by its smaller nonce.
    """

    worker: str
    name: str
    nonce: str = field(init=False, default="")
    sent_at: float = field(init=False, default=0.0)  # monotonic; first use of the nonce; 0: none

    def __post_init__(self) -> None:
        self.draw_nonce()

    def draw_nonce(self) -> None:
        # All processes of a machine share this clock, and it never goes back.
        self.nonce = f"{time.monotonic_ns():019d}{os.urandom(6).hex()}"
        self.sent_at = 0.0


class Claims:
    """Write for the workers of one alias."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._run = client.run
        self._lease_ms = client.options.lease_ms

    def claim(self, slot: Slot, queues: Sequence[str]) -> Job | NoJob:
        """Claim the slot's next job, with a lease."""
        reply = self._run("claim", queues, **self._begin_claim(slot))
        return _read_claim(reply, slot)

    def finish(
        self, slot: Slot, run: Job | Lease, result: RunResult, queues: Sequence[str]
    ) -> Finished:
        """Finish a run and claim the next job of `queues` (none: claim nothing)."""
        reply = self._run(
            "finish",
            queues,
            id=run.id,
            fence=run.fence,
            outcome=result.outcome,
            result=result.value,
            reason=result.reason,
            error=result.error,
            delay=result.delay_ms,
            cached=result.cache,
            **self._begin_claim(slot),
        )
        return Finished(_REPLIES[reply[0]], int(reply[1]), _read_claim(reply[2:], slot))

    def renew(self, worker: str, info: dict[str, str | int]) -> list[Lease]:
        """Extend the leases of a worker; return those of all busy slots, also lost ones."""
        pairs = [word for pair in info.items() for word in pair]
        reply = self._run("renew", pairs, worker=worker, lease=self._lease_ms)
        words = [word.decode(errors="replace") for word in reply]
        slots = zip(words[::4], words[1::4], words[2::4], words[3::4], strict=True)
        return [
            Lease(slot, job, fence, lost=what == "lost", cancelled=what == "cancel")
            for slot, job, fence, what in slots
        ]

    def take_renewal_request(self, worker: str) -> bool:
        """Clear the request to renew at once; return whether there was one."""
        try:
            key = self._client.keys("renew_now", worker)
            return self._client.execute("GETDEL", key) is not None
        except RedisError as error:
            raise self._client.unavailable(error) from error

    def held(self, worker: str, slot: str) -> Lease | None:
        """Return the last lease of a slot, whether it has ended or not; None if there is none."""
        try:
            found = self._client.execute("HGET", self._client.keys("slots", worker), slot)
        except RedisError as error:
            raise self._client.unavailable(error) from error
        words = (found or b"").decode().split(" ")  # see slot_entry in lua/shared/claiming.lua
        return Lease(slot, words[2], words[3]) if len(words) > 3 else None

    def _begin_claim(self, slot: Slot) -> dict[str, Argument]:
        slot.sent_at = slot.sent_at or time.monotonic()
        lease = self._lease_ms
        return {"worker": slot.worker, "slot": slot.name, "nonce": slot.nonce, "lease": lease}

    def release_slot(self, slot: Slot, *, lost: bool, reason: str) -> list[str]:
        """Release the job of a slot whose process has ended; return its id and state, if any.

        Its nonce must be greater than those of the ended process and smaller than those of the
        next, so create `slot` in between. `lost`: the process ended by itself, which counts as a
        recovery.
        """
        reply = self._run(
            "release_slot",
            worker=slot.worker,
            slot=slot.name,
            nonce=slot.nonce,
            lost=int(lost),
            reason=reason,
        )
        return [word.decode() for word in reply]

    def forget(self, worker: str = "") -> int:
        """Remove `worker`, and all unseen for UNSEEN_MS that run nothing; return how many."""
        return int(self._run("forget_worker", worker=worker, unseen=UNSEEN_MS))


def _read_claim(reply: Sequence[Any], slot: Slot) -> Job | NoJob:
    """Read the reply to a claim, and draw the slot's next nonce."""
    sent_at = slot.sent_at
    slot.draw_nonce()
    if not reply or reply[0] == b"more":  # an empty one: nothing was to be claimed
        return NoJob(more=bool(reply))
    if reply[0] == b"none":
        wait_ms = int(reply[1])
        return NoJob(wait_ms=None if wait_ms < 0 else wait_ms)
    _, job_id, queue, fence, now, payload, words, runs = reply
    job = Job.read(
        job_id.decode(),
        zip(words[::2], words[1::2], strict=True),
        queue=queue.decode(),
        state=State.RUNNING,
        fence=fence.decode(),
        worker=slot.worker,
        attempted_at=int(now),
        payload=payload,
        runs=read_runs(runs) if runs else (),
        claim_sent_at=sent_at,
    )
    job.started_at = job.started_at or job.attempted_at  # the record is from before the claim
    return job
