"""Write for slots: claim a job, finish its run.

Next: worker/slot_loop.py claims, runs and finishes.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from django_jobqueue.engine.client import Client
from django_jobqueue.engine.scripts import Argument
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.run import RunResult, read_runs
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import text

ALL_QUEUES = "*"  # in the place of a queue's name: all queues, in turn


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
    wait_ms: int | None = None  # until the next job is due, or may start by its rate


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
    called_at: float = field(init=False, default=0.0)  # its latest use

    def __post_init__(self) -> None:
        self.draw_nonce()

    def draw_nonce(self) -> None:
        # All processes of a machine share this clock, and it never goes back.
        self.nonce = f"{time.monotonic_ns():019d}{os.urandom(6).hex()}"
        self.sent_at = 0.0


class Claims:
    """Write for the slots of one alias."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._run = client.run
        self._lease_ms = str(client.options.lease_ms)

    def claim(self, slot: Slot, queues: Sequence[str]) -> Job | NoJob:
        """Claim the slot's next job, with a lease; the name ALL_QUEUES stands for all queues."""
        reply = self._run("claim", queues, **self._begin_claim(slot))
        return _read_claim(reply, slot)

    def claim_when_woken(self, slot: Slot, queues: Sequence[str], seconds: float) -> Job | NoJob:
        """Wait for a wake token of the queues, or for some seconds, and claim as `claim` does."""
        keys = self._client.keys
        wait = ["BLPOP", *[keys("wake", queue) for queue in queues], seconds]
        reply = self._client.run_after(wait, "claim", queues, **self._begin_claim(slot))
        return _read_claim(reply, slot)

    def finish(
        self,
        slot: Slot,
        run: Job | Lease,
        result: RunResult,
        queues: Sequence[str],
        meanwhile: Callable[[], object] | None = None,
        *,
        untold: bool = False,
    ) -> Finished:
        """Finish a run and claim the next job of `queues` (none: claim nothing).

        `meanwhile` is called while the server does so. `untold`: if the job ends now, the caller
        does not send the signal; see worker/ended.py.
        """
        reply = self._run(
            "finish",
            queues,
            meanwhile,
            id=run.id,
            fence=run.fence,
            outcome=result.outcome,
            result=result.value,
            reason=result.reason,
            error=result.error,
            delay=str(result.delay_ms),
            cached=result.cache,
            keep=str(result.keep_ms or ""),
            untold="1" if untold else "0",
            settled=result.settled,
            signed=result.signed,
            **self._begin_claim(slot),
        )
        said = _REPLIES[reply[0]]
        if said in (FinishReply.REPEATED, FinishReply.STALE):
            # An earlier call may have claimed a job under this nonce: the next claim asks with it.
            return Finished(said, int(reply[1]), NoJob(more=bool(queues)))
        return Finished(said, int(reply[1]), _read_claim(reply[2:], slot))

    def _begin_claim(self, slot: Slot) -> dict[str, Argument]:
        slot.called_at = time.monotonic()
        slot.sent_at = slot.sent_at or slot.called_at
        lease = self._lease_ms
        return {"worker": slot.worker, "slot": slot.name, "nonce": slot.nonce, "lease": lease}


def _read_claim(reply: Sequence[Any], slot: Slot) -> Job | NoJob:
    """Read the reply to a claim, and draw the slot's next nonce."""
    sent_at, called_at = slot.sent_at, slot.called_at
    slot.draw_nonce()
    if not reply or reply[0] == b"more":  # an empty one: nothing was to be claimed
        return NoJob(more=bool(reply))
    if reply[0] == b"none":
        wait_ms = int(reply[1])
        return NoJob(wait_ms=None if wait_ms < 0 else wait_ms)
    _, job_id, queue, fence, now, payload, words, runs = reply
    word = iter(words)
    job = Job.read(text(job_id), zip(word, word, strict=True))
    # The record is from before the claim, or from after it: then an earlier call has begun the run.
    sent_at = sent_at if job.state is State.RUNNING else called_at
    job.queue, job.state, job.worker = text(queue), State.RUNNING, slot.worker
    job.fence, job.attempted_at, job.claim_sent_at = text(fence), int(now), sent_at
    job.started_at = job.started_at or job.attempted_at
    job.payload = payload or job.payload
    if runs:
        job.runs = read_runs(runs)
    return job
