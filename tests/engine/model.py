"""The keys of one alias in plain Python, and the moves that more than one script makes.

As plain as it goes: a key is an entry of a dict, a hash or a sorted set is a dict of strings or
of floats, and the clock is a number. model_scripts.py has the scripts.
"""

import re
from collections.abc import Sequence
from typing import Any

from .snapshot import Keys

HELD = re.compile(r"(\S+) (\S+) (\S+) (\S+)")  # an entry of slots: nonce, queue, id, fence


class Refused(Exception):
    """The server answers with an error that has this word in it."""


class Moves:
    """The keys of one alias as they should be."""

    def __init__(self, now: int) -> None:
        self.keys: Keys = {}
        self.now = now
        self.full = False  # at maxmemory

    # Commands

    def fields(self, job_id: str) -> dict[str, str]:
        """Return the record of a job; of a key that is no hash: none."""
        found = self.keys.get(f"job:{job_id}")
        return found if isinstance(found, dict) else {}

    def hset(self, key: str, /, **fields: Any) -> None:
        found = self.keys.setdefault(key, {})
        if not isinstance(found, dict):
            raise Refused("WRONGTYPE")
        found.update({name: str(value) for name, value in fields.items()})

    def drop(self, key: str, *members: str) -> None:
        """Take members out of a key, which goes with the last one."""
        found = self.keys.get(key, {})
        for member in members:
            found.pop(member, None)
        if not found:
            self.keys.pop(key, None)

    def zadd(self, key: str, member: str, score: float) -> None:
        self.keys.setdefault(key, {})[member] = float(score)

    def ordered(self, key: str) -> list[tuple[float, str]]:
        return sorted((score, member) for member, score in self.keys.get(key, {}).items())

    def until(self, key: str, score: float) -> list[str]:
        return [member for at, member in self.ordered(key) if at <= score]

    def add(self, key: str, member: str) -> bool:
        """Add to a set; tell whether that is news."""
        found = self.keys.setdefault(key, set())
        news = member not in found
        found.add(member)
        return news

    def increase(self, key: str, field: str, by: int = 1) -> int:
        total = int(self.keys.get(key, {}).get(field, 0)) + by
        self.hset(key, **{field: total})
        return total

    def wake(self, queue: str, tokens: int = 1) -> None:
        found = self.keys.get(f"wake:{queue}", [])
        if more := max(0, min(tokens, 64 - len(found))):
            self.keys[f"wake:{queue}"] = found + ["1"] * more

    def count(self, event: str, queue: str, by: int = 1) -> bool:
        """Count an event; tell whether it is the queue's first in this minute."""
        return self.increase(f"minute:{self.now // 60_000}", f"{event}:{queue}", by) == by

    # Moves

    def next_score(self, priority: str | None) -> int:
        number = int(self.keys.get("sequence", "0")) + 1
        self.keys["sequence"] = str(number)
        return (100 - int(priority or 0)) * 10**13 + number

    def to_queued(self, job_id: str, queue: str, score: float, /, **fields: Any) -> None:
        self.hset(f"job:{job_id}", state="queued", **fields)
        self.zadd(f"queued:{queue}", job_id, score)

    def to_scheduled(self, job_id: str, queue: str, due: float, /, **fields: Any) -> None:
        self.hset(f"job:{job_id}", state="scheduled", **fields)
        self.zadd(f"scheduled:{queue}", job_id, due)
        if self.ordered(f"scheduled:{queue}")[0][1] == job_id:
            self.wake(queue)

    def to_final(self, job_id: str, queue: str, state: str, /, **fields: Any) -> None:
        self.hset(f"job:{job_id}", state=state, finished_at=self.now, **fields)
        self.zadd(f"{state}:{queue}", job_id, self.now)
        task = self.fields(job_id).get("task")
        if state == "failed" and task:
            self.zadd(f"failed-of:{task}", job_id, self.now)
        if state != "cancelled":
            self.count(state, queue)

    def fail_if_damaged(self, job_id: str, queue: str, state: str | None) -> None:
        """Judge an id taken out of an index whose state its record does not have."""
        if state:
            return
        if not isinstance(self.keys.get(f"job:{job_id}"), dict):
            self.keys.pop(f"job:{job_id}", None)
        self.increase("totals", "damaged")
        at = self.fields(job_id).get("enqueued_at", self.now)
        self.to_final(job_id, queue, "failed", queue=queue, reason="damaged", enqueued_at=at)

    def append_attempt(self, job_id: str, attempt: int, *words: Any, error: str = "-") -> None:
        """Note a run: fence, worker, start, end, outcome."""
        runs = self.keys.get(f"attempts:{job_id}", [])
        line = " ".join(str(word) for word in (attempt, *words, error))
        self.keys[f"attempts:{job_id}"] = [*(runs if isinstance(runs, list) else []), line][-20:]

    def promote_due(self, queue: str, limit: int) -> tuple[int, float | None]:
        """Move due jobs; return how many, and when the next one is due."""
        index, moved = f"scheduled:{queue}", 0
        for job_id in self.until(index, self.now)[:limit]:
            self.drop(index, job_id)
            job = self.fields(job_id)
            if job.get("state") == "scheduled":
                self.to_queued(job_id, queue, self.next_score(job.get("priority")))
                moved += 1
            else:
                self.fail_if_damaged(job_id, queue, job.get("state"))
        self.wake(queue, moved)
        left = self.ordered(index)
        return moved, left[0][0] if left else None

    def recover(self, job_id: str, queue: str, lost: int, reason: str) -> str:
        self.drop(f"leases:{queue}", job_id)
        job = self.fields(job_id)
        recoveries = int(job.get("recoveries", 0)) + lost
        self.append_attempt(
            job_id,
            int(job.get("attempts", 0)) + 1,
            *(job.get("fence", "-"), job.get("worker", "-"), job.get("attempted_at", "0")),
            *(self.now, "recovered" if lost else "released"),
        )
        if lost:
            self.increase("totals", "recovered")
        if "cancel" in job:
            self.to_final(job_id, queue, "cancelled", recoveries=recoveries, reason=job["cancel"])
            return "cancelled"
        if recoveries > int(job.get("max_recoveries", 2)):
            self.to_final(job_id, queue, "failed", recoveries=recoveries, reason=reason)
            return "failed"
        score = float(job.get("score") or self.next_score(job.get("priority")))
        self.to_queued(job_id, queue, score, recoveries=recoveries)
        self.wake(queue)
        return "queued"

    def job_reply(self, job_id: str, queue: str, fence: str, record: dict[str, str]) -> list[Any]:
        payload = self.keys.get(f"payload:{job_id}")
        runs = self.keys.get(f"attempts:{job_id}", [])
        runs = [] if fence.startswith("1-") or not isinstance(runs, list) else list(runs)
        text = payload if isinstance(payload, str) else None
        return ["job", job_id, queue, fence, str(self.now), text, dict(record), runs]

    def start(self, job_id: str, queue: str, score: float, slot: Sequence[Any]) -> list[Any]:
        worker, name, nonce, lease = slot
        before = dict(self.fields(job_id))
        number = re.match(r"\d+", before.get("fence", ""))
        fence = f"{int(number[0] if number else 0) + 1}-{nonce[-12:]}"
        fields = {"worker": worker, "fence": fence, "attempted_at": self.now}
        fields |= {"score": int(score), "started_at": before.get("started_at", self.now)}
        self.hset(f"job:{job_id}", state="running", **fields)
        self.zadd(f"leases:{queue}", job_id, self.now + lease)
        self.hset(f"slots:{worker}", **{name: f"{nonce} {queue} {job_id} {fence}"})
        return self.job_reply(job_id, queue, fence, before)

    def held(self, worker: str, slot: str) -> tuple[str, ...] | None:
        """Return nonce, queue, id and fence of what a slot claimed last."""
        found = HELD.match(self.keys.get(f"slots:{worker}", {}).get(slot, ""))
        return found.groups() if found else None

    def settle_last_claim(self, worker: str, slot: str, nonce: str) -> list[Any] | None:
        held = self.held(worker, slot)
        if held is None:
            return None
        last, queue, job_id, fence = held
        job = self.fields(job_id)
        if job.get("state") != "running" or job.get("fence") != fence:
            return None
        if nonce == last:
            return self.job_reply(job_id, queue, fence, job)
        if nonce < last:
            return ["none", -1]
        self.recover(job_id, queue, 1, "lost")
        return None

    def next_job(self, slot: Sequence[Any], queues: Sequence[str]) -> list[Any]:
        moves, dues = 0, []
        for queue in queues:
            if queue in self.keys.get("paused", ()):
                continue
            _, due = self.promote_due(queue, 50)
            dues += [due] if due is not None else []
            while waiting := self.ordered(f"queued:{queue}"):
                score, job_id = waiting[0]
                self.drop(f"queued:{queue}", job_id)
                state = self.fields(job_id).get("state")
                if state == "queued":
                    return self.start(job_id, queue, score, slot)
                self.fail_if_damaged(job_id, queue, state)
                moves += 1
                if moves == 50:
                    return ["more"]
        for queue in queues:
            self.keys.pop(f"wake:{queue}", None)
        self.drop(f"slots:{slot[0]}", slot[1])
        return ["none", max(0, int(min(dues)) - self.now) if dues else -1]

    def attached(self, epoch: str) -> bool:
        return bool(self.keys.get("meta", {}).get("epoch") == epoch)
