"""The keys of one alias in plain Python, and the moves that more than one script makes.

As plain as it goes: a key is an entry of a dict, a hash or a sorted set is a dict of strings or
of floats, and the clock is a number. model_scripts.py has the scripts.
"""

import re
from collections.abc import Sequence
from math import inf
from typing import Any

from django_jobqueue.engine.keys import INDEX_OF

from .snapshot import Keys

MOST_ENDED = 10_000  # notes of ends that are kept
HELD = re.compile(r"(\S+) (\S+) (\S+) (\S+)")  # an entry of slots: nonce, queue, id, fence


class Refused(Exception):
    """The server answers with an error that has this word in it."""


class Moves:
    """The keys of one alias as they should be."""

    def __init__(self, now: int) -> None:
        self.keys: Keys = {}
        self.now = now
        self.full = False  # at maxmemory
        self.room = 0  # ids that a claim may still move

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

    def increase(self, key: str, field: str, by: int = 1) -> int:
        total = int(self.keys.get(key, {}).get(field, 0)) + by
        self.hset(key, **{field: total})
        return total

    def wake(self, queue: str) -> None:
        for name in (queue, "*"):
            self.keys.setdefault(f"wake:{name}", ["1"])

    def count(self, event: str, queue: str, by: int = 1) -> None:
        self.increase(f"minute:{self.now // 60_000}", f"{event}:{queue}", by)

    def is_paused(self, queue: str) -> bool:
        return f"paused:{queue}" in self.keys.get("meta", {})

    def note_work(self, queue: str) -> None:
        if queue in self.keys.get("work", {}):
            return
        self.zadd("names", queue, 0)
        if not self.is_paused(queue):
            self.zadd("work", queue, self.now)
            self.wake(queue)

    def note_no_work(self, queue: str) -> None:
        if f"queued:{queue}" not in self.keys:
            self.drop("work", queue)
            self.forget_fair(queue)

    def note_due(self, queue: str, due: float) -> None:
        known = self.keys.get("due", {}).get(queue)
        if known is not None and known <= due:
            return
        if known is None:
            self.zadd("names", queue, 0)
        self.zadd("due", queue, due)
        soonest = self.soonest()
        if soonest is None or soonest > due:
            self.hset("meta", due=int(due))
        self.wake(queue)

    def note_soonest(self) -> None:
        if due := self.ordered("due"):
            self.hset("meta", due=int(due[0][0]))

    def soonest(self) -> int | None:
        found = self.keys.get("meta", {}).get("due")
        return None if found is None else int(found)

    # What model_fair.py does

    def new_score(self, queue: str, priority: str | None, fair: str = "") -> float:
        raise NotImplementedError

    def old_score(self, queue: str, job: dict[str, str], score: float | str | None) -> float:
        raise NotImplementedError

    def note_turn(self, queue: str, score: float, *, is_left: bool) -> None:
        raise NotImplementedError

    def forget_fair(self, queue: str) -> None:
        raise NotImplementedError

    # What model_flows.py does

    def note_member(self, job_id: str) -> None:
        raise NotImplementedError

    # What model_unique.py does

    def leave_lock(self, job_id: str, *, gone: bool = False) -> int:
        raise NotImplementedError

    def leave_lock_at_start(self, job_id: str) -> None:
        raise NotImplementedError

    # What model_limits.py does

    def mark_full(self) -> set[str]:
        raise NotImplementedError

    def lacks_place(self, job_id: str, queue: str, score: float) -> bool:
        raise NotImplementedError

    def add_parked(self, job_id: str, queue: str, name: str, score: float) -> None:
        raise NotImplementedError

    def leave_places(self, job_id: str) -> None:
        raise NotImplementedError

    def leave_key(self, job_id: str) -> None:
        raise NotImplementedError

    def leave_lease(self, job_id: str, queue: str) -> None:
        raise NotImplementedError

    def rated(self) -> int | None:
        raise NotImplementedError

    def admit_rates(self) -> int:
        raise NotImplementedError

    # Moves

    def new_plain_score(self, priority: str | None) -> int:
        number = int(self.keys.get("sequence", "0")) + 1
        self.keys["sequence"] = str(number)
        return (100 - int(priority or 0)) * 10**13 + number

    def to_queued(self, job_id: str, queue: str, score: float, /, **fields: Any) -> None:
        self.note_work(queue)
        self.zadd(f"queued:{queue}", job_id, score)
        self.hset(f"job:{job_id}", state="queued", **fields)
        self.wake(queue)

    def to_scheduled(self, job_id: str, queue: str, due: float, /, **fields: Any) -> None:
        self.note_due(queue, due)
        self.zadd(f"scheduled:{queue}", job_id, due)
        self.hset(f"job:{job_id}", state="scheduled", **fields)

    def to_final(self, job_id: str, queue: str, state: str, /, **fields: Any) -> None:
        task = self.fields(job_id).get("task")
        if state == "failed" and task:
            found = self.keys.get("failed-tasks")
            known = found if isinstance(found, dict) else {}
            self.keys["failed-tasks"] = {**known, task: float(self.now)}
            self.zadd(f"failed-of:{task}", job_id, self.now)
        self.zadd(f"{state}:{queue}", job_id, self.now)
        self.hset(f"job:{job_id}", state=state, finished_at=self.now, **fields)

    def leave_failed(self, job_id: str, task: str) -> None:
        self.drop(f"failed-of:{task}", job_id)
        is_set = isinstance(self.keys.get("failed-tasks"), dict)
        if is_set and f"failed-of:{task}" not in self.keys:
            self.drop("failed-tasks", task)

    def ensure_index(self, job_id: str, queue: str, state: str) -> None:
        index = f"{INDEX_OF[state]}:{queue}"
        if job_id in self.keys.get(index, {}):
            return
        score: float = self.now
        job = self.fields(job_id)
        if state in ("queued", "waiting"):
            score = self.old_score(queue, job, job.get("score"))
            if state == "waiting" and "parked" in job:
                line = self.keys.get(f"parked:{job['parked']}", {})
                self.add_parked(job_id, queue, job["parked"], line.get(job_id, score))
                return
            self.note_work(queue)
        elif state == "scheduled":
            self.note_due(queue, self.now)
        self.zadd(index, job_id, score)

    def correct_index(self, job_id: str, index: str, queue: str) -> None:
        """Judge an id that stands in an index whose state its record does not have."""
        job = self.fields(job_id)
        if job.get("state") in INDEX_OF and "queue" in job:
            self.ensure_index(job_id, job["queue"], job["state"])
        else:
            if not isinstance(self.keys.get(f"job:{job_id}"), dict):
                self.keys.pop(f"job:{job_id}", None)
            self.note_unsettled(job_id, job, "failed", "damaged")
            self.note_member(job_id)
            at = job.get("enqueued_at", self.now)
            self.to_final(job_id, queue, "failed", queue=queue, reason="damaged", enqueued_at=at)
            self.increase("totals", "damaged")
            self.count("failed", queue)
            self.note_ended(job_id)
        task = self.fields(job_id).get("task")
        if index == "failed" and task:
            self.leave_failed(job_id, task)
        if index == "leases":
            self.leave_lease(job_id, queue)
        else:
            self.drop(f"{index}:{queue}", job_id)

    def note_ended(self, job_id: str) -> None:
        """Note a job whose end no slot tells of."""
        found = self.keys.get("ended")
        ended = {**found} if isinstance(found, dict) else {}
        self.keys["ended"] = ended | {job_id: float(self.now)}
        for _, one in self.ordered("ended")[:-MOST_ENDED]:
            self.drop("ended", one)
            self.increase("totals", "untold")

    def note_unsettled(
        self, job_id: str, job: dict[str, str], state: str, reason: str, settled: str = ""
    ) -> None:
        """Note how a durable job ends, unless its row is `settled` in that state."""
        if "round" in job and settled != state:
            found = self.keys.get("unsettled")
            known = found if isinstance(found, dict) else {}
            member = f"{job_id} {job['round']} {state} {reason}"
            self.keys["unsettled"] = known | {member: float(self.now)}

    def drop_ended(self, job_id: str) -> None:
        if isinstance(self.keys.get("ended"), dict):
            self.drop("ended", job_id)

    def append_attempt(self, job_id: str, attempt: int, *words: Any, error: str = "-") -> None:
        """Note a run: fence, worker, start, end, outcome."""
        runs = self.keys.get(f"attempts:{job_id}", [])
        line = " ".join(str(word) for word in (attempt, *words, error))
        self.keys[f"attempts:{job_id}"] = [*(runs if isinstance(runs, list) else []), line][-20:]

    def promote_due(self, queue: str, limit: int) -> int:
        """Move due jobs of a queue; return how many ids were handled."""
        index = f"scheduled:{queue}"
        ids = self.until(index, self.now)[:limit]
        for job_id in ids:
            job = self.fields(job_id)
            if (job.get("state"), job.get("queue")) == ("scheduled", queue):
                score = self.new_score(queue, job.get("priority"), job.get("fair", ""))
                self.to_queued(job_id, queue, score)
                self.drop(index, job_id)
            else:
                self.correct_index(job_id, "scheduled", queue)
        if left := self.ordered(index):
            self.zadd("due", queue, left[0][0])
        else:
            self.drop("due", queue)
        return len(ids)

    def promote_all(self, limit: int) -> tuple[int, float | None]:
        """Move due jobs of all queues; return how many, and when the next one is due."""
        handled = 0
        while True:
            due, queue = next(iter(self.ordered("due")), (None, ""))
            if due is not None and due <= self.now and handled < limit:
                handled += max(1, self.promote_due(queue, limit - handled))
                continue
            if due is None:
                self.drop("meta", "due")
            else:
                self.hset("meta", due=int(due))
            return handled, due

    def recover(self, job_id: str, queue: str, lost: int, reason: str) -> str:
        job = dict(self.fields(job_id))
        recoveries = int(job.get("recoveries", 0)) + lost
        fields = {"recoveries": recoveries, "fence": f"{run_number(job.get('fence', ''))}-"}
        state = "queued"
        if recoveries > int(job.get("max_recoveries", 2)):
            state = "failed"
        if job.get("cancel"):
            state, reason = "cancelled", job["cancel"]
        if state == "queued":
            score = self.old_score(queue, job, job.get("score"))
            self.to_queued(job_id, queue, score, **fields)
        else:
            self.note_unsettled(job_id, job, state, reason)
            self.note_member(job_id)
            self.to_final(job_id, queue, state, reason=reason, **fields)
            self.leave_lock(job_id)
        self.leave_lease(job_id, queue)
        self.append_attempt(
            job_id,
            int(job.get("attempts", 0)) + 1,
            *(job.get("fence", "-"), job.get("worker", "-"), job.get("attempted_at", "0")),
            *(self.now, "recovered" if lost else "released"),
        )
        if lost:
            self.increase("totals", "recovered")
            self.count("recovered", queue)
        if state == "failed":
            self.count(state, queue)
        if state != "queued":
            self.note_ended(job_id)
        return state

    def job_reply(self, job_id: str, queue: str, fence: str, record: dict[str, str]) -> list[Any]:
        payload = None if "payload" in record else self.keys.get(f"payload:{job_id}")
        runs = self.keys.get(f"attempts:{job_id}", [])
        runs = [] if fence.startswith("1-") or not isinstance(runs, list) else list(runs)
        text = payload if isinstance(payload, str) else None
        return ["job", job_id, queue, fence, str(self.now), text, dict(record), runs]

    def start(
        self, job_id: str, queue: str, score: float, slot: Sequence[Any], before: dict[str, str]
    ) -> list[Any]:
        """Start a job whose record was `before`, also before it got its places."""
        worker, name, nonce, lease = slot
        fence = next_fence(before.get("fence", ""), nonce)
        fields = {"worker": worker, "fence": fence, "attempted_at": self.now, "score": int(score)}
        if "fence" in before:
            first = before.get("started_at") or before.get("attempted_at") or self.now
            fields["started_at"] = first
        self.hset(f"slots:{worker}", **{name: f"{nonce} {queue} {job_id} {fence}"})
        self.zadd(f"leases:{queue}", job_id, self.now + lease)
        self.hset(f"job:{job_id}", state="running", **fields)
        self.leave_lock_at_start(job_id)
        self.drop(f"queued:{queue}", job_id)
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
            self.drop(f"queued:{queue}", job_id)
            return self.job_reply(job_id, queue, fence, job)
        if nonce < last:
            return ["none", -1]
        self.recover(job_id, queue, 1, "lost")
        return None

    def next_job(self, epoch: str, slot: Sequence[Any], names: Sequence[str]) -> list[Any] | None:
        """Return what a slot gets; None if it is attached to other keys."""
        if not self.attached(epoch):
            return None
        rated, self.room, due = self.rated(), 50, float(self.soonest() or inf)
        full = self.mark_full()
        if rated is not None and rated <= self.now:
            self.room -= self.admit_rates()
        if due <= self.now:
            handled, next_due = self.promote_all(50)
            self.room, due = self.room - handled, inf if next_due is None else next_due
        paused = {name for name in ("default", *names) if self.is_paused(name)}
        for name in names:
            queue = "default" if name == "*" else name
            reply = None if queue in paused | full else self.take(queue, slot)[0]
            if not reply and name == "*":
                reply = self.take_any(slot, full)
            if reply:
                return reply
        work = self.keys.get("work", {})
        if self.room < 50 and any(work if name == "*" else name in work for name in names):
            return ["more"]
        if rated is not None or self.room < 50:
            latest = self.rated()
            due = due if latest is None else min(due, latest)
        for name in names:
            self.keys.pop(f"wake:{name}", None)
            self.drop("work", name)
        self.drop(f"slots:{slot[0]}", slot[1])
        return ["none", max(0, int(due) - self.now) if due != inf else -1]

    def take_any(self, slot: Sequence[Any], full: set[str]) -> list[Any] | None:
        queues = [queue for _, queue in self.ordered("work")][:20]
        for queue in queues:
            reply, left = (None, False) if queue in full else self.take(queue, slot)
            if reply and left:
                self.zadd("work", queue, self.now)
            if reply:
                return reply
            self.drop("work", queue)
        return ["more"] if len(queues) == 20 else None

    def take(self, queue: str, slot: Sequence[Any]) -> tuple[list[Any] | None, bool]:
        """Return the reply, and whether the queue holds more."""
        for room in range(max(1, self.room), 0, -1):
            waiting = self.ordered(f"queued:{queue}")
            if not waiting:
                return None, False
            if len(waiting) < 2:
                self.drop("work", queue)
            score, job_id = waiting[0]
            self.note_turn(queue, score, is_left=len(waiting) > 1)
            before = dict(self.fields(job_id))
            if (before.get("state"), before.get("queue")) != ("queued", queue):
                self.correct_index(job_id, "queued", queue)
            elif not self.expire(job_id, queue) and not self.lacks_place(job_id, queue, score):
                return self.start(job_id, queue, score, slot, before), len(waiting) > 1
            self.room = room - 1
        return ["more"], True

    def expire(self, job_id: str, queue: str) -> bool:
        """End a queued job that was not started in time; tell whether it did."""
        job = self.fields(job_id)
        found = re.fullmatch(r"(\+?)(\d+)", job.get("expires", ""))
        if "fence" in job or found is None:
            return False
        since = int(job.get("enqueued_at", self.now)) if found[1] else 0
        if since + int(found[2]) > self.now:
            return False
        self.end_unrun(job_id, queue, "expired")
        return True

    def end_unrun(self, job_id: str, queue: str, reason: str) -> None:
        """End a queued job without a run."""
        self.note_unsettled(job_id, self.fields(job_id), "cancelled", reason)
        self.note_member(job_id)
        self.to_final(job_id, queue, "cancelled", reason=reason)
        self.leave_lock(job_id, gone=True)
        self.drop(f"queued:{queue}", job_id)
        self.leave_key(job_id)
        self.note_ended(job_id)

    def attached(self, epoch: str) -> bool:
        return bool(self.keys.get("meta", {}).get("epoch") == epoch)


def run_number(fence: str) -> int:
    """Return the number of the run that a fence names."""
    found = re.match(r"\d+", fence)
    return int(found[0]) if found else 0


def next_fence(fence: str, nonce: str) -> str:
    """Return the fence of the run that a claim starts after another."""
    return f"{run_number(fence) + 1}-{nonce[-8:]}"
