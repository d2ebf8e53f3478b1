"""Random workflows among random calls: staged, sealed, advanced, cancelled, with added members."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.support.flows import EVENTS, steps

from .machine import OUTCOMES, Machine, fair_keys
from .machine_limits import words
from .machine_schedules import DAY, HOUR, MINUTE, QUEUES, payload_of
from .world import SLOTS

# Per member its step, and the step that it feeds.
SHAPES: tuple[tuple[tuple[int, int], ...], ...] = (
    (),
    ((0, 1), (1, 0)),
    ((0, 1), (1, 2), (2, 0)),
    ((0, 1), (0, 1), (1, 0)),
    ((0, 0), (0, 1), (1, 2), (1, 2), (2, 0)),
)
MOST = 7  # members of one workflow
ENDED = ("succeeded", "failed", "cancelled")


class FlowMachine(Machine):
    """The same, and some jobs are members of workflows."""

    @rule(
        shape=st.sampled_from(SHAPES),
        events=st.lists(st.sampled_from(EVENTS), unique=True),
        queues=st.lists(st.sampled_from(QUEUES), min_size=2, max_size=2),
        if_failed=st.sampled_from(["stop", "stop", "continue"]),
        keep=st.sampled_from([1, DAY]),
        each=st.tuples(
            st.sampled_from(["", "", "t1"]),
            st.sampled_from(["", "", "", "+60000"]),
            fair_keys,
            st.just("") | st.just("") | words,
        ),
        calls=st.sampled_from([1, 1, 2]),
        whole=st.sampled_from([True, True, True, False]),
    )
    def start_workflow(
        self,
        shape: tuple[tuple[int, int], ...],
        events: list[str],
        queues: list[str],
        if_failed: str,
        keep: int,
        each: tuple[str, ...],
        calls: int,
        whole: bool,
    ) -> None:
        flow = f"flow{self.number('flow')}"
        places = [(f"{flow} {n} {feeds}", step) for n, (step, feeds) in enumerate(shape, 1)]
        places += [(f"{flow} {event}", 0) for event in events]
        jobs = [
            self.member(queues[at % 2], place, step, each)
            for at, (place, step) in enumerate(places)
        ]
        given: dict[str, Any] = {"workflow": flow, "total": len(shape), "if_failed": if_failed}
        given |= {"keep": keep, "output": "1" if shape else ""}
        cut = len(jobs) // calls
        self.stage(jobs[:cut] if cut else jobs, steps=steps(shape), **given)
        if whole and cut:
            self.stage(jobs[cut:], steps="", **given | {"output": ""})
        if whole:
            self.ask("seal", workflow=flow)

    @rule(outcomes=st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=4))
    @precondition(lambda self: len(self.runs) < len(SLOTS))
    def work(self, outcomes: list[str]) -> None:
        """A slot runs some jobs to their ends, or fails to."""
        number = next(n for n in range(len(SLOTS)) if n not in self.runs)
        done = {
            "delay": 0,
            "result": '"done"',
            "reason": "",
            "cached": "",
            "keep": "",
            "settled": "",
        }
        for outcome in outcomes:
            if number not in self.runs:
                self.claim(number, ("*",), lost=False)
            if number in self.runs:
                self.finish(number, (), lost=False, outcome=outcome, untold=0, **done)

    work_too = work

    @rule(data=st.data(), what=st.sampled_from(["requeue", "requeue", "requeue", "cancel"]))
    @precondition(lambda self: self.members())
    def operate_member(self, data: st.DataObject, what: str) -> None:
        job_id = data.draw(st.sampled_from(self.members()))
        if what == "requeue":
            self.ask(what, id=job_id, nonce=f"nonce-{self.number('nonce')}", round="")
        else:
            self.ask(what, id=job_id, reason="by_hand")

    def members(self) -> list[str]:
        """Return the ids of members, and of callbacks, that have ended; else of all."""
        found = {one: job for one, job in self.seen.records().items() if "flow" in job}
        ended = [one for one, job in found.items() if job["state"] in ENDED]
        return sorted(ended or found)

    def stage(self, jobs: Sequence[tuple[Any, ...]], **given: Any) -> None:
        self.ask("stage", tuple(word for job in jobs for word in job), **given)

    def member(self, queue: str, place: str, step: int, each: tuple[str, ...]) -> tuple[Any, ...]:
        """Return the words of a new job."""
        tags, expires, fair, limits = each
        fields: list[Any] = ["tags", tags] if tags else []
        fields += ["expires", expires] if expires else []
        fields += ["step", step] if step else []
        fields += ["flow", place]
        fields += ["fair", fair] if fair else []
        fields += ["limits", limits] if limits else []
        job_id = self.new_id()
        return (job_id, queue, "a.b", 0, "", payload_of(job_id), len(fields), *fields)

    def flow(self, data: st.DataObject) -> str:
        """Return a workflow, or one that is unknown."""
        return data.draw(st.sampled_from([*sorted(self.seen.named("workflow")), "unknown"]))

    @rule(data=st.data(), what=st.sampled_from(["seal", "cancel_workflow"]))
    @precondition(lambda self: self.seen.named("workflow"))
    def steer(self, data: st.DataObject, what: str) -> None:
        given = {"reason": "by_hand"} if what == "cancel_workflow" else {}
        self.ask(what, workflow=self.flow(data), **given)

    @rule(limit=st.sampled_from([1, 3, 500]), later=st.sampled_from([0, 0, MINUTE, HOUR, DAY]))
    @precondition(lambda self: self.seen.named("workflow"))
    def advance(self, limit: int, later: int) -> None:
        self.move_clock(later)
        self.ask("advance", limit=limit)

    @rule(
        names=st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, max_size=2, unique=True),
        queue=st.sampled_from(QUEUES),
        limits=st.just("") | words,
    )
    @precondition(lambda self: self.adders())
    def add_members(self, names: list[str], queue: str, limits: str) -> None:
        """A member that runs adds others, perhaps those that it has added before."""
        job_id, fence, (flow, number, feeds) = self.adders()[0]
        given = {"workflow": flow, "id": job_id, "fence": fence, "group": number, "feeds": feeds}
        jobs = [
            self.member(queue, f"{flow} {name} {feeds}", 0, ("", "", "", limits)) for name in names
        ]
        words = tuple(word for job in jobs for word in job)
        self.ask("add_members", words, most=MOST, **given)

    def adders(self) -> list[tuple[str, str, list[str]]]:
        """Return the members that slots believe to run: id, fence and place."""
        found = [
            (*run, self.seen.fields(run[0]).get("flow", "").split()) for run in self.runs.values()
        ]
        return [one for one in found if len(one[2]) == 3]

    def is_idle(self) -> bool:
        has_notes = "workflow-notes" in self.seen.keys
        return super().is_idle() and not has_notes and not self.open_workflows()

    def maintain(self) -> None:
        super().maintain()
        self.ask("advance", limit=500)

    def open_workflows(self) -> list[str]:
        records = self.seen.named("workflow").items()
        return [flow for flow, record in records if record["state"] not in ENDED]

    def drain(self) -> None:
        super().drain()
        assert not self.open_workflows(), "a workflow does not end"
        assert "workflow-notes" not in self.seen.keys
