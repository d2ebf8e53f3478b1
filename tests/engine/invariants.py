"""What must be true after each call, whatever the model says: judged by what stands in Redis.

The numbers are those of the promises: an id stands in one index (1, 2, 3, 8), a final state
stays (4), a fence is used once (5), no more runs than counted (6), only the holder writes (7),
nothing expires (9), the counters agree (12), priorities (13), cancelled is cancelled (14), the
database hears of the end of each durable job (15), a lock goes with its job (16), the limits of
keys are kept (17).
"""

from collections import Counter, defaultdict
from typing import Any

from django_jobqueue.engine.keys import INDEX_OF, INDEXES
from django_jobqueue.jobs.states import FINAL, TRANSITIONS, State

from .model_scripts import Call
from .snapshot import Snapshot, touched

Move = tuple[str | None, str | None]


def _moves(script: str) -> set[Move]:
    """Return what a script may do to a job in one call, several moves in a row included."""
    single = {*TRANSITIONS.get(script, ()), *(TRANSITIONS["claim"] if script == "finish" else ())}
    moves: set[Move] = set(single)
    while more := {(a, d) for a, b in moves for c, d in single if b == c} - moves:
        moves |= more
    if script in (
        "renew",
        "progress",
        "log",
        "cancel",
        "re_sign",
        "reap",
        "cancel_tagged",
        "enqueue",
        "finish",
        "seal",
        "advance",
        "cancel_workflow",
    ):
        moves.add(("running", "running"))
    if script in ("replace", "move", "prioritize"):
        moves |= {("scheduled", "scheduled"), ("queued", "queued"), ("waiting", "waiting")}
    if script == "requeue":  # a job that is not final only takes the round over
        moves |= {(state.value, state.value) for state in State if state not in FINAL}
    return moves


