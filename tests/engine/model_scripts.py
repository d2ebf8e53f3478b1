"""The scripts that callers and operators call, in plain Python: model_schedules.py has the rest."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .model import Refused
from .model_workers import WorkerScripts

FINAL = ("succeeded", "failed", "cancelled")
PARTS = ("job", "payload", "result", "attempts", "progress", "log")
BEFORE_START = ("scheduled", "queued", "waiting")


class Call(NamedTuple):
    """One call of a script; sent once more it is what a lost reply leads to."""

    script: str
    given: dict[str, Any]
    rest: tuple[Any, ...] = ()


class Model(WorkerScripts):
    """All scripts but those of schedules."""

    def call(self, call: Call) -> Any:
        """Do what the script does and return what it answers.

        Raises: Refused.
        """
        script: Callable[..., Any] = getattr(self, call.script)
        given = dict(call.given)
        gated = call.script != "finish" and "epoch" in given
        if gated and not self.attached(given.pop("epoch")):
            raise Refused("DETACHED")
        return script(*([call.rest] if call.rest else []), **given)

    def attach(
        self, owners: Sequence[str], *, schema: str, new_epoch: str, known: str
    ) -> list[Any]:
        meta = dict(self.keys.get("meta", {}))
        owner = meta.get("owner")
        ownership = "foreign" if owner else "new"
        if owner in owners:
            ownership = "known" if owner == owners[0] else "rotated"
        change = ""
        if ownership != "foreign":
            if ownership == "new" and self.full:
                raise Refused("maxmemory")
            named = {"schema": schema, "epoch": new_epoch} | meta
            self.hset("meta", **named | {"owner": owners[0]})
            if known and known not in (meta.get("epoch"), meta.get("former")):
                change = "replaced"
        found = [meta.get("schema", schema), meta.get("epoch", new_epoch)]
        return [ownership, *found, owner or owners[0], change]

    def adopt(self, *, schema: str, new_epoch: str, owner: str) -> str:
        meta = dict(self.keys.get("meta", {}))
        if meta.get("owner") == owner:
            return owner
        former = meta.get("epoch", "")
        schema = meta.get("schema", schema)
        self.hset("meta", schema=schema, epoch=new_epoch, owner=owner, former=former)
        return meta.get("owner", "")

    def enqueue(self, jobs: Sequence[Any]) -> list[str]:
        words, stored, added, tokens = list(jobs), [], dict[str, int](), dict[str, int]()
        while words:
            job, words = words[: 7 + words[6]], words[7 + words[6] :]
            known = self.fields(job[0]).get("enqueued_at")
            stored.append(known or str(self.now))
            if not known:
                queue = job[1]
                tokens[queue] = tokens.get(queue, 0) + self.store(*job)
                added[queue] = added.get(queue, 0) + 1
        for queue, number in added.items():
            self.count_and_wake(queue, number, tokens[queue])
        return stored

    def store(
        self,
        job_id: str,
        queue: str,
        task: str,
        priority: int,
        due: str,
        payload: str,
        _: int,
        *more: Any,
    ) -> int:
        """Write a new job; tell whether it may be claimed."""
        if self.full:
            raise Refused("maxmemory")
        fields = {"queue": queue, "task": task, "enqueued_at": self.now}
        fields |= dict(zip(more[::2], more[1::2], strict=True))
        if due == "":
            self.to_queued(job_id, queue, self.next_score(str(priority)), **fields)
        else:
            at = self.now + int(due[1:]) if due[0] == "+" else int(due)
            self.to_scheduled(job_id, queue, at, **fields)
        self.keys[f"payload:{job_id}"] = payload
        return int(due == "")

    def count_and_wake(self, queue: str, added: int, tokens: int) -> None:
        if self.count("enqueued", queue, added) and self.add("queues", queue):
            self.wake("*")
        self.wake(queue, tokens)

    def refresh_cached(self, job: Sequence[Any], *, digest: str, seen: str, keep: int) -> str:
        if known := self.fields(job[0]).get("enqueued_at"):
            return known
        noted = self.noted(digest)
        if noted != seen or self.is_open(noted):
            return ""
        tokens = self.store(*job)
        if not isinstance(self.keys.get(f"cached:{digest}"), dict):
            self.keys.pop(f"cached:{digest}", None)
        self.hset(f"cached:{digest}", refresh=job[0])
        self.count_and_wake(job[1], 1, tokens)
        return str(self.now)

    def get_cached(self, *, digest: str) -> list[Any]:
        kept = self.keys.get(f"cached:{digest}")
        kept = kept if isinstance(kept, dict) else {}
        noted = self.noted(digest)
        return [
            str(self.now),
            kept.get("value"),
            kept.get("at"),
            noted,
            int(self.is_open(noted)),
        ]

    def noted(self, digest: str) -> str:
        """Return the job that was stored last to refresh a value."""
        kept = self.keys.get(f"cached:{digest}")
        return str(kept.get("refresh", "")) if isinstance(kept, dict) else ""

    def is_open(self, job_id: str) -> bool:
        state = self.fields(job_id).get("state")
        return state is not None and state not in FINAL

    def cancel(self, *, id: str, reason: str) -> list[str]:
        job = self.fields(id)
        state, queue = job.get("state"), job.get("queue")
        if not state:
            return []
        if state == "running":
            self.hset(f"job:{id}", cancel=reason)
            if "worker" in job:
                self.keys[f"renew_now:{job['worker']}"] = "1"
            return [state, state]
        if state not in BEFORE_START:
            return [state, state]
        self.drop(f"{state}:{queue}", id)
        self.to_final(id, str(queue), "cancelled", reason=reason)
        return [state, "cancelled"]

    def requeue(self, *, id: str, nonce: str) -> list[str]:
        job = self.fields(id)
        state, queue = job.get("state"), job.get("queue")
        if not state:
            return []
        if state in ("queued", "running", "waiting") or job.get("requeued") == nonce:
            return [state, state]
        self.drop(f"{state}:{queue}", id)
        if state == "failed" and "task" in job:
            self.drop(f"failed-of:{job['task']}", id)
        if state != "scheduled":
            self.keys.pop(f"result:{id}", None)
            self.keys.pop(f"progress:{id}", None)
            for name in ("attempts", "recoveries", "reason", "finished_at", "started_at"):
                job.pop(name, None)
            for name in ("attempted_at", "held_since", "cancel"):
                job.pop(name, None)
            self.append_attempt(id, 0, "-", "-", self.now, self.now, "requeued")
        self.to_queued(id, str(queue), self.next_score(job.get("priority")), requeued=nonce)
        self.wake(str(queue))
        return [state, "queued"]

    def delete(self, *, id: str) -> list[str]:
        job = self.fields(id)
        state = job.get("state")
        if not state:
            return []
        if state == "running":
            return [state, state]
        self.drop(f"{state}:{job.get('queue')}", id)
        self.remove(id, state)
        return [state, ""]

    def remove(self, job_id: str, state: str) -> None:
        task = self.fields(job_id).get("task")
        if state == "failed" and task:
            self.drop(f"failed-of:{task}", job_id)
        for part in PARTS:
            self.keys.pop(f"{part}:{job_id}", None)

    def trim(self, *, queue: str, state: str, keep: int, most: int, limit: int) -> list[int]:
        index = f"{state}:{queue}"
        ids = self.until(index, self.now - keep)[:limit]
        expired = len(ids)
        excess = min(len(self.keys.get(index, ())) - most, limit)
        if excess > expired:
            ids = self.until(index, self.now - min(keep, 60_000))[:excess]
        for job_id in ids:
            self.drop(index, job_id)
            if self.fields(job_id).get("state", state) == state:
                self.remove(job_id, state)
        early = len(ids) - expired
        if early:
            self.increase("totals", f"trimmed:{state}:{queue}", early)
        return [len(ids), early]

    def pause(self, *, queue: str) -> int:
        if self.add("queues", queue):
            self.wake("*")
        return int(self.add("paused", queue))

    def resume(self, *, queue: str) -> int:
        if queue not in self.keys.get("paused", ()):
            return 0
        self.keys["paused"].discard(queue)
        if not self.keys["paused"]:
            del self.keys["paused"]
        self.wake(queue, 64)
        return 1

    def queues(self) -> list[str]:
        return sorted(self.keys.get("queues", ()))

    def get_job(self, *, id: str) -> list[Any]:
        job = self.fields(id)
        if not job:
            return []
        parts = [self.keys.get(f"{kind}:{id}") for kind in ("payload", "result", "progress")]
        runs = self.keys.get(f"attempts:{id}", [])
        due = self.keys.get(f"scheduled:{job.get('queue')}", {}).get(id)
        lines = self.keys.get(f"log:{id}", [])
        return [
            dict(job),
            *(part if isinstance(part, str) else None for part in parts),
            list(runs) if isinstance(runs, list) else [],
            f"{due:.0f}" if job.get("state") == "scheduled" and due is not None else None,
            list(lines) if isinstance(lines, list) else [],
        ]
