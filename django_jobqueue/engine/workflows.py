"""Write and read the workflows of one alias: staged, sealed, advanced, cancelled.

A member that ends is noted by the script that ends it; what follows from that is done by the same
script, as far as it goes, and by `advance`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from redis.client import Pipeline

from django_jobqueue.engine.client import Client
from django_jobqueue.engine.jobs import CHUNK, new_jobs_words
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import STATE_OF, State
from django_jobqueue.jobs.text import ms, number, text

MOVED = 500  # members that one call moves at most
STAGED = "staged"  # the state of a workflow before it is sealed
PAGE = 500  # members that are read in one call
WORKFLOW = ("state", "total", "if_failed", "created_at", "ended_at", "cancel")


class WorkflowRefused(JobQueueError):
    """A workflow was not stored whole, and none of it will run."""


@dataclass(frozen=True, slots=True)
class WorkflowRecord:
    """A workflow as it was when it was read. Times are ms since the epoch."""

    id: str
    state: str  # staged, running, succeeded, failed or cancelled
    members: int  # without callbacks
    done: int  # members that have ended
    failed: int  # those of them that did not succeed
    if_failed: str = "stop"
    created_at: int = 0
    ended_at: int = 0
    reason: str = ""  # why it is being cancelled


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a workflow, for people."""

    number: int
    id: str
    task: str  # dotted path; empty: the job was trimmed
    state: State | None
    step: int  # its members may run once all that feed it have ended
    feeds: int  # the step that its end feeds; 0: none


