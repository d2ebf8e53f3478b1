"""How many jobs with the same key may run at once: the option `concurrency` of a task.

A job holds its limits as words, such as "1w:item:7": the number, what happens when so many run,
and the key; its rate as the last one, such as "100r60000.10:api:7". A word of a call with others
than its task begins with "=": its own number counts. For the others the number counts that the
code of the workers has, see `numbers_of`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

from django_jobqueue import paths
from django_jobqueue.compat import InvalidTask
from django_jobqueue.flow import key_templates
from django_jobqueue.flow.rates import Rate
from django_jobqueue.jobs.job import Job

MOST_LIMITS = 5  # of a task
MOST_RUNS = 1_000_000  # of a key
MODES = {"wait": "w", "skip": "s", "cancel_older": "o"}


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` jobs with one key run at once, over all workers and queues of the alias.

    `key` is a template over names of arguments, such as "item:{item_id}". All tasks share the keys;
    without `key` it is the task itself. `when` says what happens to a job that finds its key
    full: "wait" for its turn, "skip" it (it ends cancelled), or "cancel_older": each new job
    cancels the older ones.
    """

    count: int
    _: KW_ONLY
    key: str = ""
    when: Literal["wait", "skip", "cancel_older"] = "wait"

    def __post_init__(self) -> None:
        if not _is_count(self.count):
            raise InvalidTask(
                f"Limit({self.count!r}): the number of jobs must be a whole number from 1 to "
                f"{MOST_RUNS:,}."
            )
        key_templates.check_template(self.key, f"Limit({self.count})")
        if self.when not in MODES:
            raise InvalidTask(
                f"Limit({self.count}): when={self.when!r} must be one of {', '.join(MODES)}."
            )


Limits = Limit | Iterable[Limit]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_RUNS


def checked(task: Any, given: Any) -> tuple[Limit, ...]:
    """Return the option `concurrency`, one limit or several, as a tuple.

    Raises: InvalidTask.
    """
    name = getattr(task.func, "__qualname__", repr(task.func))
    limits = (given,) if isinstance(given, Limit) else given
    is_list = isinstance(limits, Iterable) and not isinstance(limits, str)
    found = tuple(limits) if is_list else (None,)
    if not all(isinstance(one, Limit) for one in found):
        raise InvalidTask(f"{name}: concurrency={given!r} must be a Limit or a list of them.")
    if len(found) > MOST_LIMITS or len({one.key for one in found}) < len(found):
        raise InvalidTask(
            f"{name}: concurrency={given!r} must be at most {MOST_LIMITS} limits, each with a key "
            "of its own."
        )
    for one in found:
        key_templates.check_names(one.key, name, task)
    return found


def check_keys(task: Any) -> None:
    """Raise InvalidTask unless the task's `rate` and `fair_by` are what they should be."""
    name = getattr(task.func, "__qualname__", repr(task.func))
    if not isinstance(task.rate, Rate | None):
        raise InvalidTask(f'{name}: rate={task.rate!r} must be a Rate, such as Rate("100/m").')
    if task.rate is not None:
        key_templates.check_names(task.rate.key, name, task)
    key_templates.check_template(task.fair_by, name, "fair_by")
    key_templates.check_names(task.fair_by, name, task, "fair_by")


def fill(job: Job, task: Any) -> None:
    """Compute the keys of a called task for its new job: of its limits, and of whom it is fair to.

    Raises: InvalidTask.
    """
    limits, fair_by = _limits_of(task), getattr(task, "fair_by", "")
    if not limits and not fair_by:
        return
    arguments: Mapping[str, Any] = {}
    if any(map(key_templates.names_in, [fair_by, *(one.key for one in limits)])):
        arguments = key_templates.arguments_of(task, job.args, job.kwargs)
    if fair_by:
        job.fair = key_templates.render(fair_by, job.task, arguments)
    own = "=" if _limits_of(paths.find(job.task)) != limits else ""
    keys = [
        key_templates.render(one.key, job.task, arguments) if one.key else job.task
        for one in limits
    ]
    words = zip(map(_word, limits), keys, strict=True)
    job.limits = tuple(f"{own}{word}:{key}" for word, key in words)


def numbers_of(task: Any) -> str:
    """Return the numbers of a task's limits, as the workers note them for its jobs."""
    return " ".join(map(_word, _limits_of(task)))


def _limits_of(task: Any) -> tuple[Limit | Rate, ...]:
    """Return the limits of a task, also of one that another decorator made; its rate comes last."""
    rate = getattr(task, "rate", None)
    limits: tuple[Limit | Rate, ...] = getattr(task, "concurrency", ())
    return (*limits, rate) if rate else limits


def _word(limit: Limit | Rate) -> str:
    return limit.word if isinstance(limit, Rate) else f"{limit.count}{MODES[limit.when]}"
