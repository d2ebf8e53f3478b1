"""What scripts do to workflows, in plain Python; see workflows.lua and notes.lua."""

import re
from typing import Any

from .model_unique import UniqueMoves

FINAL = ("succeeded", "failed", "cancelled")
CALLBACKS = ("on_success", "on_failure", "on_done")
LOOK_AFTER, DAY = 60_000, 86_400_000  # ms
PARTS = ("", "-members", "-open", "-failed", "-steps", "-results", "-added")


class FlowMoves(UniqueMoves):
    """What all scripts do to members, and what follows from their ends."""

    def part(self, flow: str, name: str = "") -> dict[str, Any]:
        found: dict[str, Any] = self.keys.get(f"workflow{name}:{flow}", {})
        return found

    # Notes

    def note_flow(self, note: str) -> None:
        self.zadd("workflow-notes", note, self.now)

    def note_look(self, flow: str, at: int) -> None:
        self.zadd("workflows", flow, at)

    def note_member(self, job_id: str) -> None:
        flow = self.fields(job_id).get("flow", "")
        if re.fullmatch(r"\S+ \d+ \d+", flow):
            self.note_flow(f"end {flow} {job_id}")

    def note_again(self, job_id: str) -> None:
        flow = self.fields(job_id).get("flow", "")
        if re.fullmatch(r"\S+ \d+ \d+", flow):
            self.note_flow(f"again {flow} {job_id}")

    def note_step(self, kind: str, flow: str, step: int, extra: str) -> None:
        first, last = self.bounds(flow, step)
        if last >= first:
            self.note_flow(f"{kind} {flow} {step} {first} {extra}")

    def bounds(self, flow: str, step: int) -> tuple[int, int]:
        first, last = self.part(flow, "-steps").get(str(step), "1 0").split()
        return int(first), int(last)

    def before(self, kind: str, flow: str, step: int) -> int:
        """Return how many members that feed a step are open, or failed."""
        return sum(feeds == step for feeds in self.part(flow, f"-{kind}").values())

    # Members

    def release_member(self, job_id: str) -> None:
        job = self.fields(job_id)
        queue = job.get("queue")
        if not queue or "parked" in job:
            return
        if job.get("state") == "waiting":
            score = self.new_score(queue, job.get("priority"), job.get("fair", ""))
            self.to_queued(job_id, queue, score)
        self.drop(f"waiting:{queue}", job_id)

    def restage_member(self, job_id: str) -> None:
        job = dict(self.fields(job_id))
        reason, queue = job.get("reason", ""), str(job.get("queue"))
        is_stopped = reason == "not_called" or reason.startswith("parent:")
        if job.get("state") != "cancelled" or not is_stopped:
            return
        name, number, feeds = [*job["flow"].split(" "), ""][:3]
        if feeds:
            self.zadd(f"workflow-open:{name}", number, float(feeds))
            self.drop(f"workflow-failed:{name}", number)
            if feeds != "0" and not self.before("failed", name, int(feeds)):
                self.note_step("restage", name, int(feeds), "-")
        self.zadd(f"waiting:{queue}", job_id, self.new_plain_score(job.get("priority")))
        self.hset(f"job:{job_id}", state="waiting")
        self.drop(f"cancelled:{queue}", job_id)
        self.drop_ended(job_id)
        self.drop(f"job:{job_id}", "reason", "finished_at")

    def stop_member(self, job_id: str, reason: str) -> None:
        if self.fields(job_id).get("state") in ("waiting", "cancelled"):
            self.cancel_job(job_id, reason)

    def pass_on(self, job_id: str, signed: str, result: str) -> None:
        """Keep the result of a member for its children."""
        flow, number, feeds = [*self.fields(job_id).get("flow", "").split(" "), "", ""][:3]
        if feeds and signed and f"workflow:{flow}" in self.keys:
            self.hset(f"workflow-results:{flow}", **{number: f"{signed}.{result or 'null'}"})

    def drop_result(self, flow: str) -> None:
        name, number = flow.split(" ")[:2]
        if number.isdecimal():
            self.drop(f"workflow-results:{name}", number)

    def bar_of(self, job: dict[str, str]) -> str:
        """Return what keeps a final member, or a callback, from running again."""
        if "flow" not in job:
            return ""
        flow, number = job["flow"].split(" ")[:2]
        record, step = self.part(flow), int(job.get("step", 0))
        if record.get("state") == "staged" or "unsealed" in record:
            return "unsealed"
        if not number.isdecimal():
            return "open" if record.get("state") == "running" else ""
        if not step:
            return ""
        failed = [n for _, n in self.ordered(f"workflow-failed:{flow}")
                  if self.part(flow, "-failed")[n] == step]  # fmt: skip
        if failed and record.get("if_failed") != "continue":
            parent: str = self.part(flow, "-members")[failed[0]]
            stopped = re.fullmatch("parent:(.*)", self.fields(parent).get("reason", ""))
            return stopped[1] if stopped else parent
        return "open" if self.before("open", flow, step) else ""

    # What is noted

    def end_workflow(self, flow: str) -> None:
        record = self.part(flow)
        if record.get("state") != "running" or self.part(flow, "-open"):
            return
        ended = "succeeded"
        if self.part(flow, "-failed"):
            ended = "cancelled" if "cancel" in record else "failed"
        called = {"on_success": ended == "succeeded", "on_failure": ended == "failed"}
        for name in CALLBACKS:
            job_id = self.part(flow, "-members").get(name)
            if job_id and called.get(name, True):
                self.release_member(job_id)
            elif job_id:
                self.stop_member(job_id, "not_called")
        self.note_look(flow, self.now + int(record.get("keep", DAY)))
        self.hset(f"workflow:{flow}", state=ended, ended_at=self.now)

    def note_end(self, flow: str, number: str, feeds: int, job_id: str, *, stops: bool) -> None:
        job = self.fields(job_id)
        state = job.get("state")
        if state and state not in FINAL:
            return
        if not state and number in self.part(flow, "-results"):
            state = "succeeded"
        if state != "succeeded":
            self.zadd(f"workflow-failed:{flow}", number, feeds)
            self.drop_result(f"{flow} {number}")
        self.drop(f"workflow-open:{flow}", number)
        failed = self.before("failed", flow, feeds) if stops else 0
        if not feeds:
            return
        if failed == 1 and state != "succeeded":
            reason = job.get("reason", "")
            parent = reason if reason.startswith("parent:") else f"parent:{job_id}"
            self.note_step("stop", flow, feeds, parent)
        elif not failed and not self.before("open", flow, feeds):
            self.note_step("release", flow, feeds, "-")

    def reopen(self, flow: str, number: str, feeds: int, job_id: str) -> None:
        self.zadd(f"workflow-open:{flow}", number, feeds)
        self.drop(f"workflow-failed:{flow}", number)
        for name in CALLBACKS:
            if callback := self.part(flow, "-members").get(name):
                self.restage_member(callback)
        if feeds and not self.before("failed", flow, feeds):
            self.note_step("restage", flow, feeds, "-")
        self.note_look(flow, self.now + LOOK_AFTER)
        self.hset(f"workflow:{flow}", state="running")
        self.drop(f"workflow:{flow}", "ended_at", "cancel")
        if self.fields(job_id).get("state") in (None, *FINAL):
            self.note_flow(f"end {flow} {number} {feeds} {job_id}")

    def end_unsealed(self, flow: str) -> None:
        for name in CALLBACKS:
            if callback := self.part(flow, "-members").get(name):
                self.stop_member(callback, "not_called")
        self.note_look(flow, self.now + int(self.part(flow).get("keep", DAY)))
        self.hset(f"workflow:{flow}", state="cancelled", ended_at=self.now, unsealed=1)

    def move_member(self, kind: str, flow: str, number: int, job_id: str, extra: str) -> None:
        state = self.fields(job_id).get("state")
        if kind == "check":
            feeds = self.part(flow, "-open").get(str(number))
            if feeds is not None and state in (None, *FINAL):
                self.note_flow(f"end {flow} {number} {feeds:.0f} {job_id}")
        elif kind == "release" and state:
            self.release_member(job_id)
        elif kind == "restage" and state:
            self.restage_member(job_id)
        elif kind == "stop" and state:
            self.stop_member(job_id, extra)
        elif kind == "cancel" and state and (state == "cancelled" or state not in FINAL):
            self.cancel_job(job_id, extra)

    def follow_page(
        self, kind: str, flow: str, step: int, first: int, extra: str, room: int
    ) -> int:
        has_failed = self.before("failed", flow, step) > 0
        if (kind == "stop" and not has_failed) or (kind == "restage" and has_failed):
            return 1
        _, last = self.bounds(flow, step)
        if kind in ("cancel", "check"):
            last = int(self.part(flow)["total"])
        upto = min(last, first + room - 1)
        for number in range(first, upto + 1):
            job_id = self.part(flow, "-members").get(str(number), "-")
            self.move_member(kind, flow, number, job_id, extra)
        if upto < last:
            self.note_flow(f"{kind} {flow} {step} {upto + 1} {extra}")
        elif kind == "restage" and not self.before("open", flow, step):
            self.note_step("release", flow, step, "-")
        return max(1, upto + 1 - first)

    def follow_note(self, note: str, room: int) -> int:
        kind, flow, one, two, extra = note.split(" ")
        record, first, second = self.part(flow), int(one), int(two)
        state, cancel = record.get("state"), "cancel" in record
        if state == "staged" and not cancel:
            self.hset(f"workflow:{flow}", early=1)
        if not state or (state == "staged" and not cancel):
            return 1
        if state == "staged":
            self.end_unsealed(flow)
        moved = 1
        if kind == "end":
            stops = cancel or record["if_failed"] != "continue"
            self.note_end(flow, one, second, extra, stops=stops)
        elif kind == "again":
            self.reopen(flow, one, second, extra)
        else:
            moved = self.follow_page(kind, flow, first, second, extra, room)
        self.end_workflow(flow)
        return moved

    def follow_notes(self, limit: int) -> int:
        """Do what is noted, with at most so many members; return how many notes are left."""
        moved = 0
        for _ in range(limit):
            notes = self.ordered("workflow-notes")
            if not notes or moved >= limit:
                break
            moved += self.follow_note(notes[0][1], limit - moved)
            self.drop("workflow-notes", notes[0][1])
        return len(self.keys.get("workflow-notes", ()))

    # Whole workflows

    def cancel_flow(self, flow: str, reason: str) -> None:
        if self.part(flow).get("state") in ("running", "staged"):
            self.hset(f"workflow:{flow}", cancel=reason)
            self.note_flow(f"cancel {flow} 0 1 {reason}")

    def check_members(self, flow: str) -> None:
        assert len(self.part(flow, "-open")) < 100
        for feeds, number in self.ordered(f"workflow-open:{flow}"):
            job_id = self.part(flow, "-members").get(number, "-")
            job = self.fields(job_id)
            if job.get("state") in (None, *FINAL):
                self.note_flow(f"end {flow} {number} {feeds:.0f} {job_id}")
            elif "step" not in job:
                self.release_member(job_id)
        self.hset(f"workflow:{flow}", checked=0)
        self.note_look(flow, self.now + LOOK_AFTER)
        self.end_workflow(flow)

    def look_at_workflows(self) -> None:
        room = 100
        for flow in self.until("workflows", self.now)[:room]:
            if room <= 0:
                break
            state = self.part(flow).get("state")
            room -= 10 if state in ("staged", "running") else 1
            if state == "staged":
                self.cancel_flow(flow, "unsealed")
            elif state == "running":
                self.check_members(flow)
            elif "workflow-notes" not in self.keys:
                for name in PARTS:
                    self.keys.pop(f"workflow{name}:{flow}", None)
                self.drop("workflows", flow)
            else:
                self.note_look(flow, self.now + LOOK_AFTER)
