"""Calls of tasks that wait for each other: `task.s()`, `chain`, `group`, and what follows them.

All of them are values: each method returns a new one. Nothing is checked against Redis, and nothing
is stored, before `enqueue`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal, Self

from asgiref.sync import sync_to_async

from django_jobqueue import compat
from django_jobqueue.compat import InvalidTask
from django_jobqueue.flow.workflow import Workflow

MOST_OF_GROUP = 10_000  # members
MOST_MEMBERS = 11_000  # of a workflow, without callbacks: what follows a full group has room
MOST_LEVELS = 50  # of groups and chains in each other
EVENTS = ("on_success", "on_failure", "on_done")
IfFailed = Literal["stop", "continue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What can be a part of a workflow, and be enqueued as one."""

    callbacks: Mapping[str, "Signature"] | None = None
    size: int = 0  # members
    levels: int = 0

    def then(self, following: "Flow") -> "Chain":
        """Return a chain of this and what follows it; callbacks go over to the chain."""
        parts: tuple[Flow, ...] = (replace(self, callbacks=None),)
        if isinstance(self, Chain):
            parts = self.parts  # not a level more for each
        return replace(chain(*parts, following), callbacks=self.callbacks)

    def on_success(self, callback: "Signature") -> Self:
        """Call a task once when all members have succeeded, with the workflow's result first."""
        return self._called("on_success", callback)

    def on_failure(self, callback: "Signature") -> Self:
        """Call a task once when the workflow has failed, first with its id and size."""
        return self._called("on_failure", callback)

    def on_done(self, callback: "Signature") -> Self:
        """Call a task once when the workflow has ended, first with its id and size."""
        return self._called("on_done", callback)

    def _called(self, event: str, callback: object) -> Self:
        if not isinstance(callback, Signature) or callback.callbacks:
            raise InvalidTask(
                f"{event}({callback!r}): give one call of a task, such as publish.s(album.pk)."
            )
        if self.callbacks and event in self.callbacks:
            raise InvalidTask(f"{event}() is given twice: a workflow has one of each.")
        return replace(self, callbacks={**(self.callbacks or {}), event: callback})

    def enqueue(self, *, if_failed: IfFailed = "stop") -> Workflow:
        """Store all members; they run when all are stored and the transaction has committed.

        `if_failed`: "stop" cancels the members that wait for one that does not succeed; "continue"
        lets them run, with None in the place of its result.
        Raises: InvalidTask, TypeError, PayloadTooLarge, QueueUnavailable.
        """
        if if_failed not in ("stop", "continue"):
            raise InvalidTask(f'if_failed={if_failed!r} must be "stop" or "continue".')
        alias = next(self.signatures()).task.backend if self.has_signatures else "default"
        backend = compat.task_backends[alias]
        store = getattr(backend, "enqueue_workflow", None)
        if store is None:
            raise InvalidTask(
                f'TASKS["{alias}"] is {type(backend).__name__}, which has no workflows: use '
                "JobQueueBackend, or django_jobqueue.testing.EagerBackend to run jobs at once."
            )
        found: Workflow = store(self, if_failed)
        return found

    async def aenqueue(self, *, if_failed: IfFailed = "stop") -> Workflow:
        """See enqueue()."""
        return await sync_to_async(self.enqueue)(if_failed=if_failed)

    @property
    def has_signatures(self) -> bool:
        return bool(self.size or self.callbacks)

    def signatures(self) -> "Iterator[Signature]":
        """Return an iterator over all calls, with the callbacks at the end."""
        yield from self._members()
        yield from (self.callbacks or {}).values()

    def _members(self) -> "Iterator[Signature]":
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature(Flow):
    """A call of a task that waits: `task.s(...)`, or `task.si(...)` without its parent's result."""

    task: Any
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any]
    takes_result: bool = True
    size: int = 1

    def _members(self) -> "Iterator[Signature]":
        yield self


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain(Flow):
    """Parts that run one after the other, each with the result of the one before it."""

    parts: tuple[Flow, ...]

    def _members(self) -> "Iterator[Signature]":
        for part in self.parts:
            yield from part._members()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Flow):
    """Parts that run at the same time; the result is the list of theirs, in their order."""

    parts: tuple[Flow, ...]

    def _members(self) -> "Iterator[Signature]":
        for part in self.parts:
            yield from part._members()


def chain(*parts: Flow) -> Chain:
    """Return a workflow of parts that run one after the other.

    Raises: InvalidTask.
    """
    if not parts:
        raise InvalidTask("chain() needs at least one part, such as fetch.s(url).")
    size, levels = _measure("chain", parts, MOST_MEMBERS)
    return Chain(parts=parts, size=size, levels=levels)


def group(*parts: Flow | Iterable[Flow]) -> Group:
    """Return a workflow of parts that run at the same time, given one by one or as an iterable.

    Raises: InvalidTask.
    """
    found: tuple[Any, ...] = parts
    if len(parts) == 1 and not isinstance(parts[0], Flow):
        if isinstance(parts[0], str | bytes | Mapping) or not isinstance(parts[0], Iterable):
            raise InvalidTask(f"group({parts[0]!r}): give calls of tasks, such as thumb.s(pk).")
        found = tuple(islice(parts[0], MOST_OF_GROUP + 1))
    size, levels = _measure("group", found, MOST_OF_GROUP)
    return Group(parts=found, size=size, levels=levels)


def _measure(name: str, parts: tuple[Any, ...], most: int) -> tuple[int, int]:
    """Return the members and the levels of new parts, after checking them."""
    for part in parts:
        if not isinstance(part, Flow):
            raise InvalidTask(
                f"{name}: {part!r} is no call of a task: write task.s(...), which waits, and not "
                "task(...) or task.enqueue(...), which don't."
            )
        if part.callbacks:
            raise InvalidTask(
                f"{name}: a part of it has {', '.join(part.callbacks)}: callbacks belong to the "
                "whole workflow; give them to the outermost chain or group."
            )
    size, levels = sum(part.size for part in parts), 1 + max([0, *(one.levels for one in parts)])
    if size > most or len(parts) > most:
        raise InvalidTask(
            f"{name}: a group has at most {MOST_OF_GROUP:,} members, and a workflow "
            f"{MOST_MEMBERS:,}: give each of them more to do, or enqueue several."
        )
    if levels > MOST_LEVELS:
        raise InvalidTask(f"{name}: chains and groups may be nested {MOST_LEVELS} levels deep.")
    return size, levels
