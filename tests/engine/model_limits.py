"""The limits and rates of keys in plain Python: who waits for a key, and who is let in."""

import re
from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from django_jobqueue.engine.keys import INDEX_OF

from .model_fair import FairMoves

MOST_MOVES = 50
LOOK_AFTER, ADMIT_AFTER = 1_000, 10_000  # ms
TOLERANCE = 1_000  # ms, by which a clock may be set back unnoticed
WORD = re.compile(r"(=?)(\d+)([A-Za-z])([\d.]*):(\S+)")
NUMBER = re.compile(r"(\d+)([A-Za-z])([\d.]*)")


class Limit(NamedTuple):
    """A word of a job, with the number that counts today."""

    name: str
    most: int | None
    mode: str
    extra: str

    @property
    def rate(self) -> tuple[int, int]:
        """Return window and burst."""
        window, burst = self.extra.split(".")
        return int(window), int(burst)


class LimitMoves(FairMoves):
    """What scripts do to places, lines and starts."""

    def limits_of(self, job: dict[str, str]) -> list[Limit]:
        hash_ = self.keys.get("limits", {})
        noted = hash_.get(job.get("task", ""))
        numbers, found = iter((noted or "").split()), []
        for own, most, mode, extra, name in WORD.findall(job.get("limits", "")):
            current = next(numbers, "") if noted is not None else None
            limit = Limit(name, int(most), mode, extra)
            if not own and current is not None:
                new = NUMBER.fullmatch(current)
                if new and (new[2] == "r") == (mode == "r"):
                    limit = Limit(name, int(new[1]), new[2], new[3])
                else:
                    limit = Limit(name, None, "", "")
            found.append(limit)
        return found

    def keys_of(self, job: dict[str, str], modes: str) -> list[str]:
        return [
            name for _, _, mode, _, name in WORD.findall(job.get("limits", "")) if mode in modes
        ]

    def is_full(self, limit: Limit, job_id: str, more: int) -> bool:
        if limit.mode == "r":
            return more > 0 or self.next_start(limit) > self.now
        places = self.keys.get(f"places:{limit.name}", {})
        return limit.most is not None and len(places) + more >= limit.most and job_id not in places

    # Rates

    def next_start(self, limit: Limit) -> int:
        assert limit.most is not None
        (window, burst), key = limit.rate, f"starts:{limit.name}"
        entries, free = self.keys.get(key, []), 0
        if not entries:
            return 0
        last, even = self.entry(entries[-1])
        if last > self.now + TOLERANCE:
            last, even = self.now, float(self.now)
            entries = self.keys[key] = [f"{self.now} {self.now} 1"] * limit.most
        if len(entries) >= limit.most:
            free = self.entry(entries[-limit.most])[0] + window + 1
        pause = window / limit.most
        even = min(even, last + burst * pause)
        return ceil(max(free, even - (burst - 1) * pause))

    def entry(self, words: str) -> tuple[int, float]:
        last, even, _ = words.split(" ")
        return int(last), float(even)

    def note_start(self, limit: Limit) -> None:
        assert limit.most is not None
        (window, _), key = limit.rate, f"starts:{limit.name}"
        entries = self.keys.get(key, [])
        even = self.entry(entries[-1])[1] if entries else 0
        even = max(even, self.now) + window / limit.most
        self.keys[key] = [*entries, f"{self.now} {even:.3f} 1"][-limit.most :]

    def note_rate(self, name: str, at: float) -> None:
        known = self.keys.get("rates", {}).get(name)
        self.zadd("rates", name, at if known is None else min(known, at))
        soonest = self.rated()
        if soonest is None or soonest > ceil(at):
            self.hset("meta", rated=ceil(at))

    def rated(self) -> int | None:
        found = self.keys.get("meta", {}).get("rated")
        return None if found is None else int(found)

    def next_admission(self, name: str, due: float | None) -> float | None:
        line = self.ordered(f"parked:{name}")
        job_id = line[0][1] if line else "-"
        at: float | None = None
        for limit in self.limits_of(self.fields(job_id)):
            if limit.name != name:
                continue
            if limit.mode == "r" and limit.most is not None:
                window = limit.rate[0]
                paced = 0.0 if due is None else max(due + window / limit.most, self.now - window)
                at = max(paced, self.next_start(limit))
            elif limit.mode != "r" and self.is_full(limit, job_id, 0):
                return None
        return at

    def admit_rates(self) -> int:
        handled = 0
        for name in self.until("rates", self.now)[:MOST_MOVES]:
            due, moved = self.keys["rates"][name], self.admit_to(name, 1)
            handled += moved
            at = self.next_admission(name, due if moved else None)
            if at is None:
                self.drop("rates", name)
            else:
                self.zadd("rates", name, float(f"{at:.3f}"))
        if rates := self.ordered("rates"):
            self.hset("meta", rated=ceil(rates[0][0]))
        else:
            self.drop("meta", "rated")
        return handled

    # Lines

    def add_parked(self, job_id: str, queue: str, name: str, score: float) -> None:
        if name not in self.keys.get("awaited", {}):
            self.zadd("awaited", name, self.now + LOOK_AFTER)
        self.zadd("names", queue, 0)
        self.zadd(f"parked:{name}", job_id, score)
        self.zadd(f"waiting:{queue}", job_id, score)

    def may_run(self, job_id: str, name: str, more: int) -> bool:
        for limit in self.limits_of(self.fields(job_id)):
            if limit.name == name and self.is_full(limit, job_id, more):
                if limit.mode == "r":
                    self.note_rate(name, self.next_start(limit))
                return False
        return True

    def admit_to(self, name: str, most: int) -> int:
        """Queue the first jobs that wait for a key; return how many ids were handled."""
        admitted = 0
        for handled in range(MOST_MOVES):
            line = self.ordered(f"parked:{name}")
            if not line:
                self.drop("awaited", name)
            if not line or admitted >= most:
                return handled
            score, job_id = line[0]
            job = self.fields(job_id)
            state, queue, own = job.get("state", ""), job.get("queue", ""), job.get("parked")
            waits = state == "waiting" and queue and own == name
            if waits:
                if not self.may_run(job_id, name, admitted):
                    return handled
                self.to_queued(job_id, queue, self.old_score(queue, job, score))
            elif state in INDEX_OF and queue:
                self.ensure_index(job_id, queue, state)
            if waits or (state == "queued" and own == name):
                admitted += not self.is_paused(queue)
            if queue and (waits or state != "waiting"):
                self.drop(f"waiting:{queue}", job_id)
            self.drop(f"parked:{name}", job_id)
        return MOST_MOVES

    def free_lost_places(self, name: str) -> None:
        for _, job_id in self.ordered(f"places:{name}")[:100]:
            job = self.fields(job_id)
            leases = self.keys.get(f"leases:{job.get('queue')}", {})
            if job.get("state") != "running" or job_id not in leases:
                self.drop(f"places:{name}", job_id)

    def lacks_place(self, job_id: str, queue: str, score: float) -> bool:
        """Give a job its places, or let it wait or end; return whether it did not get them."""
        job = dict(self.fields(job_id))
        limits = self.limits_of(job)
        for limit in limits:
            skips = limit.mode == "s" and "fence" not in job
            if skips and self.is_full(limit, job_id, 0):
                self.free_lost_places(limit.name)
            if not self.is_full(limit, job_id, 0):
                continue
            if skips:
                self.end_unrun(job_id, queue, "limit")
            else:
                self.park(job_id, queue, limit, score)
            return True
        for limit in limits:
            if limit.mode == "r":
                self.note_start(limit)
            elif limit.most is not None:
                self.zadd(f"places:{limit.name}", job_id, self.now)
        if "parked" in job:
            self.drop(f"job:{job_id}", "parked")
        return False

    def park(self, job_id: str, queue: str, limit: Limit, score: float) -> None:
        """Let a job wait for a key."""
        former = self.fields(job_id).get("parked", limit.name)
        if limit.mode == "r":
            self.note_rate(limit.name, self.next_start(limit))
        self.add_parked(job_id, queue, limit.name, score)
        self.hset(f"job:{job_id}", state="waiting", parked=limit.name)
        self.drop(f"queued:{queue}", job_id)
        if former != limit.name:
            self.admit_to(former, 1)

    # Whole queues

    def queue_limits(self) -> dict[str, int]:
        words = self.keys.get("meta", {}).get("limits", "").split()
        return dict(zip(words[::2], map(int, words[1::2]), strict=True))

    def mark_full(self) -> set[str]:
        """Return the queues that run as many jobs as they may; offer those that may run more."""
        full = set()
        for queue, most in self.queue_limits().items():
            if len(self.keys.get(f"leases:{queue}", {})) >= most:
                self.drop("work", queue)
                full.add(queue)
            elif f"queued:{queue}" in self.keys:
                self.note_work(queue)
        return full

    # Ends

    def leave_places(self, job_id: str) -> None:
        for name in self.keys_of(self.fields(job_id), "wso"):
            if job_id in self.keys.get(f"places:{name}", {}):
                self.drop(f"places:{name}", job_id)
                self.admit_to(name, 1)

    def leave_lease(self, job_id: str, queue: str) -> None:
        self.drop(f"leases:{queue}", job_id)
        self.leave_places(job_id)

    def leave_key(self, job_id: str) -> None:
        """Take a job that is not to run out of the key for which it waits."""
        name = self.fields(job_id).get("parked")
        if name is None:
            return
        waited = job_id in self.keys.get(f"parked:{name}", {})
        self.drop(f"parked:{name}", job_id)
        self.drop(f"job:{job_id}", "parked")
        if not waited:
            self.admit_to(name, 1)

    def leave_limits(self, job_id: str, *, final: bool) -> None:
        job = self.fields(job_id)
        if "limits" not in job:
            return
        if not final:
            self.leave_key(job_id)
        for name in self.keys_of(job, "wso"):
            self.drop(f"places:{name}", job_id)
            self.drop(f"older:{name}", job_id)

    # New jobs

    def awaited_key(self, job: dict[str, str]) -> str:
        names = self.keys_of(job, "wor")
        return next((name for name in names if f"parked:{name}" in self.keys), "")

    def note_older(self, job_id: str, job: dict[str, str]) -> None:
        for name in self.keys_of(job, "o"):
            number = int(self.keys.get("sequence", "0")) + 1
            self.keys["sequence"] = str(number)
            self.zadd(f"older:{name}", job_id, number)

    def supersede(self, job_id: str, job: dict[str, str]) -> None:
        for name in self.keys_of(job, "o"):
            older = self.keys.get(f"older:{name}", {})
            own = older.get(job_id, float("-inf"))
            for score, other in self.ordered(f"older:{name}"):
                if score < own and self.cancel_job(other, "superseded")[:1] != ["running"]:
                    self.drop(f"older:{name}", other)

    def cancel_job(self, job_id: str, reason: str) -> list[str]:
        raise NotImplementedError

    # Scripts

    def set_limits(self, tasks: Sequence[str], *, queues: str) -> int:
        for queue in self.queue_limits():
            if f"queued:{queue}" in self.keys:
                self.note_work(queue)
        if queues:
            self.hset("meta", limits=queues)
        else:
            self.drop("meta", "limits")
        self.hset("limits", **dict(zip(tasks[::2], tasks[1::2], strict=True)))
        return len(tasks) // 2

    def admit(self, *, limit: int) -> int:
        self.mark_full()
        names = self.until("awaited", self.now)[:limit]
        late = [n for at, n in self.ordered("awaited") if at > self.now + 2 * ADMIT_AFTER]
        names += late[: limit - len(names)]
        for name in names:
            self.free_lost_places(name)
            handled = self.admit_to(name, MOST_MOVES)
            after = LOOK_AFTER if not handled else ADMIT_AFTER if handled < MOST_MOVES else 0
            if name in self.keys.get("awaited", {}):
                self.zadd("awaited", name, self.now + after)
            at = self.next_admission(name, self.now if handled else None)
            if at is not None:
                self.note_rate(name, float(f"{at:.3f}"))
        return len(names)
