"""The scripts that callers and operators call, in plain Python: model_schedules.py has the rest."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from django_jobqueue.engine.keys import INDEXES

from .model import Refused
from .model_workers import WorkerScripts

FINAL = ("succeeded", "failed", "cancelled")
SMALL = 64  # bytes of a payload that is a field of the record
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
        if "epoch" in given and call.script != "finish":
            if not self.attached(given["epoch"]):
                raise Refused("DETACHED")
            if call.script != "claim":
                del given["epoch"]
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
            if "epoch" not in meta:
                self.note_soonest()
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
        if not former:
            self.note_soonest()
        return meta.get("owner", "")

    def enqueue(self, jobs: Sequence[Any]) -> list[str]:
        words, stored, added = list(jobs), [], dict[str, int]()
        while words:
            job, words = words[: 7 + words[6]], words[7 + words[6] :]
            if job[7:8] == ["unique"] and (told := self.duplicate_of(job[0], job[8])):
                stored.append(told)
                continue
            if isinstance(self.keys.get(f"job:{job[0]}"), str):
                raise Refused("WRONGTYPE")
            more = dict(zip(job[7::2], job[8::2], strict=True))
            if known := self.fields(job[0]).get("state"):
                stored.append(self.complete(job[0], known, job[4]))
                self.supersede(job[0], more)
                continue
            self.store(*job)
            self.supersede(job[0], more)
            added[job[1]] = added.get(job[1], 0) + 1
            stored.append(str(self.now))
        for queue, number in added.items():
            self.count("enqueued", queue, number)
        return stored

    def complete(self, job_id: str, state: str, due: str) -> str:
        job = self.fields(job_id)
        queue = job.get("queue", "")
        waits = queue and state in ("queued", "scheduled", "waiting")
        if waits and job_id not in self.keys.get(f"{state}:{queue}", {}):
            if self.full:
                raise Refused("maxmemory")
            if state == "scheduled" and due:
                self.note_due(queue, self.due_at(due))
                self.zadd(f"scheduled:{queue}", job_id, self.due_at(due))
            else:
                self.ensure_index(job_id, queue, state)
        return job.get("enqueued_at", str(self.now))

    def due_at(self, due: str) -> int:
        return self.now + int(due[1:]) if due[0] == "+" else int(due)

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
    ) -> None:
        """Write a new job."""
        if self.full:
            raise Refused("maxmemory")
        fields: dict[str, Any] = dict(zip(more[::2], more[1::2], strict=True))
        if "unique" in fields:
            self.take_lock(job_id, fields["unique"])
        for tag in str(fields.get("tags", "")).split():
            self.zadd(f"tag:{tag}", job_id, self.now)
        self.note_older(job_id, fields)
        if due == "" and (awaited := self.awaited_key(fields)):
            given = fields | {"parked": awaited}
            self.store_record(job_id, "waiting", queue, task, payload, given)
            score = self.new_score(queue, str(priority), fields.get("fair", ""))
            self.add_parked(job_id, queue, awaited, score)
        elif due == "":
            self.note_work(queue)
            self.store_record(job_id, "queued", queue, task, payload, fields)
            score = self.new_score(queue, str(priority), fields.get("fair", ""))
            self.zadd(f"queued:{queue}", job_id, score)
        else:
            self.note_due(queue, self.due_at(due))
            self.store_record(job_id, "scheduled", queue, task, payload, fields)
            self.zadd(f"scheduled:{queue}", job_id, self.due_at(due))

    def store_record(
        self,
        job_id: str,
        state: str,
        queue: str,
        task: str,
        payload: str,
        fields: dict[str, Any],
    ) -> None:
        known = {"state": state, "queue": queue, "task": task, "enqueued_at": self.now}
        if len(payload) <= SMALL:
            known["payload"] = payload
        else:
            self.keys[f"payload:{job_id}"] = payload
        self.hset(f"job:{job_id}", **known, **fields)

    def refresh_cached(self, job: Sequence[Any], *, digest: str, seen: str, keep: int) -> str:
        if self.fields(job[0]).get("state"):
            return self.enqueue(job)[0]
        noted = self.noted(digest)
        if noted != seen or self.is_open(noted):
            return ""
        self.enqueue(job)
        if not isinstance(self.keys.get(f"cached:{digest}"), dict):
            self.keys.pop(f"cached:{digest}", None)
        self.hset(f"cached:{digest}", refresh=job[0])
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
        winner = str(self.keys.get(f"duplicate:{id}", ""))
        return self.cancel_job(id, reason) or self.cancel_job(winner, reason)

    def cancel_job(self, job_id: str, reason: str) -> list[str]:
        id, job = job_id, self.fields(job_id)
        state, queue = job.get("state"), job.get("queue")
        if not state:
            return []
        if state == "running":
            self.hset(f"job:{id}", cancel=reason)
            if "worker" in job:
                self.keys[f"renew_now:{job['worker']}"] = "1"
            return [state, state]
        if state == "cancelled":
            self.leave_other_indexes(id, job)
        if state in FINAL:
            self.leave_key(id)
            return [state, state]
        self.note_unsettled(id, job, "cancelled", reason)
        self.note_member(id)
        self.to_final(id, str(queue), "cancelled", reason=reason)
        self.leave_lock(id)
        self.drop(f"{state}:{queue}", id)
        if state in ("queued", "waiting"):
            self.note_no_work(str(queue))
        self.leave_key(id)
        self.note_ended(id)
        return [state, "cancelled"]

    def cancel_tagged(self, *, tag: str, before: int | str, limit: int, reason: str) -> list[int]:
        ids = [job_id for _, job_id in self.ordered(f"tag:{tag}")]
        stop = len(ids) if before == "" else int(before)
        start = max(0, stop - limit)
        replies = {job_id: self.cancel(id=job_id, reason=reason) for job_id in ids[start:stop]}
        for job_id, reply in replies.items():
            if not reply:
                self.drop(f"tag:{tag}", job_id)
        told = sum(reply[:1] == ["running"] for reply in replies.values())
        cancelled = sum(bool(reply) and reply[0] != reply[1] for reply in replies.values())
        return [start, cancelled, told]

    def requeue(self, *, id: str, nonce: str, round: int | str) -> list[str]:
        job = self.fields(id)
        state, queue = job.get("state"), job.get("queue")
        if not state:
            return []
        if state in ("queued", "waiting") and self.is_repeated(job, nonce, round):
            self.leave_other_indexes(id, job)
            self.drop_ended(id)
        newer = {"round": round} if round and int(round) > int(job.get("round", 0)) else {}
        if refusal := self.refused_requeue(id, job, nonce, round, newer):
            return refusal
        is_held = state in FINAL and self.bar_of(job) == "open"
        if state in FINAL:
            self.hold_again(id, job)
        fence = job.get("fence", "")
        if state == "succeeded" and "attempts" not in job:
            began = job.get("attempted_at", "0")
            times = began, int(began) + int(job.get("took", 0))
            self.append_attempt(id, 1, fence or "-", job.get("worker", "-"), *times, "succeeded")
        self.drop(f"{state}:{queue}", id)
        self.drop_ended(id)
        if state == "failed" and "task" in job:
            self.leave_failed(id, job["task"])
        self.let_again(id, job, is_held, {"requeued": nonce, **newer})
        if state != "scheduled":
            self.keys.pop(f"result:{id}", None)
            self.keys.pop(f"progress:{id}", None)
            for name in ("attempts", "recoveries", "reason", "finished_at", "took", "started_at"):
                job.pop(name, None)
            for name in ("attempted_at", "held_since", "cancel", "expires"):
                job.pop(name, None)
            self.drop("short-lived", id)
            self.append_attempt(id, 0, "-", "-", self.now, self.now, "requeued")
        self.follow_notes_of(job)
        return [state, "waiting" if is_held else "queued"]

    def let_again(
        self, job_id: str, job: dict[str, str], is_held: bool, fields: dict[str, Any]
    ) -> None:
        """Queue a job, or let it wait for its parents."""
        queue = job["queue"]
        if is_held:
            self.zadd(f"waiting:{queue}", job_id, self.new_plain_score(job.get("priority")))
            self.hset(f"job:{job_id}", state="waiting", **fields)
        else:
            score = self.new_score(queue, job.get("priority"), job.get("fair", ""))
            self.to_queued(job_id, queue, score, **fields)

    def hold_again(self, job_id: str, job: dict[str, str]) -> None:
        """Take for a job that is to run again what newer ones meet."""
        if "unique" in job:
            self.take_lock(job_id, job["unique"])
        self.note_older(job_id, job)
        self.note_again(job_id)

    def is_repeated(self, job: dict[str, str], nonce: str, round: int | str) -> bool:
        return job.get("requeued") == nonce or job.get("round") == str(round)

    def refused_requeue(
        self,
        job_id: str,
        job: dict[str, str],
        nonce: str,
        round: int | str,
        newer: dict[str, Any],
    ) -> list[str]:
        """Return the reply about a job that is not to be queued; [] if it is."""
        state = job["state"]
        if newer and state not in FINAL:
            self.hset(f"job:{job_id}", **newer)
            return [state, state]
        if state in ("queued", "running", "waiting") or self.is_repeated(job, nonce, round):
            return [state, state]
        holder = self.holder_of(self.words(job.get("unique", ""))[0])[0]
        if state in FINAL and "unique" in job and holder not in ("", job_id):
            return [state, state, "", holder]
        if "round" in job and not newer and state != "scheduled":
            return [state, state, job["round"]]
        bar = self.bar_of(job) if state in FINAL else ""
        return [state, state, "", "", bar] if bar not in ("", "open") else []

    def prioritize(self, *, id: str, priority: int) -> list[str]:
        job = self.fields(id)
        state, queue = job.get("state", ""), job.get("queue", "")
        if not state:
            return []
        if state not in ("queued", "scheduled"):
            return [state, ""]
        if int(job.get("priority", 0)) != priority:
            if state == "queued":
                score = self.new_score(queue, str(priority), job.get("fair", ""))
                self.zadd(f"queued:{queue}", id, score)
            self.hset(f"job:{id}", priority=priority)
        return [state, "1"]

    def move(self, *, id: str, queue: str) -> list[str]:
        job = dict(self.fields(id))
        state, source = job.get("state", ""), job.get("queue", "")
        if not state:
            return []
        if state not in BEFORE_START or not source:
            return [state, ""]
        if source != queue:
            place = self.keys.get(f"{state}:{source}", {}).get(id)
            place = self.keys.get(f"{state}:{queue}", {}).get(id) if place is None else place
            self.move_place(id, job, queue, place)
        if state == "queued":
            self.wake(queue)
        return [state, "1"]

    def move_place(self, job_id: str, job: dict[str, str], queue: str, place: float | None) -> None:
        """Put a job into the other queue; `place` is its score."""
        state, source = job["state"], job["queue"]
        if state == "queued":
            self.note_work(queue)
            place = self.new_score(queue, job.get("priority"), job.get("fair", ""))
        elif state == "scheduled":
            place = self.now if place is None else place
            self.note_due(queue, place)
        else:
            self.zadd("names", queue, 0)
        self.drop(f"{state}:{source}", job_id)
        if state in ("queued", "waiting"):
            self.note_no_work(source)
        self.hset(f"job:{job_id}", queue=queue)
        if place is not None:
            self.zadd(f"{state}:{queue}", job_id, place)

    def settle(self, *, id: str, round: int, state: str, result: str, reason: str) -> list[str]:
        job = self.fields(id)
        before, queue = job.get("state"), str(job.get("queue"))
        if not before:
            return []
        if job.get("round") != str(round) or before == "running":
            return [before, before]
        if before == state:
            self.leave_other_indexes(id, job)
            self.leave_key(id)
            return [before, before]
        self.keys.pop(f"result:{id}", None)
        if result:
            self.keys[f"result:{id}"] = result
        attempts = job.get("attempts", "1")
        self.drop(f"{before}:{queue}", id)
        if before in ("queued", "waiting"):
            self.note_no_work(queue)
        if before == "failed" and "task" in job:
            self.leave_failed(id, job["task"])
        self.to_final(id, queue, state, reason=reason, attempts=attempts)
        self.leave_lock(id)
        self.leave_key(id)
        if before not in FINAL:
            self.note_ended(id)
        return [before, state]

    def leave_other_indexes(self, job_id: str, job: dict[str, str]) -> None:
        for other in (*BEFORE_START, *FINAL):
            if other == job.get("state"):
                continue
            self.drop(f"{other}:{job.get('queue')}", job_id)
            if other in ("queued", "waiting"):
                self.note_no_work(str(job.get("queue")))
            if other == "failed" and "task" in job:
                self.leave_failed(job_id, job["task"])

    def delete(self, *, id: str) -> list[str]:
        job = self.fields(id)
        state = job.get("state")
        if not state:
            return []
        if state == "running":
            return [state, state]
        if self.is_value_unsettled(id):
            return [state, "unsettled"]
        if state not in FINAL:
            self.note_unsettled(id, job, "cancelled", "deleted")
            self.note_member(id)
            if "flow" in job:
                self.drop_result(job["flow"])
        self.drop(f"{state}:{job.get('queue')}", id)
        if state in ("queued", "waiting"):
            self.note_no_work(str(job.get("queue")))
        self.remove(id, state)
        return [state, ""]

    def is_value_unsettled(self, job_id: str) -> bool:
        job, notes = self.fields(job_id), self.keys.get("unsettled")
        note = f"{job_id} {job.get('round')} succeeded "
        return job.get("state") == "succeeded" and isinstance(notes, dict) and note in notes

    def remove(self, job_id: str, state: str) -> int:
        """Remove a job; return when the window of its lock would have ended, or 0."""
        self.leave_limits(job_id, final=state in FINAL)
        window = self.leave_unique(job_id)
        self.drop_ended(job_id)
        task = self.fields(job_id).get("task")
        if state == "failed" and task:
            self.leave_failed(job_id, task)
        for tag in self.fields(job_id).get("tags", "").split():
            self.drop(f"tag:{tag}", job_id)
        for part in PARTS:
            self.keys.pop(f"{part}:{job_id}", None)
        return window

    def trim(self, keep: Sequence[Any], *, first: str, limit: int, interval: int) -> list[Any]:
        names, following = self.page_of_names(first)
        removed, told = self.trim_short_lived(limit), list[Any]()
        if removed >= limit:
            return [names[0] if names else "default", removed]
        for queue in names:
            for state, kept_for, most in zip(keep[::3], keep[1::3], keep[2::3], strict=True):
                gone, early = self.trim_state(queue, state, kept_for, most, limit - removed)
                removed += gone
                told += [queue, state, early] if early else []
            if removed >= limit:
                following = queue
                break
            self.forget_if_empty(queue)
        return [following, removed, *told]

    def trim_short_lived(self, limit: int) -> int:
        due = self.until("short-lived", self.now)[:limit]
        for job_id in due:
            if self.is_value_unsettled(job_id):
                self.zadd("short-lived", job_id, self.now + 60_000)
                continue
            self.drop("short-lived", job_id)
            job = self.fields(job_id)
            if job.get("state") == "succeeded" and "queue" in job:
                self.drop(f"succeeded:{job['queue']}", job_id)
                self.trim_job(job_id, "succeeded")
        return len(due)

    def trim_state(
        self, queue: str, state: str, keep: int, most: int, limit: int
    ) -> tuple[int, int]:
        index = f"{state}:{queue}"
        ids = self.until(index, self.now - keep)[:limit]
        expired = len(ids)
        excess = min(len(self.keys.get(index, ())) - most, limit)
        if excess > expired:
            ids = self.until(index, self.now - min(keep, 60_000))[:excess]
        gone = [at for at, job_id in enumerate(ids) if not self.is_value_unsettled(job_id)]
        for job_id in [ids[at] for at in gone]:
            if self.fields(job_id).get("state", state) == state:
                self.drop(index, job_id)
                self.trim_job(job_id, state)
            else:
                self.correct_index(job_id, state, queue)
        early = sum(at >= expired for at in gone)
        if early:
            self.increase("totals", f"trimmed:{state}:{queue}", early)
        return len(gone), early

    def trim_job(self, job_id: str, state: str) -> None:
        if self.remove(job_id, state) > self.now:
            self.increase("totals", "windows_cut")

    def forget_if_empty(self, queue: str) -> None:
        if self.is_paused(queue) or any(f"{index}:{queue}" in self.keys for index in INDEXES):
            return
        for key in ("work", "due", "names"):
            self.drop(key, queue)
        self.forget_fair(queue)
        for kind in ("wake", "fair"):
            self.keys.pop(f"{kind}:{queue}", None)

    def sum(self, *, interval: int) -> int:
        """Sum nothing: a test with so many queues would be slow."""
        assert len(self.keys.get("names", {})) <= 200
        self.keys.pop("sums", None)
        return 0

    def pop_ended(self, *, limit: int) -> list[Any]:
        if not isinstance(self.keys.get("ended", {}), dict):
            return []
        taken: list[Any] = []
        for _, job_id in self.ordered("ended")[:limit]:
            self.drop("ended", job_id)
            taken += [job_id, [] if self.is_open(job_id) else self.get_job(id=job_id)]
        return taken

    def pause(self, *, queue: str, by: str) -> int:
        if self.is_paused(queue):
            return 0
        self.zadd("names", queue, 0)
        self.hset("meta", **{f"paused:{queue}": f"{self.now} {by}"})
        self.drop("work", queue)
        return 1

    def resume(self, *, queue: str) -> int:
        if not self.is_paused(queue):
            return 0
        self.drop("meta", f"paused:{queue}")
        if f"queued:{queue}" in self.keys:
            self.note_work(queue)
        return 1

    def get_job(self, *, id: str) -> list[Any]:
        job = self.fields(id)
        if not job.keys() & {"state", "task"}:
            winner = str(self.keys.get(f"duplicate:{id}", ""))
            found = self.get_job(id=winner) if winner else []
            return [*found, winner] if found else []
        parts = [self.keys.get(f"{kind}:{id}") for kind in ("payload", "result", "progress")]
        parts[0] = None if "payload" in job else parts[0]
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