class Auditor:
    """Compare each state with the one before it, and with all that was seen so far."""

    def __init__(self) -> None:
        self.damaged: set[str] = set()  # ids of which nothing is demanded any more
        self.fences: dict[str, set[str]] = defaultdict(set)  # of each job since it was stored
        self.begun: Counter[str] = Counter()  # runs that a slot began, since a job was requeued
        self.released: Counter[str] = Counter()  # runs that were given back uncounted
        self.forgotten: set[str] = set()  # workers that still have jobs which nobody renews
        self.unread: set[str] = set()  # workers of which a slot's entry was damaged
        self.stored = self.removed = 0

    def look(self, before: Snapshot, now: Snapshot, call: Call, reply: Any, clock: int) -> None:
        """Fail if a call did what no call may."""
        self._standing(now)
        self._held(now, call)
        self._keys(now)
        self._ended(now)
        old, new = set(before.records()), set(now.records())
        self.stored += len(new - old)
        self.removed += len(old - new)
        self._counted(now)
        changed = set[str]().union(*touched(before, now).values())
        for job_id in sorted(changed - self.damaged):
            self._change(job_id, before, now, call, clock)
        for job_id in old - new:
            for seen in (self.fences, self.begun, self.released):
                seen.pop(job_id, None)
        if call.script in ("claim", "finish") and "job" in reply:
            self._claimed(before, now, call, reply[reply.index("job") :])
        if call.script == "finish" and reply[0] in ("repeated", "stale"):  # a refused finish
            refused = {call.given["id"]} & changed - self.damaged
            assert all(
                one in reply or _is_promoted(one, before, now) or self._unheard(one, before, call)
                for one in refused
            )
        if call.script == "requeue" and reply and reply[0] in FINAL:
            self.begun.pop(call.given["id"], None)
            self.released.pop(call.given["id"], None)

    def begin(self, job_id: str, fence: str, before: Snapshot, now: Snapshot) -> None:
        """Note that a slot begins a run (5, 6, 14)."""
        if job_id in self.damaged:
            return
        old, new = before.fields(job_id), now.fields(job_id)
        assert old["state"] not in FINAL
        assert old.get("fence") != fence, "run by two"
        assert "fence" in old or not _is_over(old, int(new["attempted_at"])), "run too late"
        self.begun[job_id] += 1
        counted = int(new.get("attempts", 0)) + int(new.get("recoveries", 0))
        assert self.begun[job_id] <= 1 + counted + self.released[job_id]

    def _standing(self, now: Snapshot) -> None:
        """Each record stands in the index of its state, and in no other (1, 2, 3, 8)."""
        places = now.places()
        for job_id, fields in now.records().items():
            if job_id not in self.damaged:
                wanted = [(INDEX_OF[fields["state"]], fields["queue"])]
                assert places.pop(job_id, []) == wanted, job_id
                assert "payload" in fields or f"payload:{job_id}" in now.keys
                listed = job_id in now.keys.get(f"failed-of:{fields['task']}", {})
                assert listed == (fields["state"] == "failed")
        assert not set(places) - self.damaged, "an index leads to no record"
        self._tagged(now)
        self._locked(now)
        self._limited(now)
        assert {*now.named("failed-of")} == {*now.keys.get("failed-tasks", {})}

    def _tagged(self, now: Snapshot) -> None:
        """Each tag leads to the jobs that have it, and to no other."""
        wanted: dict[str, set[str]] = defaultdict(set)
        for job_id, fields in now.records().items():
            for tag in fields.get("tags", "").split():
                wanted[tag].add(job_id)
        for tag in {*wanted, *now.named("tag")}:
            found = {*now.keys.get(f"tag:{tag}", {})}
            assert not (found ^ wanted[tag]) - self.damaged, tag

    def _locked(self, now: Snapshot) -> None:
        """A lock names a job that may hold it, and no two open jobs share a key (16)."""
        for digest, lock in now.keys.get("unique", {}).items():
            holder, _, ends = lock.partition(" ")
            if holder in self.damaged:
                continue
            fields = now.fields(holder)
            own, until, *_ = fields["unique"].split(" ")
            assert own == digest
            assert ends or fields["state"] not in FINAL, "a lock outlives its job"
            assert ends or until == "done" or not fields.get("attempted_at"), "it has started"
        open_jobs: Counter[str] = Counter()
        for job_id, fields in now.records().items():
            is_known = job_id not in self.damaged and fields["state"] not in FINAL
            is_known = is_known and not fields.get("cancel")  # told to end
            if is_known and fields.get("unique", "").startswith("aa ") and "expires" not in fields:
                open_jobs["aa"] += 1
        assert open_jobs["aa"] <= 1 or self.damaged, "two open jobs share a key"
        for job_id, winner in now.named("duplicate").items():
            assert winner in self.damaged or job_id in now.keys[f"duplicates:{winner}"]
        for winner in now.named("duplicates"):
            assert winner in self.damaged or f"job:{winner}" in now.keys

    def _limited(self, now: Snapshot) -> None:
        """No more jobs of a key run than may, and who waits for one stands in its line (17)."""
        running: Counter[str] = Counter()
        for job_id, fields in now.records().items():
            if job_id in self.damaged:
                continue
            name = fields.get("parked", "")
            if fields["state"] == "waiting" and name:
                assert job_id in now.keys.get(f"parked:{name}", {}), "nobody admits it"
                assert name in now.keys.get("awaited", {}), "nobody looks at its key"
            if fields["state"] == "running":
                running.update(word for word in fields.get("limits", "").split() if word[0] == "=")
        assert running["=1w:one"] <= 1, "two hold the place of a key"

    def _held(self, now: Snapshot, call: Call) -> None:
        """A running job is named by its slot, or nobody would renew its lease."""
        running = {
            job_id: fields["worker"]
            for job_id, fields in now.records().items()
            if job_id not in self.damaged and fields["state"] == "running"
        }
        alone = {worker for job_id, worker in running.items() if not _names(now, worker, job_id)}
        self.forgotten &= alone
        if call.script == "forget_worker" and call.given["worker"]:
            self.forgotten |= alone
        # Without its entry a slot knows no late call: what that claims waits for the reaper.
        assert alone <= self.forgotten | self.unread, f"{call.script} left a job alone"

    def _keys(self, now: Snapshot) -> None:
        """Only counters and values expire (9); what is claimable is told; lists are bounded."""
        assert all(
            key.startswith(("minute:", "hour:", "cached:", "starts:")) for key in now.expiring
        )
        for queue, tokens in now.named("wake").items():
            assert len(tokens) == 1, queue
        work, due, names = (now.keys.get(key, {}) for key in ("work", "due", "names"))
        for queue, ids in now.named("queued").items():
            if set(ids) - self.damaged and not paused(now, queue) and not limited(now, queue):
                assert {f"wake:{queue}", "wake:*"} <= {*now.keys}, f"nobody wakes for {queue}"
                assert queue in work, f"{queue} is not offered to slots of all queues"
        for queue, ids in now.named("scheduled").items():
            if waits := [at for job_id, at in ids.items() if job_id not in self.damaged]:
                assert due[queue] <= min(waits), f"nobody looks when {queue} is due"
                if "epoch" in now.keys.get("meta", {}):
                    soonest = int(now.keys["meta"]["due"])
                    assert soonest <= min(waits), "no slot looks when it is due"
        for kind in INDEXES:
            assert {*now.named(kind)} <= {*names}, f"{kind}: nobody maintains a queue"
        assert {*work, *due} <= {*names}
        assert all(len(runs) <= 20 for runs in now.named("attempts").values())

    def _ended(self, now: Snapshot) -> None:
        """What is noted as ended is final: nobody is told of a job that runs again."""
        noted = now.keys.get("ended", {})
        for job_id in set(noted if isinstance(noted, dict) else ()) - self.damaged:
            assert now.fields(job_id).get("state") in FINAL, job_id

    def _counted(self, now: Snapshot) -> None:
        """Enqueued is what stands, and what was trimmed or deleted (12)."""
        if self.damaged:
            return
        minutes = now.named("minute").values()
        total = sum(
            int(n) for one in minutes for key, n in one.items() if key.startswith("enqueued:")
        )
        assert total == self.stored == len(now.records()) + self.removed

    def _change(self, job_id: str, before: Snapshot, now: Snapshot, call: Call, clock: int) -> None:
        """A job has changed: may this call do that to it (4, 5, 7, 14)?"""
        old, new = before.fields(job_id), now.fields(job_id)
        self._told(job_id, old, new, now, call)
        move = old.get("state"), new.get("state")
        assert move in _moves(call.script), f"{call.script} moved a job {move}"
        old_fence, fence = old.get("fence"), new.get("fence")
        is_told = new == old | {"cancel": new.get("cancel")}  # to end: whoever asks
        if move[0] == "running" and not is_told:
            assert self._may_end(job_id, before, call, clock), f"{call.script} took a run"
            ended = move[1] != "running" or fence != old_fence
            self.released[job_id] += ended and _counted(old) == _counted(new)
        if new and fence != old_fence:
            assert fence not in self.fences[job_id], "a fence came back"
            self.fences[job_id].add(str(fence))
            is_new = not str(fence).endswith("-")  # not that of a run that was taken back
            assert _number(fence) == _number(old_fence) + is_new

    def _told(
        self,
        job_id: str,
        old: dict[str, str],
        new: dict[str, str],
        now: Snapshot,
        call: Call,
    ) -> None:
        """A durable job that ends or goes is noted, unless its row is said to tell so (15)."""
        round, state = old.get("round"), new.get("state", "cancelled")
        if round is None or old.get("state") in FINAL or state not in FINAL:
            assert not new or int(new.get("round", 0)) >= int(round or 0), "a round went back"
            return
        is_own = call.script in ("finish", "settle") and call.given["id"] == job_id
        row = call.given["state" if call.script == "settle" else "settled"] if is_own else ""
        notes = now.keys.get("unsettled", {})
        noted = any(note.startswith(f"{job_id} {round} {state} ") for note in notes)
        assert noted or row == state, f"{call.script}: nobody hears of the end"

    def _may_end(self, job_id: str, before: Snapshot, call: Call, clock: int) -> bool:
        """Tell whether a call may change a running job: its slot, or who takes it back."""
        job, given = before.fields(job_id), call.given
        if call.script in ("requeue", "re_sign"):
            return True  # whoever asks; none takes the run away
        by_slot = call.script in ("claim", "finish", "release_slot")
        if by_slot and self._unheard(job_id, before, call):
            return True
        if call.script in ("finish", "progress", "log"):
            return bool((given["id"], given["fence"]) == (job_id, job["fence"]))
        if call.script == "renew":
            return _names(before, given["worker"], job_id)
        lease = before.keys[f"leases:{job['queue']}"][job_id]
        far = lease > clock + 2 * int(call.given.get("lease", 0))  # the clock went back
        return bool(call.script == "reap" and (lease <= clock or far))

    def _unheard(self, job_id: str, before: Snapshot, call: Call) -> bool:
        """Tell whether the slot has claimed since: so it does not know of that job."""
        slots = before.keys.get(f"slots:{call.given['worker']}", {})
        nonce, _, held = slots.get(call.given["slot"], "").partition(" ")
        own = held.endswith(f" {job_id} {before.fields(job_id)['fence']}")
        return bool(own and nonce < call.given["nonce"])

    def _claimed(self, before: Snapshot, now: Snapshot, call: Call, given: list[Any]) -> None:
        """What was claimed stood first in its queue, and nothing in the queues before it (13)."""
        _, job_id, queue, fence = given[:4]
        if job_id in self.damaged or before.fields(job_id).get("fence") == fence:
            return  # a repeated claim
        waiting = {one for ids in before.named("waiting").values() for one in ids}
        if any(now.fields(one).get("state") == "queued" for one in waiting):
            return  # it was admitted meanwhile, perhaps to a queue that had been tried
        score = float(now.fields(job_id)["score"])
        assert all(score <= left for left in now.keys.get(f"queued:{queue}", {}).values())
        earlier_names = call.rest[: call.rest.index(queue if queue in call.rest else "*")]
        for earlier in earlier_names:
            is_open = not paused(now, earlier) and not limited(now, earlier)
            assert not is_open or f"queued:{earlier}" not in now.keys
        if most := limited(now, queue):
            assert len(now.keys[f"leases:{queue}"]) <= most, "a queue runs more than it may"


