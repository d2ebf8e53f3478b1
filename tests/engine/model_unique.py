"""The locks of unique jobs in plain Python: whose they are, and which job stands for a call."""

import re
from typing import Any

from .model import Refused
from .model_limits import LimitMoves

FINAL = ("succeeded", "failed", "cancelled")


class UniqueMoves(LimitMoves):
    """What all scripts do to locks."""

    def words(self, unique: str) -> tuple[str, str, str]:
        """Return the digest, until when the job holds its lock, and who has its id."""
        digest, until, told, *_ = [*unique.split(" "), "", ""]
        return digest, until, told

    def locks(self) -> dict[str, str]:
        found = self.keys.get("unique")
        return found if isinstance(found, dict) else {}

    def holder_of(self, digest: str) -> tuple[str, bool]:
        """Return the id of the job that holds a lock, "" if none does; does it wait for a run?"""
        holder, _, ends = self.locks().get(digest, "").partition(" ")
        job = self.fields(holder)
        own, until, _told = self.words(job.get("unique", "- "))
        state = job.get("state")
        if not holder or not state or own != digest:
            return "", False
        started = bool(job.get("attempted_at"))
        if ends:
            over = not started and state not in FINAL and self.is_expired(job)
            held = int(ends) > self.now and not over
        elif started:
            held = state not in FINAL and until == "done" and not job.get("cancel")
        else:
            held = state not in FINAL and not self.is_expired(job)
        return (holder, not started and state not in FINAL) if held else ("", False)

    def is_expired(self, job: dict[str, str]) -> bool:
        found = re.fullmatch(r"(\+?)(\d+)", job.get("expires", ""))
        if found is None:
            return False
        since = int(job.get("enqueued_at", self.now)) if found[1] else 0
        return since + int(found[2]) <= self.now

    def take_lock(self, job_id: str, unique: str) -> None:
        digest, until, _ = self.words(unique)
        window = re.fullmatch(r"(\+?)(\d+)", until)
        ends = f" {int(window[2]) + (self.now if window[1] else 0)}" if window else ""
        self.keys["unique"] = self.locks() | {digest: f"{job_id}{ends}"}

    def leave_lock(self, job_id: str, *, gone: bool = False) -> int:
        """Free the lock of a job if it is the holder; return when its window would have ended."""
        digest, _, _ = self.words(self.fields(job_id).get("unique", ""))
        holder, _, ends = self.locks().get(digest, "").partition(" ")
        if holder != job_id or (ends and not gone):
            return 0
        self.drop("unique", digest)
        return int(ends or 0)

    def leave_lock_at_start(self, job_id: str) -> None:
        _, until, _ = self.words(self.fields(job_id).get("unique", ""))
        if until == "start" or until.startswith("newest,"):
            self.leave_lock(job_id)

    def drop_void_locks(self) -> None:
        for digest in list(self.locks()):
            if not self.holder_of(digest)[0]:
                self.drop("unique", digest)

    def leave_unique(self, job_id: str) -> int:
        """Remove what a unique job has beside its own keys; see leave_lock."""
        if "unique" not in self.fields(job_id):
            return 0
        for one in self.keys.pop(f"duplicates:{job_id}", []):
            self.keys.pop(f"duplicate:{one}", None)
        return self.leave_lock(job_id, gone=True)

    def point_to(self, winner: str, job_id: str) -> None:
        if self.keys.get(f"duplicate:{job_id}") == winner:
            return
        if self.full:
            raise Refused("maxmemory")
        self.keys.setdefault(f"duplicates:{winner}", []).append(job_id)
        self.keys[f"duplicate:{job_id}"] = winner

    def duplicate_of(self, job_id: str, unique: str) -> str:
        """Return what a caller is told for whose job another one stands; "" if none does."""
        digest, until, told = self.words(unique)
        if self.fields(job_id).get("state"):
            return ""
        winner, number = str(self.keys.get(f"duplicate:{job_id}", "")), 0
        at = ""
        if not self.fields(winner).get("state"):
            winner, waits = self.holder_of(digest)
            newest = until.startswith("newest,")
            if not winner or (newest and not waits):
                return ""
            self.complete(winner, self.fields(winner)["state"], "")
            if told == "kept" and "round" not in self.fields(winner):
                at = "0"
            elif newest:
                if self.full:
                    raise Refused("maxmemory")
                number = int(self.keys.get("sequence", "0")) + 1
                self.keys["sequence"] = str(number)
            elif told:
                self.point_to(winner, job_id)
        job = self.fields(winner)
        at = at or job.get("enqueued_at", str(self.now))
        return f"{at} {winner} {job['state']} {number}"

    def complete(self, job_id: str, state: str, due: str) -> str:
        raise NotImplementedError

    def replace(
        self, *, id: str, number: int, unique: str, expires: str, payload: str, caller: str
    ) -> int:
        digest, until, _ = self.words(unique)
        holder, waits = self.holder_of(digest)
        job = self.fields(id)
        latest = int(job.get("replaced", 0))
        waits = waits and holder == id
        if not waits and number > latest:
            return 0
        if waits and number >= latest:
            if self.full:
                raise Refused("maxmemory")
            self.replace_arguments(id, number, until, expires, payload)
        if caller:
            self.point_to(id, caller)
        return 1

    def replace_arguments(
        self, job_id: str, number: int, until: str, expires: str, payload: str
    ) -> None:
        job, fields = dict(self.fields(job_id)), dict[str, Any](replaced=number)
        if expires:
            at = self.now + int(expires[1:]) if expires[0] == "+" else int(expires)
            fields["expires"] = at
        if job["state"] == "scheduled":
            _, delay, most = until.split(",")
            latest = int(job.get("enqueued_at", self.now)) + int(most)
            due = max(self.now, min(self.now + int(delay), latest))
            self.note_due(job["queue"], due)
            self.zadd(f"scheduled:{job['queue']}", job_id, due)
        self.keys.pop(f"payload:{job_id}", None)
        if len(payload) <= 64:
            self.hset(f"job:{job_id}", payload=payload, **fields)
        else:
            self.keys[f"payload:{job_id}"] = payload
            self.hset(f"job:{job_id}", **fields)
            self.drop(f"job:{job_id}", "payload")