class Workflows:
    """Write and read the workflows of one alias."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._run = client.run

    def stage(
        self,
        workflow: str,
        jobs: Sequence[Job],
        *,
        total: int,
        steps: str = "",
        if_failed: str = "stop",
        output: bytes = b"",
    ) -> None:
        """Store up to 100 members, each once; see lua/flow/stage.lua.

        Raises: WorkflowRefused, QueueUnavailable.
        """
        options = self._client.options
        reply = self._run(
            "stage",
            new_jobs_words(jobs),
            workflow=workflow,
            total=total,
            if_failed=if_failed,
            keep=int(max(options.retention.values()) * 1000),
            steps=steps,
            output=output,
        )
        self._check(workflow, text(reply))

    def add_members(
        self, workflow: str, run: Job, jobs: Sequence[Job], *, group: int, feeds: int, most: int
    ) -> str:
        """Add up to 100 members for a member that runs; see lua/flow/add_members.lua.

        Return "ok", or why none was added: "stale", "ended" or "full". Raises: QueueUnavailable.
        """
        given = {"group": group, "feeds": feeds, "most": most}
        words = new_jobs_words(jobs)
        return text(
            self._run("add_members", words, workflow=workflow, id=run.id, fence=run.fence, **given)
        )

    def seal(self, workflow: str) -> None:
        """Let the members run, once all are stored. Raises: WorkflowRefused, QueueUnavailable."""
        reply = self._run("seal", workflow=workflow)
        if not reply or reply[0] == b"cancelled":
            self._check(workflow, text(reply[0]) if reply else "gone")
        if int(reply[1]):
            raise WorkflowRefused(f"Of workflow {workflow}, {reply[1]} members are missing.")
        self._follow(int(reply[2]))

    def _check(self, workflow: str, state: str) -> None:
        if state in ("cancelled", "gone"):
            raise WorkflowRefused(
                f"Workflow {workflow} is {state}: it was not stored within an hour, or somebody "
                "cancelled it. Nothing of it will run; enqueue it again."
            )

    def cancel(self, workflow: str, reason: str = "cancelled") -> bool:
        """Cancel what has not run, and tell what runs to end; return whether it was known."""
        reply = self._run("cancel_workflow", workflow=workflow, reason=reason)
        if reply:
            self._follow(int(reply[1]))
        return bool(reply)

    def advance(self, limit: int = MOVED) -> int:
        """Go on with workflows, as maintenance; return how many notes are left."""
        return int(self._run("advance", limit=limit))

    def _follow(self, left: int) -> None:
        """Go on at once with what one call could not do, as long as there is less each time."""
        for _ in range(100):
            if not left:
                return
            left = self.advance()

    def read(self, workflow: str) -> WorkflowRecord | None:
        """Return a workflow; None if it is unknown, or gone."""
        keys = self._client.keys

        def ask(pipe: Pipeline) -> None:
            pipe.hmget(keys("workflow", workflow), WORKFLOW)
            pipe.zcard(keys("workflow-open", workflow))
            pipe.zcard(keys("workflow-failed", workflow))

        fields, left, failed = self._client.read(ask)
        state, total, if_failed, created_at, ended_at, cancel = (
            one or b"" for one in fields or [b""] * len(WORKFLOW)
        )
        if not state:
            return None
        return WorkflowRecord(
            id=workflow,
            state=text(state),
            members=number(total or b"0"),
            done=0 if state == STAGED.encode() else number(total or b"0") - (left or 0),
            failed=failed or 0,
            if_failed=text(if_failed),
            created_at=ms(created_at) if created_at else 0,
            ended_at=ms(ended_at) if ended_at else 0,
            reason=text(cancel),
        )

    def output(self, workflow: str) -> bytes:
        """Return whose results are the workflow's own, as it is stored: signed, not verified."""
        key = self._client.keys("workflow", workflow)
        (found,) = self._client.read(lambda pipe: pipe.hget(key, "output"))
        return found or b""

    def added(self, workflow: str) -> list[tuple[int, int, str]]:
        """Return the members that were added, in their order: group, number and name of each.

        A call that broke may have noted a number that another name has got since.
        """
        key = self._client.keys("workflow-added", workflow)
        (found,) = self._client.read(lambda pipe: pipe.lrange(key, 0, -1))
        words = (text(one).split(" ") for one in found or ())
        noted = {int(member): (int(group), int(member), name) for group, member, name in words}
        return list(noted.values())

    def results(self, workflow: str, numbers: Sequence[int | str]) -> dict[int | str, bytes]:
        """Return the results of members as they are stored: signed, and not verified.

        With "added" among the numbers, tell by a value for it whether members were added.
        """
        found: dict[int | str, bytes] = {}
        key = self._client.keys("workflow-results", workflow)
        for start in range(0, len(numbers), PAGE):
            page = numbers[start : start + PAGE]
            (values,) = self._client.read(partial(_read_fields, key=key, names=page))
            pairs = zip(page, values or [], strict=False)
            found |= {name: value for name, value in pairs if value is not None}
        return found

    def waits_for(self, job: Job, most: int = 5) -> list[str]:
        """Return the ids of the first jobs for which a member waits."""
        workflow, _, place = job.flow.partition(" ")
        member = place.partition(" ")[0]
        keys = self._client.keys
        if member.isdecimal():
            step = next((n for n, first, last in self._steps(workflow)
                         if first <= int(member) <= last), None)  # fmt: skip
            if not step:
                return []
            low: str | int = step
            high: str | int = step
        else:
            low, high = "-inf", "+inf"
        (numbers,) = self._client.read(
            lambda pipe: pipe.zrangebyscore(keys("workflow-open", workflow), low, high, 0, most)
        )
        if not numbers:
            return []
        (ids,) = self._client.read(
            lambda pipe: pipe.hmget(keys("workflow-members", workflow), numbers)
        )
        return [text(one) for one in ids or () if one]

    def _steps(self, workflow: str) -> Iterator[tuple[int, int, int]]:
        """Yield the steps with the numbers of their first and last members."""
        key = self._client.keys("workflow-steps", workflow)
        (found,) = self._client.read(lambda pipe: pipe.hgetall(key))
        for step, bounds in (found or {}).items():
            first, _, last = text(bounds).partition(" ")
            yield number(step), int(first), int(last)

    def members(self, workflow: str, first: int = 1, count: int = PAGE) -> list[Member]:
        """Return members in the order of their numbers, which is that of their steps."""
        keys = self._client.keys
        numbers = list(map(str, range(first, first + min(count, PAGE))))
        (ids,) = self._client.read(
            lambda pipe: pipe.hmget(keys("workflow-members", workflow), numbers)
        )
        known = [(int(n), text(one)) for n, one in zip(numbers, ids or [], strict=False) if one]
        steps = sorted(self._steps(workflow), key=lambda step: step[1])

        def ask(pipe: Pipeline) -> None:
            for _, job_id in known:
                pipe.hmget(keys("job", job_id), "task", "state", "flow")

        records = self._client.read(ask) if known else []
        found = []
        for (n, job_id), record in zip(known, records, strict=True):
            task, state, flow = record or (None, None, None)
            step = next((s for s, low, high in steps if low <= n <= high), 0)
            feeds = text(flow or b"").rpartition(" ")[2]
            found.append(
                Member(
                    number=n,
                    id=job_id,
                    task=text(task or b""),
                    state=STATE_OF.get(state or b""),
                    step=step,
                    feeds=int(feeds) if feeds.isdecimal() else 0,
                )
            )
        return found


def _read_fields(pipe: Pipeline, key: str | bytes, names: Sequence[int | str]) -> None:
    pipe.hmget(key, list(map(str, names)))


def chunks(jobs: Sequence[Job]) -> Iterator[Sequence[Job]]:
    """Yield the jobs as many calls store them; at least once, for a workflow without members."""
    for start in range(0, len(jobs) or 1, CHUNK):
        yield jobs[start : start + CHUNK]
