"""Write for supervisors: renew leases, release a slot whose process has ended, forget a worker.

Next: worker/heartbeat.py renews.
"""

from typing import NamedTuple

from redis.exceptions import RedisError

from django_jobqueue.engine.claims import Lease, Slot
from django_jobqueue.engine.client import Client
from django_jobqueue.jobs.text import text

UNSEEN_MS = 600_000  # a worker unseen for this long is forgotten
STACKS_TTL = 60  # seconds


class Renewal(NamedTuple):
    """The reply to a renewal."""

    held: list[Lease]  # of all busy slots, also lost ones
    told: frozenset[str]  # what somebody wants of the worker: see tell_worker.lua


class Leases:
    """Write for the supervisors of one alias."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._run = client.run
        self._lease_ms = client.options.lease_ms

    def renew(self, worker: str, info: dict[str, str | int]) -> Renewal:
        """Extend the leases of a worker."""
        pairs = [word for pair in info.items() for word in pair]
        reply = self._run("renew", pairs, worker=worker, lease=self._lease_ms)
        words = [text(word) for word in reply]
        rows = list(zip(words[::4], words[1::4], words[2::4], words[3::4], strict=True))
        held = [
            Lease(slot, job, fence, lost=what == "lost", cancelled=what == "cancel")
            for slot, job, fence, what in rows
            if what != "told"
        ]
        return Renewal(held, frozenset(word for *_, word, what in rows if what == "told"))

    def store_stacks(self, worker: str, stacks: str) -> None:
        """Store for a minute where the stacks of a worker's slots stand."""
        try:
            key = self._client.keys("stacks", worker)
            self._client.execute("SET", key, stacks, "EX", STACKS_TTL)
        except RedisError as error:
            raise self._client.unavailable(error) from error

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
        words = text(found or b"").split(" ")  # see slot_entry in lua/shared/claiming.lua
        return Lease(slot, words[2], words[3]) if len(words) > 3 else None

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
        return [text(word) for word in reply]

    def forget(self, worker: str = "") -> int:
        """Remove `worker`, and all unseen for UNSEEN_MS that run nothing; return how many."""
        return int(self._run("forget_worker", worker=worker, unseen=UNSEEN_MS))
