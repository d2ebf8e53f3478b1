"""The scripts that workers call, in plain Python.

Replies are those of the scripts, with a dict for fields and values in turn.
"""

from collections.abc import Sequence
from typing import Any

from .model import Refused, next_fence
from .model_flows import FlowMoves


class WorkerScripts(FlowMoves):
    """What slots and supervisors do, and what time brings about."""

    def claim(
        self,
        queues: Sequence[str],
        *,
        epoch: str,
        worker: str,
        slot: str,
        nonce: str,
        lease: int,
    ) -> list[Any]:
        if worker not in self.keys.get("workers", {}):
            self.zadd("workers", worker, self.now)
        if given := self.settle_last_claim(worker, slot, nonce):
            return given
        given = self.next_job(epoch, (worker, slot, nonce, lease), queues) or []
        if given[0] == "job":
            for name in queues:
                self.pass_token_on(name)
        return given

    def pass_token_on(self, name: str) -> None:
        work = self.keys.get("work", {})
        if (name == "*" and work) or name in work:
            self.keys.setdefault(f"wake:{name}", ["1"])

    def finish(
        self,
        queues: Sequence[str] = (),
        *,
        epoch: str,
        id: str,
        fence: str,
        worker: str,
        slot: str,
        nonce: str,
        lease: int,
        **end: Any,
    ) -> list[Any]:
        job = dict(self.fields(id))
        if job.get("state") != "running" or job.get("fence") != fence:
            reply = self.refuse(id, job, fence, worker, nonce, **end)
            self.follow_notes_of(job)
            return [reply, str(self.now), *(["more"] if queues else [])]
        if end["outcome"] == "succeeded":
            self.pass_on(id, end["signed"], end["result"])
        reply = "ok"
        counted = end["outcome"] != "released"
        if job.get("cancel") and end["outcome"] not in ("succeeded", "failed"):
            reply = "cancelled"
            end |= {"outcome": "cancelled", "reason": job["cancel"]}
        self.end_run(id, job, fence, worker, counted, **end)
        self.follow_notes_of(job)
        if queues:
            given = self.next_job(epoch, (worker, slot, nonce, lease), queues)
            if given:
                return [reply, str(self.now), *given]
        self.drop(f"slots:{worker}", slot)
        return [reply, str(self.now), *(["more"] if queues else [])]

    def follow_notes_of(self, job: dict[str, str]) -> None:
        if "flow" in job:
            self.follow_notes(50)

    def refuse(
        self, job_id: str, job: dict[str, str], fence: str, worker: str, nonce: str, **end: Any
    ) -> str:
        """Handle the finish of a run that does not hold its job."""
        if "queue" in job and job.get("fence") == fence:
            self.leave_lease(job_id, job["queue"])
            runs = self.keys.get(f"attempts:{job_id}", [])
            told = isinstance(runs, list) and any(f" {fence} " in run for run in runs)
            if not told and not (job.get("state") == "succeeded" and "attempts" not in job):
                words = (fence, worker, job.get("attempted_at", "0"), self.now, end["outcome"])
                number = max(1, int(job.get("attempts", 1)))
                self.append_attempt(job_id, number, *words, error=end["error"])
            return "repeated"
        if "queue" in job and job.get("fence") == next_fence(fence, nonce):
            return "repeated"
        runs = self.keys.get(f"attempts:{job_id}", [])
        records = [run.split() for run in runs] if isinstance(runs, list) else []
        if "queue" in job and any(
            (record[1], record[5]) == (fence, end["outcome"])
            for record in records
            if len(record) > 5
        ):
            return "repeated"
        self.count_stale(job)
        return "stale"

    def count_stale(self, job: dict[str, str], is_stale: bool = True) -> None:
        if is_stale:
            self.increase("totals", "stale")
        if is_stale and "queue" in job:
            self.count("stale", job["queue"])

    def end_run(
        self,
        job_id: str,
        job: dict[str, str],
        fence: str,
        worker: str,
        counted: bool,
        *,
        outcome: str,
        result: str,
        reason: str,
        error: str,
        delay: int,
        cached: str,
        keep: int | str = "",
        untold: int,
        settled: str,
        signed: str = "",
    ) -> None:
        queue, attempts, held = job["queue"], int(job.get("attempts", 0)), job.get("held_since", "")
        started, first = job.get("attempted_at", "0"), fence.startswith("1-")
        released = outcome == "released"
        told = (
            outcome == "succeeded" and first and not reason and not untold
        )  # by the job's own fields
        fields: dict[str, Any] = {} if told else {"attempts": attempts + counted}
        if reason or held:
            fields |= {"reason": reason, "held_since": (held or self.now) if released else ""}
        if outcome == "retried" or (released and delay > 0):
            self.to_scheduled(job_id, queue, self.now + delay, **fields)
        elif released:
            score = self.old_score(queue, job, job.get("score"))
            self.to_queued(job_id, queue, score, **fields)
        else:
            self.note_unsettled(job_id, job, outcome, reason, settled)
            self.note_member(job_id)
            if result:
                self.keys[f"result:{job_id}"] = result
            elif not first:
                self.keys.pop(f"result:{job_id}", None)
            if outcome == "succeeded":
                self.keep_value(job_id, job, result, cached, keep)
            self.to_final(job_id, queue, outcome, **fields)
            self.tell_by_record(job_id, told)
            self.leave_lock(job_id)
        self.leave_lease(job_id, queue)
        if not told:
            words = (fence, worker, started, self.now, outcome if counted else "released")
            self.append_attempt(job_id, attempts + 1, *words, error=error)
        if outcome not in ("released", "cancelled"):
            self.count(outcome, queue)
        self.count_stale(job, settled == "stale" and not told)
        if untold and outcome in ("succeeded", "failed", "cancelled"):
            self.note_ended(job_id)

    def tell_by_record(self, job_id: str, told: bool) -> None:
        """Let the record of a job tell of its only run, if it was told so."""
        if not told:
            return
        job = self.fields(job_id)
        finished = int(job.pop("finished_at"))
        job.pop("score", None)
        job["took"] = str(max(0, finished - int(job.get("attempted_at", finished))))

    def keep_value(
        self, job_id: str, job: dict[str, str], result: str, cached: str, keep: int | str
    ) -> None:
        if cached:
            begun = int(job.get("attempted_at", self.now))
            self.keep_cached(cached.split()[0], result or "null", begun)
        if keep != "":
            self.zadd("short-lived", job_id, self.now + max(int(keep), 60_000))

    def keep_cached(self, digest: str, value: str, begun: int) -> None:
        old = self.keys.pop(f"cached:{digest}", None)
        old = old if isinstance(old, dict) else {}
        if begun < int(old.get("begun", 0)) <= self.now:
            self.keys[f"cached:{digest}"] = old
            return
        fields = {"value": value, "at": self.now, "begun": begun}
        self.hset(f"cached:{digest}", **fields, refresh=old.get("refresh", ""))

    def renew(self, info: Sequence[str], *, worker: str, lease: int) -> list[str]:
        self.zadd("workers", worker, self.now)
        pairs = dict(zip(info[::2], info[1::2], strict=True))
        self.hset(f"worker:{worker}", seen_at=self.now, lease=lease, **pairs)
        answer: list[str] = []
        for name in self.keys.get(f"slots:{worker}", {}):
            held = self.held(worker, name)
            if held is None:
                continue
            _, queue, job_id, fence = held
            job = self.fields(job_id)
            what = "lost"
            if job.get("state") == "running" and job.get("fence") == fence:
                self.zadd(f"leases:{queue}", job_id, self.now + lease)
                what = "cancel" if job.get("cancel") else "held"
            answer += [name, job_id, fence, what]
        return answer

    def progress(self, *, id: str, fence: str, progress: str) -> int:
        job = self.fields(id)
        if job.get("state") != "running" or job.get("fence") != fence:
            return 0
        if self.full:
            raise Refused("maxmemory")
        self.keys[f"progress:{id}"] = progress
        return 1

    def log(self, *, id: str, fence: str, nonce: str, text: str, most: int) -> int:
        job = self.fields(id)
        if job.get("state") != "running" or job.get("fence") != fence:
            return 0
        if job.get("logged") == nonce:
            return 1
        if self.full:
            raise Refused("maxmemory")
        lines = [*self.keys.get(f"log:{id}", []), f"{self.now} {text}"]
        self.keys[f"log:{id}"] = lines[-most:]
        self.hset(f"job:{id}", logged=nonce)
        return 1

    def release_slot(
        self, *, worker: str, slot: str, nonce: str, lost: int, reason: str
    ) -> list[str]:
        held = self.held(worker, slot)
        if held is not None and nonce < held[0]:
            return []
        answer: list[str] = []
        if held is not None:
            _, queue, job_id, fence = held
            job = self.fields(job_id)
            if job.get("state") == "running" and job.get("fence") == fence:
                answer = [job_id, self.recover(job_id, queue, lost, reason)]
            elif job.get("state") != "running":
                self.leave_lease(job_id, queue)
        self.drop(f"slots:{worker}", slot)
        return answer

    def forget_worker(self, *, worker: str, unseen: int) -> int:
        unseen_ids = self.until("workers", self.now - unseen)[:100]
        gone = [one for one in unseen_ids if one != worker and not self.holds_a_run(one)]
        gone += [worker] if worker else []
        for one in gone:
            self.drop("workers", one)
            self.keys.pop(f"worker:{one}", None)
            self.keys.pop(f"slots:{one}", None)
            self.keys.pop(f"renew_now:{one}", None)
        return len(gone)

    def holds_a_run(self, worker: str) -> bool:
        for name in self.keys.get(f"slots:{worker}", {}):
            _, _, job_id, fence = self.held(worker, name) or ("",) * 4
            job = self.fields(job_id)
            if job.get("state") == "running" and job.get("fence") == fence:
                return True
        return False

    def promote(self, *, limit: int) -> int:
        handled = self.promote_all(limit)[0]
        if self.rated() is not None:
            self.admit_rates()
        return handled

    def page_of_names(self, first: str) -> tuple[list[str], str]:
        names = sorted(name for name in self.keys.get("names", {}) if name >= first)
        return names[:500], next(iter(names[500:]), "")

    def reap(self, *, first: str, limit: int, interval: int, grace: int, lease: int) -> list[Any]:
        back, waits = self.watch_clock(interval, grace, lease) if first == "" else (0, False)
        if waits:
            return ["", back]
        names, following = self.page_of_names(first)
        answer: list[str] = []
        for queue in names:
            self.bring_back(queue, lease)
            for job_id in self.until(f"leases:{queue}", self.now)[: limit - len(answer) // 2]:
                state = self.fields(job_id).get("state")
                if state == "running":
                    state = self.recover(job_id, queue, 1, "lost")
                else:
                    self.correct_index(job_id, "leases", queue)
                answer += [job_id, state or "failed"]
            if len(answer) >= 2 * limit:
                following = queue
                break
        for queue in names:  # of more than 200, which this model never has, trim does it
            self.correct_hints(queue)
        return [following, back, *answer]

    def correct_hints(self, queue: str) -> None:
        """Note whether a queue has work, and when its next job is due."""
        if f"queued:{queue}" in self.keys:
            self.note_work(queue)
        self.note_no_work(queue)
        if scheduled := self.ordered(f"scheduled:{queue}"):
            self.note_due(queue, scheduled[0][0])

    def watch_clock(self, interval: int, grace: int, lease: int) -> tuple[int, bool]:
        for one in [*self.ordered("work")[:500], *self.ordered("due")[:500]]:
            self.zadd("names", one[1], 0)
        self.note_fair([name for name in self.fair_queues() if name in self.keys["names"]])
        self.note_soonest()
        self.add_minutes()
        self.drop_void_locks()
        meta = self.keys.get("meta", {})
        last, after = int(meta.get("reaped_at", 0)), int(meta.get("reap_after", 0))
        self.hset("meta", reaped_at=self.now)
        away = last > 0 and abs(self.now - last) > 3 * interval
        if away and abs(self.now - after) > 10 * lease:
            self.hset("meta", reap_after=self.now + grace)
            return max(0, last - self.now), True
        return max(0, last - self.now), 0 < after - self.now <= grace

    def add_minutes(self) -> None:
        """Add the counts of minutes that have ended to their hours."""
        now_minute = self.now // 60_000
        found = self.keys.get("meta", {}).get("added_minute")
        if found is None:
            self.hset("meta", added_minute=now_minute - 1)
            return
        first = max(int(found) + 1, now_minute - 60)
        for minute in range(first, min(now_minute, first + 10)):
            self.hset("meta", added_minute=minute)
            for field, count in self.keys.get(f"minute:{minute}", {}).items():
                self.increase(f"hour:{minute // 60}", field, int(count))

    def bring_back(self, queue: str, lease: int) -> None:
        for end, job_id in self.ordered(f"leases:{queue}"):
            if end > self.now + 2 * lease:
                worker = self.fields(job_id).get("worker", "-")
                own = int(self.keys.get(f"worker:{worker}", {}).get("lease", lease))
                self.zadd(f"leases:{queue}", job_id, min(end, self.now + own))
