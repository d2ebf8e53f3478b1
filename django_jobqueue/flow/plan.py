"""The plan of a workflow: which member waits for which step, and whose results it takes.

A step is a set of members that may run once all that feed it have ended. The members of a step have
numbers in a row.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from django_jobqueue.compat import InvalidTask
from django_jobqueue.flow.signatures import Chain, Flow, Group, Signature
from django_jobqueue.jobs.signature import check_call

NOTHING: Any = object()  # the result of what precedes the first part


@dataclass(slots=True, eq=False)
class Member:
    """One member of a plan."""

    call: Signature
    step: int
    takes: Any = NOTHING  # the member whose result it takes, or a list of such; or NOTHING
    number: int = 0
    feeds: int = 0  # the step that its end feeds; 0: none
    group: int = 0  # the innermost group around it; 0: none


@dataclass(frozen=True, slots=True)
class Added:
    """The place in a group's result for those of members that are added while it runs."""

    group: int


@dataclass(slots=True)
class Plan:
    """The members of a workflow by number, and whose results are its own."""

    members: list[Member] = field(default_factory=list)
    output: Any = None  # as `Member.takes`
    steps: dict[int, tuple[int, int]] = field(default_factory=dict)  # first and last member
    ends: dict[int, Member] = field(default_factory=dict)  # one that ends each group, by number

    def feeds_of(self, group: int) -> int:
        """Return the step that a group feeds."""
        return self.ends[group].feeds

    def steps_that_begin(self, first: int, last: int) -> str:
        """Return the steps whose first member is one of these, as lua/flow/stage.lua reads them."""
        begun = [(s, *bounds) for s, bounds in self.steps.items() if first <= bounds[0] <= last]
        return " ".join(f"{step} {low} {high}" for step, low, high in begun)


def make_plan(flow: Flow) -> Plan:
    """Return the plan of a workflow.

    Raises: InvalidTask, TypeError for a call that its function can't take.
    """
    plan, alias = Plan(), ""
    last = groups = 0

    def add(part: Flow, step: int, given: Any, group: int) -> tuple[list[Member], Any]:
        """Add a part that begins with a step; return the members that end it, and its result."""
        nonlocal last, groups
        if isinstance(part, Signature):
            member = Member(part, step, given if part.takes_result else NOTHING, group=group)
            plan.members.append(member)
            return [member], member
        exits: list[Member] = []
        if isinstance(part, Group):
            groups += 1
            number = groups
            found = [add(each, step, given, number) for each in part.parts]
            exits = [one for ends, _ in found for one in ends]
            if not exits:
                return [], [result for _, result in found]
            plan.ends[number] = exits[0]
            return exits, [*(result for _, result in found), Added(number)]
        for each in cast(Chain, part).parts:
            if exits and each.size:
                last += 1
                step = last
                for one in exits:
                    one.feeds = step
            ends, given = add(each, step, given, group)
            exits = ends or exits
        return exits, given

    _, plan.output = add(flow, 0, NOTHING, 0)
    plan.members.sort(key=lambda member: member.step)
    for number, member in enumerate(plan.members, 1):
        member.number = number
        first, _ = plan.steps.get(member.step, (number, number))
        plan.steps[member.step] = first, number
        alias = check_member(member.call, alias, takes=member.takes is not NOTHING)
    for callback in (flow.callbacks or {}).values():
        alias = check_member(callback, alias, takes=callback.takes_result)
    return plan


def as_numbers(takes: Any) -> Any:
    """Return whose results are taken as JSON: numbers, lists, and texts for numbers in a row.

    A text such as "+3" stands for members that are added to group 3.
    """
    if isinstance(takes, Member):
        return takes.number
    if isinstance(takes, Added):
        return f"+{takes.group}"
    found: list[Any] = []
    begin = 0  # of numbers in a row at the end of `found`
    for one in map(as_numbers, takes):
        if not (isinstance(one, int) and found and found[-1] == one - 1):
            _shorten(found, begin)
            begin = len(found)
        found.append(one)
    _shorten(found, begin)
    return found


def _shorten(found: list[Any], begin: int) -> None:
    if len(found) - begin > 2 and isinstance(found[begin], int):
        found[begin:] = [f"{found[begin]}-{found[-1]}"]


def numbers_in(takes: Any) -> Iterator[int]:
    """Yield the numbers in what `as_numbers` returned.

    Raises: ValueError.
    """
    if isinstance(takes, list):
        for one in takes:
            yield from numbers_in(one)
    elif isinstance(takes, str) and takes[:1] != "+":
        first, _, last = takes.partition("-")
        yield from range(int(first), int(last) + 1)
    elif not isinstance(takes, str):
        yield int(takes)


def groups_in(takes: Any) -> Iterator[int]:
    """Yield the numbers of the groups in what `as_numbers` returned. Raises: ValueError."""
    if isinstance(takes, list):
        for one in takes:
            yield from groups_in(one)
    elif isinstance(takes, str) and takes[:1] == "+":
        yield int(takes)


def filled(takes: Any, values: Mapping[int | str, Any]) -> Any:
    """Return the results for what `as_numbers` returned; None for one that there is none of."""
    if not isinstance(takes, list):
        return values.get(takes)
    found: list[Any] = []
    for one in takes:
        if isinstance(one, str) and one[:1] == "+":
            found += values.get(one, ())
        elif isinstance(one, str):
            found += [values.get(number) for number in numbers_in(one)]
        else:
            found.append(filled(one, values))
    return found


def check_member(call: Signature, alias: str, *, takes: bool) -> str:
    """Check one call; return the alias of all.

    Raises: InvalidTask, TypeError.
    """
    task, name = call.task, call.task.module_path
    if alias and task.backend != alias:
        raise InvalidTask(
            f"{name}: its backend is {task.backend!r}, and that of another member {alias!r}: the "
            "members of a workflow have one."
        )
    for option, why in _refused(task, takes):
        raise InvalidTask(f"{name}: {option} can't be in a workflow{why}.")
    check_call(task, (None, *call.args) if takes else call.args, call.kwargs)
    return str(task.backend)


def _refused(task: Any, takes: bool) -> Iterator[tuple[str, str]]:
    """Yield the options of a task that a member can't have, and why."""
    limits = [*getattr(task, "concurrency", ()), getattr(task, "rate", None)]
    if getattr(task, "unique", None) is not None:
        yield "unique", ", because another job may stand for it: use .using(unique=None)"
    if getattr(task, "atomic", False) or getattr(task, "durable", None):
        yield "durable", ": a workflow is not in the ledger. Use .using(durable=False)"
    if task.run_after is not None:
        yield "run_after", ": a member runs when its parents have ended"
    if any(getattr(one, "when", "") == "cancel_older" for one in limits):
        yield 'when="cancel_older"', ", because its members are stored before they may run"
    keys = [getattr(task, "fair_by", ""), *(getattr(one, "key", "") for one in limits)]
    if takes and any("{" in key for key in keys):
        yield (
            "a key with an argument",
            " if it takes its parent's result: use .si(), or a key without braces",
        )
    if takes and getattr(task, "keep_latest", False):
        yield "keep_latest", " if it takes its parent's result: use .si()"
