"""A workflow as lines, in the order of its steps: what feeds a step stands above it, indented.

Of a workflow with many members those around one job are read, and the others are counted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.engine import Engine
from django_jobqueue.engine.workflows import PAGE, Member, WorkflowRecord
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import State

SHOWN = 10  # members of a step
MOST_LINES = 100
DEEPEST = 6  # an indent
STATES = {
    "staged": gettext_lazy("being stored"),
    "running": gettext_lazy("running"),
    "succeeded": gettext_lazy("succeeded"),
    "failed": gettext_lazy("failed"),
    "cancelled": gettext_lazy("cancelled"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A member, or members that are not shown."""

    depth: int
    member: Member | None = None
    more: int = 0
    failed: int = 0  # of `more`


@dataclass(frozen=True, slots=True)
class Tree:
    """The workflow of a job, around that job."""

    record: WorkflowRecord
    own: int  # the number of the job; 0: it is a callback
    parents: list[Line]
    children: list[Line]
    lines: list[Line]


def read_tree(engine: Engine, job: Job) -> Tree | None:
    """Return the workflow of a job; None if it has none, or if that is gone."""
    workflow, _, place = job.flow.partition(" ")
    record = engine.workflows.read(workflow) if workflow else None
    if record is None:
        return None
    number = place.partition(" ")[0]
    own = int(number) if number.isdecimal() else 0
    first = max(1, min(own - PAGE // 2, record.members - PAGE + 1))
    members = engine.workflows.members(workflow, first)
    mine = next((one for one in members if one.number == own), None)
    parents = [one for one in members if mine and mine.step and one.feeds == mine.step]
    children = [one for one in members if mine and mine.feeds and one.step == mine.feeds]
    return Tree(
        record,
        own,
        list(_step(parents, 0, own)),
        list(_step(children, 0, own)),
        _lines(members, record, own),
    )


def _lines(members: Sequence[Member], record: WorkflowRecord, own: int) -> list[Line]:
    """Return the lines of all members; the last one counts those that are left out."""
    found = list(_in_order(members, own))[-MOST_LINES:]
    told = [one.member for one in found if one.member]
    more = record.members - len(told) - sum(one.more for one in found)
    failed = record.failed - sum(map(_has_failed, told)) - sum(one.failed for one in found)
    return [*found, *([Line(0, None, more, max(0, failed))] if more > 0 else [])]


def _in_order(members: Sequence[Member], own: int) -> Iterator[Line]:
    """Yield lines, what comes first before what comes later."""
    feeding: dict[int, dict[int, list[Member]]] = {}  # step → by their own step, what feeds it
    for one in members:
        feeding.setdefault(one.feeds, {}).setdefault(one.step, []).append(one)
    known = {one.step for one in members} | {0}
    ends = [step for feeds, steps in feeding.items() if feeds not in known or not feeds
            for step in steps.items()]  # fmt: skip
    backwards: list[Line] = []
    seen: set[int] = set()
    rest = [(step, found, 0) for step, found in ends]
    while rest:
        step, found, depth = rest.pop()
        backwards += reversed(list(_step(found, depth, own)))
        if step in seen:  # damaged: it feeds itself
            continue
        seen |= {step} - {0}
        before = feeding.get(step, {}) if step else {}
        deeper = min(DEEPEST, depth + (len(before) > 1 or _many(before) > 1))
        rest += [(number, those, deeper) for number, those in before.items()]
    yield from reversed(backwards)


def _many(steps: dict[int, list[Member]]) -> int:
    return sum(map(len, steps.values()))


def _step(members: Sequence[Member], depth: int, own: int) -> Iterator[Line]:
    """Yield the members of a step: the job itself and what has failed before others."""
    shown = sorted(members, key=lambda one: (one.number != own, not _has_failed(one), one.number))
    left = shown[SHOWN:]
    for one in sorted(shown[:SHOWN], key=lambda one: one.number):
        yield Line(depth, one)
    if left:
        yield Line(depth, None, len(left), sum(map(_has_failed, left)))


def _has_failed(member: Member) -> bool:
    return member.state in (State.FAILED, State.CANCELLED)


def summary(record: WorkflowRecord) -> str:
    """Return in a sentence how far a workflow is."""
    text = _("%(state)s: %(done)s of %(members)s jobs have ended, %(failed)s without success.")
    numbers = {"done": record.done, "members": record.members, "failed": record.failed}
    said = {name: phrases.count(many) for name, many in numbers.items()}
    return text % {"state": STATES.get(record.state, record.state), **said}


def more(line: Line) -> str:
    """Return how many members are not shown."""
    count = phrases.count(line.more)
    if not line.failed:
        return _("… and %(count)s more") % {"count": count}
    text = _("… and %(count)s more, %(failed)s of them without success")
    return text % {"count": count, "failed": phrases.count(line.failed)}
