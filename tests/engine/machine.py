"""Random calls of all scripts: what callers, operators, slots, workers and time bring about.

Each call may be repeated, at once or late, and the server disturbed without a loss of data.
"""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from django_jobqueue.jobs.states import FINAL

from .invariants import paused
from .machine_limits import LimitRules, words
from .machine_schedules import DAY, HOUR, MINUTE, QUEUES, payload_of
from .model_scripts import Call
from .snapshot import touched
from .world import LEASE, SLOTS, START

INTERVAL, GRACE = 5_000, 12_000  # ms, of the reaper
JUMPS = (1, 999, INTERVAL, 3 * INTERVAL + 1, LEASE + 1, HOUR, 15 * DAY, -1, -LEASE, -HOUR)
SLOTS_OWN = (
    "claim",
    "finish",
    "log",
    "progress",
    "release_slot",
    "renew",
)  # calls that name a slot or a fence
OUTCOMES = ("succeeded", "succeeded", "failed", "cancelled", "retried", "released")

orders = st.sampled_from([("a",), ("b",), ("a", "b"), ("c", "b", "a"), ("*",), ("*",), ("b", "*")])
limits = st.sampled_from([1, 2, 500, 500])
slots = st.integers(0, len(SLOTS) - 1)
# Until when a unique job holds its lock; a key of its own for each, and one for several of them.
KINDS = ("done", "start", "+60000", "newest,5000,60000", f"{START + 120_000}")
TOLD = ("", "", " told", " kept")
KEYS = [f"{key} {until}" for key, until in zip(("aa", "ab", "ac", "ad", "ae"), KINDS, strict=True)]
uniques = st.sampled_from(["", ""]) | st.builds(
    str.__add__,
    st.sampled_from([*KEYS, *KEYS, *(f"ff {until}" for until in KINDS)]),
    st.sampled_from(TOLD),
)
fair_keys = st.sampled_from(["", "", "", "f1", "f2"])
# Where a run's result is kept: seconds so many that no test lasts as long.
values = st.sampled_from(["", "", "d1 0", "d1 99999", "d2 0"])


