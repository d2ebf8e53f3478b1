"""The scripts of workflows in plain Python."""

from collections.abc import Iterator, Sequence
from typing import Any

from .model import Refused
from .model_schedules import ScheduleModel

SEAL_WITHIN = 3_600_000  # ms


def jobs_of(words: Sequence[Any]) -> Iterator[tuple[list[Any], dict[str, Any]]]:
    """Yield the first words of each job, and its fields."""
    left = list(words)
    while left:
        more = left[6]
        yield left[:6], dict(zip(left[7 : 7 + more : 2], left[8 : 7 + more : 2], strict=True))
        left = left[7 + more :]


class WholeModel(ScheduleModel):
    """All scripts."""

    def need_room(self, *, lifted: bool = False) -> None:
        if self.full and not lifted:
            raise Refused("maxmemory")

    def stage(
        self,
        jobs: Sequence[Any] = (),
        *,
        workflow: str,
        total: int,
        if_failed: str,
        keep: int,
        steps: str,
        output: str,
    ) -> str:
        key = f"workflow:{workflow}"
        state: str | None = self.part(workflow).get("state")
        if state not in (None, "staged"):
            return str(state)
        if jobs or output or steps or not state:
            self.need_room()
        if not state:
            self.note_look(workflow, self.now + SEAL_WITHIN)
            fields = {"total": total, "if_failed": if_failed, "keep": keep}
            self.hset(key, state="staged", created_at=self.now, **fields)
        if output:
            self.hset(key, output=output)
        words = steps.split()
        for step, first, last in zip(words[::3], words[1::3], words[2::3], strict=True):
            self.hset(f"workflow-steps:{workflow}", **{step: f"{first} {last}"})
        for job, fields in jobs_of(jobs):
            number, feeds = [*str(fields["flow"]).split(" "), ""][1:3]
            self.hset(f"workflow-members:{workflow}", **{number: job[0]})
            if feeds:
                self.zadd(f"workflow-open:{workflow}", number, float(feeds))
            self.stage_job(job, fields)
        return "staged"

    def stage_job(self, job: list[Any], fields: dict[str, Any]) -> None:
        job_id, queue, task, priority, _, payload = job
        state = self.fields(job_id).get("state")
        for tag in str(fields.get("tags", "")).split():
            self.zadd(f"tag:{tag}", job_id, self.now)
        if not state:
            self.store_record(job_id, "waiting", queue, task, payload, fields)
        waits = job_id in self.keys.get(f"waiting:{queue}", {})
        if state and (state != "waiting" or waits):
            return
        self.zadd("names", queue, 0)
        self.zadd(f"waiting:{queue}", job_id, self.new_plain_score(str(priority)))
        if not state:
            self.count("enqueued", queue)

    def add_members(
        self,
        jobs: Sequence[Any],
        *,
        workflow: str,
        id: str,
        fence: str,
        group: int,
        feeds: int,
        most: int,
    ) -> str:
        run, record = self.fields(id), self.part(workflow)
        if run.get("state") != "running" or run.get("fence") != fence:
            return "stale"
        if record.get("state") != "running" or "cancel" in record or "cancel" in run:
            return "ended"
        members = self.part(workflow, "-members")
        names = [str(fields["flow"]).split(" ")[1] for _, fields in jobs_of(jobs)]
        unknown = [name for name in names if name not in members]
        if int(record["total"]) + len(unknown) > most:
            return "full"
        lifted = False
        for job, fields in jobs_of(jobs):
            lifted |= self.add_member(workflow, group, feeds, job, fields, lifted=lifted)
        return "ok"

    def add_member(
        self,
        flow: str,
        group: int,
        feeds: int,
        job: list[Any],
        fields: dict[str, Any],
        *,
        lifted: bool,
    ) -> bool:
        """Add a member once; return whether something was written."""
        name = str(fields["flow"]).split(" ")[1]
        members = self.part(flow, "-members")
        number = members.get(name)
        known = members.get(str(number), "")
        if number and number not in self.part(flow, "-open"):
            return False
        if self.fields(known).get("state"):
            if self.fields(known)["state"] == "waiting" and "parked" not in self.fields(known):
                self.need_room(lifted=lifted)
            self.release_member(known)
            return "parked" not in self.fields(known)
        self.need_room(lifted=lifted)
        if not number:
            number = str(int(self.part(flow)["total"]) + 1)
            assert number not in members
            self.zadd(f"workflow-open:{flow}", number, feeds)
            added = self.keys.setdefault(f"workflow-added:{flow}", [])
            added.append(f"{group} {number} {name}")
            self.hset(f"workflow-results:{flow}", added=1)
        self.hset(f"workflow-members:{flow}", **{number: job[0], name: number})
        total = max(int(self.part(flow)["total"]), int(number))
        self.hset(f"workflow:{flow}", total=total)
        self.stage_job(job, fields | {"flow": f"{flow} {number} {feeds}"})
        self.release_member(job[0])
        return True

    def seal(self, *, workflow: str) -> list[Any]:
        record = self.part(workflow)
        if "state" not in record:
            return []
        missing = int(record["total"]) - len(self.part(workflow, "-open"))
        ends = record["state"] == "staged" and "cancel" in record
        opens = record["state"] == "staged" and not ends
        if opens and missing > 0:
            return ["staged", missing, 0]
        if opens:
            self.note_flow(f"release {workflow} 0 1 -")
            if "early" in record:
                self.note_flow(f"check {workflow} 0 1 -")
            self.hset(f"workflow:{workflow}", state="running")
            self.note_look(workflow, self.now + 60_000)
        left = self.follow_notes(500)
        return ["cancelled" if ends else self.part(workflow)["state"], 0, left]

    def advance(self, *, limit: int) -> int:
        self.look_at_workflows()
        left = self.follow_notes(limit)
        return left + len(self.until("workflows", self.now))

    def cancel_workflow(self, *, workflow: str, reason: str) -> list[Any]:
        if "state" not in self.part(workflow):
            return []
        self.cancel_flow(workflow, reason)
        left = self.follow_notes(500)
        return [self.part(workflow)["state"], left]
