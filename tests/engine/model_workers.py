"""The scripts that workers call, in plain Python.

Replies are those of the scripts, with a dict for fields and values in turn.
"""

from collections.abc import Sequence
from typing import Any

from .model import Moves, Refused


class WorkerScripts(Moves):
    """What slots and supervisors do, and what time brings about."""

    def claim(
        self,
        queues: Sequence[str],
        *,
        worker: str,
        slot: str,
        nonce: str,
        lease: int,
    ) -> list[Any]:
        if given := self.settle_last_claim(worker, slot, nonce):
            return given
        given = self.next_job((worker, slot, nonce, lease), queues)
        if given[0] == "job" and f"wake:{given[2]}" not in self.keys:
            self.wake(given[2], int(f"queued:{given[2]}" in self.keys))
        return given

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
        **settled: Any,
    ) -> list[Any]:
        job = self.fields(id)
        reply = "stale"
        if job.get("state") == "running" and job.get("fence") == fence:
            reply = "ok"
            counted = settled["outcome"] != "released"
            if "cancel" in job and settled["outcome"] not in ("succeeded", "failed"):
                reply = "cancelled"
                settled |= {"outcome": "cancelled", "reason": job["cancel"]}
            self.settle(id, job, fence, worker, counted, **settled)
        elif job.get("settled") == fence:
            reply = "repeated"
        else:
            self.increase("totals", "stale")
        given: list[Any] | None = None
        if queues and self.attached(epoch):
            if reply != "ok":
                given = self.settle_last_claim(worker, slot, nonce)
            given = given or self.next_job((worker, slot, nonce, lease), queues)
            return [reply, str(self.now), *given]
        if reply in ("ok", "cancelled"):
            self.drop(f"slots:{worker}", slot)
        return [reply, str(self.now), *(["more"] if queues else [])]

    def settle(
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
    ) -> None:
        queue, attempts, held = job["queue"], int(job.get("attempts", 0)), job.get("held_since", "")
        released = outcome == "released"
        self.drop(f"leases:{queue}", job_id)
        started = job.get("attempted_at", "0")
        words = (fence, worker, started, self.now, outcome)
        self.append_attempt(job_id, attempts + 1, *words, error=error)
        fields: dict[str, Any] = {"settled": fence, "attempts": attempts + counted}
        if reason or held:
            fields |= {"reason": reason, "held_since": (held or self.now) if released else ""}
        if outcome == "retried" or (released and delay > 0):
            self.to_scheduled(job_id, queue, self.now + delay, **fields)
            if outcome == "retried":
                self.count(outcome, queue)
        elif released:
            score = float(job.get("score") or self.next_score(job.get("priority")))
            self.to_queued(job_id, queue, score, **fields)
            self.wake(queue)
        else:
            if result:
                self.keys[f"result:{job_id}"] = result
            if cached and outcome == "succeeded":
                begun = int(job.get("attempted_at", 0))
                self.keep_cached(cached.split()[0], result or "null", begun)
            self.to_final(job_id, queue, outcome, **fields)

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
        self.hset(f"worker:{worker}", seen_at=self.now, **pairs)
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
                what = "cancel" if "cancel" in job else "held"
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
        self.drop(f"slots:{worker}", slot)
        if held is None:
            return []
        _, queue, job_id, fence = held
        job = self.fields(job_id)
        if job.get("state") != "running" or job.get("fence") != fence:
            return []
        return [job_id, self.recover(job_id, queue, lost, reason)]

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

    def promote(self, queues: Sequence[str], *, limit: int) -> int:
        total = 0
        for queue in queues:
            total += self.promote_due(queue, limit - total)[0] if total < limit else 0
        return total

    def reap(
        self, queues: Sequence[str], *, limit: int, interval: int, grace: int, lease: int
    ) -> list[str]:
        meta = self.keys.get("meta", {})
        last, after = int(meta.get("reaped_at", 0)), int(meta.get("reap_after", 0))
        self.hset("meta", reaped_at=self.now)
        away = last > 0 and abs(self.now - last) > 3 * interval
        if away and abs(self.now - after) > 10 * lease:
            self.hset("meta", reap_after=self.now + grace)
            return []
        if 0 < after - self.now <= grace:
            return []
        answer: list[str] = []
        for queue in queues:
            for job_id in self.until(f"leases:{queue}", self.now)[: limit - len(answer) // 2]:
                state = self.fields(job_id).get("state")
                if state == "running":
                    state = self.recover(job_id, queue, 1, "lost")
                else:
                    self.drop(f"leases:{queue}", job_id)
                    self.fail_if_damaged(job_id, queue, state)
                answer += [job_id, state or "failed"]
        return answer