class Machine(LimitRules):
    """Random calls of all scripts."""

    # Callers and operators

    @initialize(queues=st.lists(st.sampled_from(QUEUES), min_size=2, max_size=5))
    def some_jobs(self, queues: list[str]) -> None:
        for queue in queues:
            self.enqueue([(queue, 0, "", 1, len(queues) % 2, "", "", "", "", "")], known=False)

    @rule(
        jobs=st.lists(
            st.tuples(
                st.sampled_from(QUEUES),
                st.sampled_from([0, 0, 0, -100, 1, 100]),
                st.sampled_from(["", "", "", "+0", "+5000", "+3600000", "past", "soon"]),
                st.sampled_from([2, 2, 0, 1]),  # max_recoveries
                st.sampled_from([0, 0, 1]),  # round
                st.sampled_from(["", "", "t1", "t1 t2"]),  # tags
                st.sampled_from(["", "", "", "+1", "+3600000", "now", "soon"]),  # expires
                uniques,
                fair_keys,
                st.just("") | words,
            ),
            min_size=1,
            max_size=3,
        ),
        known=st.booleans(),
    )
    def enqueue(
        self, jobs: list[tuple[str, int, str, int, int, str, str, str, str, str]], known: bool
    ) -> None:
        words: list[Any] = []
        for queue, priority, due, recoveries, round, tags, expires, unique, fair, limits in jobs:
            moments = {"now": str(self.model.now), "soon": str(self.model.now + MINUTE)}
            until = moments.get(expires, expires)
            fields: list[Any] = ["unique", unique] if unique else []
            fields += ["tags", tags] if tags else []
            fields += ["max_recoveries", recoveries] if recoveries != 2 else []
            fields += ["round", round] if round else []
            fields += ["priority", priority] if priority else []
            fields += ["expires", until] if until else []
            fields += ["fair", fair] if fair else []
            fields += ["limits", limits] if limits else []
            at = {"past": str(START), "soon": str(self.model.now + 2 * MINUTE)}.get(due, due)
            job_id = self.new_id()
            words += [job_id, queue, "a.b", priority, at, payload_of(job_id), len(fields)]
            words += fields
        if known and (ids := sorted(self.seen.records())):
            words[0] = ids[0]
        self.ask("enqueue", tuple(words))

    @rule(
        data=st.data(),
        number=st.sampled_from([1, 2, 3, 1000]),
        told=st.booleans(),
        expires=st.sampled_from(["", "", "+5000", str(START)]),
        long=st.booleans(),
    )
    def replace(
        self, data: st.DataObject, number: int, told: bool, expires: str, long: bool
    ) -> None:
        """A later call takes the place of a job, which may wait no more."""
        held = [lock.split()[0] for lock in self.seen.keys.get("unique", {}).values()]
        job_id = data.draw(st.sampled_from(sorted(held) or [self.new_id()]))
        found = self.seen.fields(job_id).get("unique", "")
        unique = found if "newest" in found else "ad newest,5000,60000"
        payload = "again " * (20 if long else 1) + str(number)
        given = {"number": number, "expires": expires, "payload": payload}
        caller = self.new_id() if told else ""
        self.ask("replace", id=job_id, unique=unique, caller=caller, **given)

    @rule(
        digest=st.sampled_from(["d1", "d2"]),
        queue=st.sampled_from(QUEUES),
        due=st.sampled_from(["", "", "+5000"]),
        keep=st.sampled_from([0, 99_999]),
        looked=st.sampled_from(["now", "now", "before"]),
    )
    def refresh(self, digest: str, queue: str, due: str, keep: int, looked: str) -> None:
        """A reader finds a value stale, and may be slow to ask for a new one."""
        seen = self.ask("get_cached", digest=digest)[3] if looked == "now" else ""
        job_id = self.new_id()
        job = (job_id, queue, "a.b", 0, due, payload_of(job_id), 0)
        self.ask("refresh_cached", job, digest=digest, seen=seen, keep=keep)

    @rule(data=st.data(), what=st.sampled_from(["cancel", "requeue", "delete", "get_job"]))
    def operate(self, data: st.DataObject, what: str) -> None:
        given: dict[str, Any] = {"reason": "by_hand"} if what == "cancel" else {}
        job_id = self.pick(data)
        if what == "requeue":
            known = int(self.seen.fields(job_id).get("round", 0))
            wanted = data.draw(st.sampled_from(["", known, known + 1] if known else [""]))
            given |= {"nonce": f"nonce-{self.number('nonce')}", "round": wanted}
        self.ask(what, id=job_id, **given)

    @rule(
        data=st.data(), queue=st.sampled_from(QUEUES), priority=st.sampled_from(["same", 0, 1, -1])
    )
    def edit_place(self, data: st.DataObject, queue: str, priority: int | str) -> None:
        """Move a job to a queue, or give it a priority."""
        job_id = self.pick(data)
        if priority == "same":
            self.ask("move", id=job_id, queue=queue)
        else:
            self.ask("prioritize", id=job_id, priority=priority)

    @rule(
        tag=st.sampled_from(["t1", "t2", "t3"]),
        before=st.sampled_from(["", "", 0, 1]),
        limit=st.sampled_from([1, 500]),
    )
    def cancel_tagged(self, tag: str, before: int | str, limit: int) -> None:
        self.ask("cancel_tagged", tag=tag, before=before, limit=limit, reason="by_hand")

    operate_too = operate  # operators see many states

    @rule(
        data=st.data(),
        state=st.sampled_from(sorted(FINAL)),
        result=st.sampled_from(["", '"row"']),
        later=st.sampled_from([0, 0, 1]),
    )
    def row_decides(self, data: st.DataObject, state: str, result: str, later: int) -> None:
        """The row of a job is final already, in this round or in a later one."""
        job_id = self.pick(data)
        round = int(self.seen.fields(job_id).get("round", 1)) + later
        self.ask("settle", id=job_id, round=round, state=state, result=result, reason="by_row")

    @rule(most=st.sampled_from([1, 100]))
    @precondition(lambda self: self.seen.keys.get("unsettled"))
    def rows_are_written(self, most: int) -> None:
        """Some worker writes what is noted to the rows, and drops the notes."""
        notes = self.seen.keys["unsettled"]
        self.put("unsettled", dict(sorted(notes.items())[most:]))

    # Slots and their workers

    @rule(number=slots, queues=orders, lost=st.booleans())
    @precondition(lambda self: len(self.runs) < len(SLOTS))
    def claim(self, number: int, queues: tuple[str, ...], lost: bool) -> None:
        number = next(n for n in (number, *range(len(SLOTS))) if n not in self.runs)
        before = self.seen
        reply = self.ask("claim", queues, **self.slot(number))
        self.begin(number, self.arrived(lost, reply), before)

    @rule(number=slots, queue=st.sampled_from([*QUEUES, "*"]))
    def wake_up(self, number: int, queue: str) -> None:
        """An idle slot pops a token and claims."""
        if not self.model.attached(self.epoch):
            self.attach()  # not between the two: the token would be lost, which may cost 5 s
        tokens = self.model.keys.get(f"wake:{queue}")
        if tokens and number not in self.runs:
            self.put(f"wake:{queue}", tokens[1:])
            self.claim(number, (queue,), lost=False)

    @rule(
        number=slots,
        outcome=st.sampled_from(OUTCOMES),
        delay=st.sampled_from([0, MINUTE]),
        result=st.sampled_from(["", '"done"']),
        reason=st.sampled_from(["", "code"]),
        cached=values,
        keep=st.sampled_from(["", "", 10_000]),
        untold=st.sampled_from([0, 0, 1]),
        settled=st.sampled_from(["", "succeeded", "failed", "cancelled", "stale"]),
        queues=orders | st.just(()),
        lost=st.booleans(),
    )
    @precondition(lambda self: self.runs)
    def finish(self, number: int, queues: tuple[str, ...], lost: bool, **end: Any) -> None:
        number = number if number in self.runs else min(self.runs)
        job_id, fence = self.runs[number]
        error = "builtins.OSError\nTraceback" if end["outcome"] == "retried" else "-"
        before, slot = self.seen, self.slot(number)
        end["signed"] = "1.signature" if "flow" in self.seen.fields(job_id) else ""
        reply = self.ask("finish", queues, id=job_id, fence=fence, error=error, **end, **slot)
        again = self.arrived(lost, reply)
        known = "repeated" if reply[0] in ("ok", "cancelled") else reply[0]
        assert again[0] == known or not lost
        self.begin(number, again, before)

    finish_too = finish  # what slots do most

    @rule(number=slots)
    @precondition(lambda self: self.runs)
    def report(self, number: int) -> None:
        job_id, fence = self.runs.get(number) or self.runs[min(self.runs)]
        line = {"nonce": f"nonce-{self.number('nonce')}", "text": f"line {self.number('text')}"}
        self.ask("log", id=job_id, fence=fence, most=3, **line)
        self.ask("progress", id=job_id, fence=fence, progress=f"1 2 {self.number('text')}")

    @rule(worker=st.sampled_from(["w1", "w2"]), ends=st.sampled_from([False] * 5 + [True]))
    @precondition(lambda self: self.runs)
    def renew(self, worker: str, ends: bool) -> None:
        self.ask("renew", ("pid", "1"), worker=worker, lease=LEASE)
        if ends:
            self.ask("forget_worker", worker=worker, unseen=600_000)
            self.runs = {n: run for n, run in self.runs.items() if SLOTS[n][0] != worker}

    @rule(number=slots, lost=st.integers(0, 1), told=st.booleans())
    @precondition(lambda self: self.runs)
    def process_dies(self, number: int, lost: int, told: bool) -> None:
        """Its supervisor gives back what it ran, unless that died too."""
        self.runs.pop(number, None)
        if told:
            slot = self.slot(number)
            del slot["lease"]
            self.ask("release_slot", lost=lost, reason="killed", **slot)

    @rule(number=slots, queues=orders, told=st.booleans(), quick=st.booleans())
    @precondition(lambda self: len(self.runs) < len(SLOTS))
    def dies_while_it_claims(
        self, number: int, queues: tuple[str, ...], told: bool, quick: bool
    ) -> None:
        """The claim arrives after the process' end, maybe after its successor's first."""
        number = next(n for n in (number, *range(len(SLOTS))) if n not in self.runs)
        under_way = self.slot(number)
        if told:
            self.process_dies(number, lost=1, told=True)
        if quick:
            self.claim(number, queues, lost=False)
        self.ask("claim", queues, **under_way)

    @rule(what=st.sampled_from(["finish", "report", "renew", "die"]))
    @precondition(lambda self: self.outrun())
    def comes_late(self, what: str) -> None:
        """A slot whose run was taken back, and maybe given to another, goes on."""
        number = self.outrun()[0]
        if what == "finish":
            done = {"outcome": "succeeded", "delay": 0, "result": '"late"', "reason": "late"}
            done |= {"cached": "d1 0", "keep": "", "settled": ""}
            self.finish(number, queues=(), lost=False, untold=1, **done)
        elif what == "report":
            self.report(number)
        elif what == "renew":
            self.renew(SLOTS[number][0], ends=False)
        else:
            self.process_dies(number, lost=1, told=True)

    def outrun(self) -> list[int]:
        """Return the slots whose run does not hold its lease, first those with a successor."""
        records = {number: self.seen.fields(job_id) for number, (job_id, _) in self.runs.items()}
        taken = [n for n, job in records.items() if job.get("fence") != self.runs[n][1]]
        return taken + [n for n, job in records.items() if job.get("state") != "running"]

    # What time brings about

    @rule(
        first=st.sampled_from(["", "", "b"]),
        limit=limits,
        watched=st.sampled_from([False, False, True]),
        later=st.sampled_from([0, INTERVAL, LEASE - 1, LEASE, LEASE, LEASE, -LEASE, -HOUR]),
    )
    @precondition(lambda self: self.seen.named("leases"))
    def reap(self, first: str, limit: int, watched: bool, later: int) -> None:
        self.move_clock(later)
        interval = INTERVAL if watched else 10**12
        self.ask("reap", first=first, limit=limit, interval=interval, grace=GRACE, lease=LEASE)

    @rule(limit=limits, later=st.sampled_from([0, MINUTE, HOUR]))
    @precondition(lambda self: self.seen.named("scheduled"))
    def promote(self, limit: int, later: int) -> None:
        self.move_clock(later)
        self.ask("promote", limit=limit)

    @rule(
        keep=st.sampled_from([0, 10_000, MINUTE, DAY]),
        most=st.sampled_from([0, 1, 10_000]),
        limit=limits,
        first=st.sampled_from(["", "", "b"]),
        later=st.sampled_from([0, 59_999, MINUTE, DAY]),
    )
    @precondition(lambda self: "names" in self.seen.keys)
    def trim(self, later: int, keep: int, most: int, **given: Any) -> None:
        self.move_clock(later)
        words = [word for state in sorted(FINAL) for word in (state, keep, most)]
        self.ask("trim", tuple(words), interval=0, **given)

    @rule(limit=st.sampled_from([1, 2, 100]))
    @precondition(lambda self: "ended" in self.seen.keys)
    def tell(self, limit: int) -> None:
        self.ask("pop_ended", limit=limit)

    @rule(interval=st.sampled_from([0, MINUTE]))
    @precondition(lambda self: "names" in self.seen.keys)
    def sum(self, interval: int) -> None:
        self.ask("sum", interval=interval)

    @rule(ms=st.sampled_from(JUMPS))
    def time_passes(self, ms: int) -> None:
        self.move_clock(ms)

    # Faults

    @rule()
    @precondition(lambda self: self.fresh)
    def last_call_again(self) -> None:
        """Its reply was lost: the same call again changes nothing more."""
        call, before = self.past[-1], self.seen
        reply = self.send(call)
        bounded = call.given.get("limit", 500) < 500 or reply == ["more"]
        bounded = bounded or "rates" in before.keys  # admits one after the other
        bounded = bounded or "workflow-notes" in before.keys  # follows so many
        refused = isinstance(reply, list) and reply[:1] == ["error"]
        counted = [key for key in touched(before, self.seen) if key.startswith("minute:")]
        stale = {"totals", *(counted if isinstance(reply, list) and reply[:1] == ["stale"] else ())}
        changed = set(touched(before, self.seen))
        if call.script == "reap":  # adds further minutes to their hours
            changed = {key for key in changed - {"meta"} if not key.startswith("hour:")}
        if call.script == "enqueue" and "newest" in str(call.rest):
            changed.discard("sequence")  # each call gets a number of its own
        assert bounded or refused or changed <= stale, (call, changed - stale)

    @rule(data=st.data())
    @precondition(lambda self: len(self.past) > 1)
    def old_call_arrives(self, data: st.DataObject) -> None:
        """A call from a connection given up long ago; nobody reads the reply."""
        slots_own = [call for call in self.past if call.script in SLOTS_OWN]
        calls = data.draw(st.sampled_from([list(self.past), slots_own or list(self.past)]))
        self.send(data.draw(st.sampled_from(calls)))

    @rule(
        what=st.sampled_from(["scripts", "memory", "rename", "pause", "park", "forget"]),
        queue=st.sampled_from(["b", "c"]),  # work goes on in "a"
        how=st.sampled_from(["adopt", "rotate"]),
    )
    def disturb(self, what: str, queue: str, how: str) -> None:
        """Do one of what is seldom done."""
        if what == "scripts":
            self.client.script_flush()
        elif what == "memory":
            self.memory(full=not self.model.full)
            self.fresh = False
        elif what == "rename":
            self.rename(how)
        elif what == "pause":
            if paused(self.seen, queue):
                self.ask("resume", queue=queue)
            else:
                self.ask("pause", queue=queue, by="somebody")
        elif what == "park":
            self.park(queue)
        else:  # workers that were killed with their supervisors are not seen any more
            self.move_clock(600_000)
            self.ask("forget_worker", worker="", unseen=600_000)

    def rename(self, how: str) -> None:
        """Give the keys another name or owner, so that all processes must attach anew."""
        given = {"schema": "1.0", "new_epoch": self.new_epoch()}
        former, self.owners = self.owners[0], (f"owner-{self.number('owner')}",)
        if how == "adopt":
            self.send(Call("adopt", given | {"owner": self.owners[0]}))
        else:  # the project's key is rotated
            self.owners += (former,)
            self.attach()

    def park(self, queue: str) -> None:
        """The next job of a queue waits for nothing that is noted."""
        ids = self.seen.keys.get(f"queued:{queue}", {})
        members = {job_id for job_id in ids if "flow" in self.seen.fields(job_id)}
        if found := sorted(set(ids) - self.auditor.damaged - members):
            job_id = found[0]
            waiting = self.model.keys.get(f"waiting:{queue}", {})
            self.put(f"queued:{queue}", {k: v for k, v in ids.items() if k != job_id})
            self.put(f"waiting:{queue}", waiting | {job_id: ids[job_id]})
            fields = self.model.fields(job_id) | {"state": "waiting"}
            fields.pop("parked", None)
            self.put(f"job:{job_id}", fields)

    # In the end

    def teardown(self) -> None:
        try:
            if not self.broken:
                self.memory(full=False)
                self.drain()
        finally:
            self.client.config_set("maxmemory", 0)
            self.client.flushall()

    def drain(self) -> None:
        """With one worker that lives, each job ends."""
        for queue in sorted(self.seen.keys.get("names", ())):
            self.ask("resume", queue=queue)
        for ids in self.seen.named("waiting").values():
            for job_id in ids:
                if not self.seen.fields(job_id).keys() & {"parked", "flow"}:
                    self.ask("cancel", id=job_id, reason="by_hand")
        self.move_clock(30 * DAY)
        self.reap("", 500, watched=False, later=0)
        self.runs.clear()
        done = {"outcome": "succeeded", "result": "", "reason": "", "error": "-", "delay": 0}
        done |= {"cached": "", "keep": "", "untold": 0, "settled": "succeeded"}
        for _ in range(100):
            self.take("claim", {})
            while 0 in self.runs:
                job_id, fence = self.runs[0]
                self.take("finish", {"id": job_id, "fence": fence, "signed": "", **done})
            if self.is_idle():
                break
            self.maintain()
        left = {
            job_id: fields["state"]
            for job_id, fields in self.seen.records().items()
            if job_id not in self.auditor.damaged and fields["state"] not in FINAL
        }
        assert not left, left

    def is_idle(self) -> bool:
        # The lease of a damaged job, which a claim has found, counts in the limit of its queue.
        return "awaited" not in self.seen.keys and not self.seen.named("leases")

    def maintain(self) -> None:
        self.reap("", 500, watched=False, later=MINUTE)
        self.ask("admit", limit=100)

    def take(self, script: str, given: dict[str, Any]) -> None:
        """Let the first slot claim until it has a job or there is none."""
        before = self.seen
        reply = self.ask(script, ("*",), **given, **self.slot(0))
        self.begin(0, reply, before)
        while "more" in reply:
            before = self.seen
            reply = self.ask("claim", ("*",), **self.slot(0))
            self.begin(0, reply, before)