def paused(seen: Snapshot, queue: str) -> bool:
    """Tell whether no job of a queue may be claimed."""
    return f"paused:{queue}" in seen.keys.get("meta", {})


def limited(seen: Snapshot, queue: str) -> int:
    """Return how many jobs of a queue may run at once; 0: any number."""
    words = seen.keys.get("meta", {}).get("limits", "").split()
    return int(dict(zip(words[::2], words[1::2], strict=True)).get(queue, 0))


def _names(seen: Snapshot, worker: str, job_id: str) -> bool:
    """Tell whether a slot of a worker has noted the latest run of a job."""
    run = f" {job_id} {seen.fields(job_id)['fence']}"
    return any(held.endswith(run) for held in seen.keys.get(f"slots:{worker}", {}).values())


def _is_promoted(job_id: str, before: Snapshot, now: Snapshot) -> bool:
    """Tell whether a job has become due, or was admitted: whoever claims may promote it."""
    states = [seen.fields(job_id).get("state") for seen in (before, now)]
    return states in (["scheduled", "queued"], ["waiting", "queued"])


def _is_over(fields: dict[str, str], clock: int) -> bool:
    """Tell whether a job was to be started before this time."""
    until = fields.get("expires", "")
    since = int(fields["enqueued_at"]) if until.startswith("+") else 0
    return bool(until) and since + int(until) <= clock


def _counted(fields: dict[str, str]) -> int:
    """Return how many runs of a job were counted, as attempts or as recoveries."""
    return int(fields.get("attempts", 0)) + int(fields.get("recoveries", 0))


def _number(fence: str | None) -> int:
    """Return which run of its job a fence names."""
    return int(fence.partition("-")[0]) if fence else 0
