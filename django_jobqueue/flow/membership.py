"""What binds a job to its workflow: a part of its signed payload, and signed results.

The payload names the workflow, the member, and whose results the job takes. A result is signed by
the worker over workflow, member and JSON, and verified before it is passed on.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from django_jobqueue.engine import Engine
from django_jobqueue.exceptions import BadSignature
from django_jobqueue.flow.plan import (
    NOTHING,
    Member,
    Plan,
    as_numbers,
    filled,
    groups_in,
    numbers_in,
)
from django_jobqueue.jobs import payload
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.signing import Signer

RESULT = "workflow-result"  # stands in a signature where that of a call has its task
OUTPUT = "workflow-output"
NO_GROUP = (0, 0)


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a new job in its workflow."""

    workflow: str
    member: str  # its number, or the name of a callback
    takes: Any = NOTHING
    feeds: str = ""
    step: int = 0
    goes_on: bool = False  # it runs with None in the place of results that are missing
    group: tuple[int, int] = NO_GROUP  # to which it may add: its number, and the step it feeds
    is_added: bool = False

    @classmethod
    def of(cls, workflow: str, plan: Plan, member: Member, goes_on: bool = False) -> "Place":
        number, feeds = str(member.number), str(member.feeds)
        group = (member.group, plan.feeds_of(member.group)) if member.group else NO_GROUP
        return cls(workflow, number, member.takes, feeds, member.step, goes_on, group)

    @property
    def takes_result(self) -> bool:
        return self.takes is not NOTHING

    def seal(self, job: Job, signer: Signer, cap: int) -> None:
        """Make the signed payload of a member. Raises: PayloadTooLarge."""
        job.flow = f"{self.workflow} {self.member} {self.feeds}".strip()
        job.step = self.step
        part: dict[str, Any] = {"workflow": self.workflow, "member": self.member}
        if self.takes_result:
            part["takes"] = as_numbers(self.takes)
            if self.goes_on:
                part["if_failed"] = "continue"
        if self.group[0]:
            part["group"] = self.group
        if self.is_added:
            part["added"] = True
        call = payload.dump_call(job.args, job.kwargs, job.metadata, cap)
        if call.startswith(b"["):
            call = b'{"args":%b}' % call
        data = b'%b,"flow":%b}' % (call[:-1], _dumps(part))
        job.payload = signer.sign(job.id, job.task, data)


@dataclass(frozen=True, slots=True)
class Membership:
    """What a run of a member gets from its parents, and how it signs what it passes on."""

    signer: Signer
    workflow: str = ""
    member: str = ""
    given: Sequence[Any] = ()  # the parents' result, if the job takes it
    error: Exception | None = None  # the job can't be run
    group: tuple[int, int] = NO_GROUP  # to which it may add: its number, and the step it feeds
    is_added: bool = False
    numbers: Iterator[int] = field(default_factory=lambda: count(1), compare=False)  # of additions

    def check(self) -> None:
        """Raise BadSignature or ValueError if the job can't be run."""
        if self.error is not None:
            raise self.error

    def sign(self, value: bytes) -> bytes:
        """Return version and signature of a result."""
        data = value or b"null"
        name = f"{self.member} +{self.group[0]}" if self.is_added else self.member
        signed = self.signer.sign(f"{self.workflow} {name}", RESULT, data)
        return signed[: -len(data) - 1]


def check_membership(job: Job) -> None:
    """Raise BadSignature or ValueError unless a member of a workflow can be run."""
    if job.member is None:
        raise ValueError("it belongs to a workflow, whose results were not read")
    job.member.check()


def arguments_of(job: Job) -> list[Any]:
    """Return the arguments of a call; the result of its parents comes first."""
    return job.args if job.member is None else [*job.member.given, *job.args]


def open_membership(engine: Engine, job: Job) -> Membership:
    """Verify a member, and read the results of its parents.

    Raises: QueueUnavailable.
    """
    signer = engine.signer
    try:
        if job.payload is None:
            raise ValueError("its arguments are gone from Redis")
        part = json.loads(signer.verify(job.id, job.task, job.payload)).get("flow")
        if not isinstance(part, dict):
            raise ValueError("its payload does not say that it belongs to a workflow")
        workflow, member = str(part["workflow"]), str(part["member"])
        given = []
        if "takes" in part:
            goes_on = part.get("if_failed") == "continue"
            given = [read_results(engine, workflow, part["takes"], goes_on)]
        number, feeds = part.get("group", NO_GROUP)
    except (BadSignature, ValueError, KeyError, AttributeError) as error:
        return Membership(signer, error=_as_value_error(error))
    found = Membership(signer, workflow, member, given)
    return replace(found, group=(int(number), int(feeds)), is_added="added" in part)


def _as_value_error(error: Exception) -> Exception:
    return error if isinstance(error, BadSignature | ValueError) else ValueError(str(error))


def read_results(engine: Engine, workflow: str, takes: Any, goes_on: bool) -> Any:
    """Return the verified results of members; of a failed one, None stands there.

    Raises: BadSignature, ValueError if some are missing, unless the workflow goes on without.
    """
    numbers: list[int | str] = list(numbers_in(takes))
    groups = set(groups_in(takes))
    stored = engine.workflows.results(workflow, ["added", *numbers] if groups else numbers)
    signed_as = {number: f"{workflow} {number}" for number in numbers}
    places: dict[str, dict[str, int]] = {}  # numbers by name, in each group
    for group, number, name in engine.workflows.added(workflow) if "added" in stored else ():
        if group in groups:
            places.setdefault(f"+{group}", {}).setdefault(name, number)
            signed_as[number] = f"{workflow} {name} +{group}"
    more = [number for found in places.values() for number in found.values()]
    stored |= engine.workflows.results(workflow, more) if more else {}
    missing = [number for number in signed_as if number not in stored]
    if missing and not goes_on:
        raise ValueError(f"the result of member {missing[0]} of its workflow is gone")
    values: dict[int | str, Any] = {
        number: json.loads(engine.signer.verify(name, RESULT, stored[number]))
        for number, name in signed_as.items()
        if number in stored
    }
    for marker, found in places.items():
        values[marker] = [values.get(number) for number in found.values()]
    return filled(takes, values)


def sign_output(signer: Signer, workflow: str, output: Any) -> bytes:
    """Return whose results are the workflow's own, signed."""
    return signer.sign(workflow, OUTPUT, _dumps(as_numbers(output)))


def read_output(engine: Engine, workflow: str, goes_on: bool) -> Any:
    """Return the result of a workflow.

    Raises: BadSignature, ValueError.
    """
    takes = json.loads(engine.signer.verify(workflow, OUTPUT, engine.workflows.output(workflow)))
    return read_results(engine, workflow, takes, goes_on)


def _dumps(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
