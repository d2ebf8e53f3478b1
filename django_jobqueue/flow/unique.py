"""Unique jobs: what `@task(unique=Unique(…))` says, and the key of a call.

engine/lua/shared/rare/unique.lua has the locks.
"""

import inspect
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from django_jobqueue.compat import InvalidTask
from django_jobqueue.exceptions import YEAR
from django_jobqueue.flow import key_templates
from django_jobqueue.jobs import envelope, payload
from django_jobqueue.jobs.signature import arguments_of, signature_of

if TYPE_CHECKING:
    from django_jobqueue.jobs.job import Job

Until = Literal["done", "start"] | timedelta
DIGEST = 32  # characters: with all else that a record's field holds, below 64
AT_MOST = 10  # times the debounce, unless at_most says something else
_STARS = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True, init=False)
class Unique:
    """At most one job of a task at a time for each value of these arguments; without names: of all.

    Until it is `done` (final), until its first `start`, or for a time from when it is stored, a job
    stands for all further calls. With `debounce`, each further call replaces the arguments of the
    job that waits, and puts it off by that time; but it starts `at_most` so long after the first
    call, by default ten times the debounce.
    Raises: InvalidTask.
    """

    names: tuple[str, ...]
    until: Until
    debounce: timedelta | None
    at_most: timedelta | None

    def __init__(
        self,
        *names: str,
        until: Until = "done",
        debounce: timedelta | None = None,
        at_most: timedelta | None = None,
    ) -> None:
        given = {"names": names, "until": until, "debounce": debounce, "at_most": at_most}
        for name, value in given.items():
            object.__setattr__(self, name, value)
        _check(self)

    @property
    def kind(self) -> str:
        """Return until when a job holds its lock, as its record says it."""
        if self.debounce is not None:
            most = self.at_most or AT_MOST * self.debounce
            return f"newest,{_ms(self.debounce)},{_ms(most)}"
        return f"+{_ms(self.until)}" if isinstance(self.until, timedelta) else self.until


def _check(given: Unique) -> None:
    for name in given.names:
        if not isinstance(name, str):
            raise InvalidTask(
                f'Unique({name!r}): give names of arguments, such as Unique("order_id").'
            )
    if given.until not in ("done", "start") and not _is_time(given.until):
        raise InvalidTask(
            f'Unique(until={given.until!r}) must be "done", "start" or a timedelta from 1 ms to '
            "366 days."
        )
    for option in ("debounce", "at_most"):
        value = getattr(given, option)
        if value is not None and not _is_time(value):
            raise InvalidTask(
                f"Unique({option}={value!r}) must be a timedelta from 1 ms to 366 days."
            )
    if given.debounce is None:
        if given.at_most is not None:
            raise InvalidTask(f"Unique(at_most={given.at_most!r}) needs debounce=timedelta(…).")
        return
    if given.until != "done":
        raise InvalidTask(
            f"Unique(until={given.until!r}, debounce=…): give one of them; a debounced job is "
            "unique until it starts."
        )
    if given.at_most is not None and given.at_most < given.debounce:
        raise InvalidTask(
            f"Unique(at_most={given.at_most!r}) is shorter than debounce={given.debounce!r}: no "
            "call would be waited for."
        )


def check(name: str, task: Any) -> None:
    """Check the option `unique` of a task.

    Raises: InvalidTask.
    """
    spec = task.unique
    if spec is None:
        return
    if not isinstance(spec, Unique):
        raise InvalidTask(
            f'{name}: unique={spec!r} must be a Unique, such as Unique("order_id"), or None.'
        )
    taken = signature_of(task.func, task.takes_context).parameters
    usable = [one for one, parameter in taken.items() if parameter.kind not in _STARS]
    for one in spec.names:
        if one not in usable:
            there = ", ".join(usable) or "none"
            raise InvalidTask(
                f"{name}: Unique({one!r}): the function has no such argument; there is: {there}."
            )
    if spec.debounce is not None and task.refresh_after is not None:
        raise InvalidTask(
            f"{name}: refresh_after={task.refresh_after!r} with Unique(debounce=…): give one of "
            "them, because a refresh that is put off leaves the value stale."
        )
    if spec.debounce is not None and spec.names:
        _check_keys(name, task)


def _check_keys(name: str, task: Any) -> None:
    """Raise InvalidTask if a later call could leave a debounced job with another one's key."""
    for limit in (*task.concurrency, *([task.rate] if task.rate else [])):
        for one in key_templates.names_in(limit.key):
            if one not in task.unique.names:
                raise InvalidTask(
                    f"{name}: key={limit.key!r} names the argument {one!r}, which a later call of "
                    "the debounced job may change: name it in Unique(…), too."
                )


def fill(job: "Job", task: Any) -> None:
    """Put the key of a call into its new job, whose arguments are as they will be stored.

    Raises: InvalidTask.
    """
    spec: Unique | None = getattr(task, "unique", None)
    if spec is None:
        return
    if spec.debounce is not None:
        if job.schedule:  # its time is the schedule's, and no call of it may be lost
            return
        if task.run_after is not None:
            raise InvalidTask(
                f"{job.task}: run_after={task.run_after!r} with Unique(debounce=…): give one of "
                "them, because the debounce says when the job runs."
            )
        envelope.defer(job, spec.debounce)
    job.unique = f"{key_of(task, spec, job.args, job.kwargs)} {spec.kind}"
    if job.round and not job.schedule:
        job.unique += " kept"


def key_of(task: Any, spec: Unique, args: Any, kwargs: Any) -> str:
    """Return the digest of a call's key. Raises: TypeError if the function can't be called so."""
    given = arguments_of(task, args, kwargs)
    chosen = {name: given.get(name) for name in spec.names} if spec.names else given
    return payload.digest(task.module_path, chosen)[:DIGEST]


def tell(job: "Job") -> None:
    """Note that the caller has the id of a job that is stored later."""
    if job.unique and not job.round:
        job.unique += " told"


def _is_time(value: object) -> bool:
    return isinstance(value, timedelta) and envelope.MILLISECOND <= value <= timedelta(0, YEAR)


def _ms(time: timedelta) -> int:
    return time // envelope.MILLISECOND
