"""What requeue, cancel, move and others do to jobs, and the report of what one action has done.

The scripts decide whether a job may change, because the admin's rows may be out of date.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from django_jobqueue import compat
from django_jobqueue.engine import Engine, get_engine
from django_jobqueue.exceptions import JobNotFound, JobQueueError, LockHeld, MemberHeld
from django_jobqueue.jobs.job import QUEUE_PATTERN
from django_jobqueue.jobs.phrases import STATES
from django_jobqueue.jobs.states import FINAL, TRANSITIONS, State
from django_jobqueue.jobs.text import one_line
from django_jobqueue.ledger import editing, rounds
from django_jobqueue.models import Job

MISSING = ngettext_lazy(
    "%(count)d job no longer exists.", "%(count)d jobs no longer exist.", "count"
)


MOST_HELD = 3  # unique jobs that are named, of one action


class ActionRefused(JobQueueError):
    """The error of a job that was not changed; its text gives the reason."""


@dataclass(frozen=True, slots=True)
class JobAction:
    """One action on a job, with its texts."""

    name: str
    script: str  # see TRANSITIONS
    run: Callable[[Engine, str, str], State | None]  # (id, nonce) → new state; None: deleted
    target: State | None  # the state after the action; None: deleted
    log: Promise | str
    done: Promise  # with the count
    refused: Promise  # with count and state
    told_to_end: Promise | None = None  # with the count; None: it can't end running jobs
    only: frozenset[State] = frozenset(State)  # the states in which it is applied

    @property
    def kind(self) -> str:
        """Return the name without what the jobs get."""
        return self.name.partition(":")[0]

    def is_possible(self, state: State) -> bool:
        """Return whether a job in this state would change, or can be told to end."""
        can_be_told = state is State.RUNNING and self.told_to_end is not None
        can_move = any(before is state for before, _ in TRANSITIONS[self.script])
        return can_be_told or (can_move and state in self.only)


@dataclass(slots=True)
class ActionReport:
    """The jobs of one action, grouped by their outcome."""

    action: JobAction
    done: list[Job] = field(default_factory=list)
    told_to_end: list[Job] = field(default_factory=list)  # running jobs
    refused: Counter[State] = field(default_factory=Counter)
    missing: int = 0
    held: list[str] = field(default_factory=list)  # why a unique job was not requeued, each
    fault: str = ""

    def successes(self) -> list[str]:
        """Return a sentence about the changed jobs, and one about those that were told to end."""
        said = ((self.action.done, self.done), (self.action.told_to_end, self.told_to_end))
        return [str(text % {"count": len(rows)}) for text, rows in said if text and rows]

    def refusals(self) -> list[str]:
        """Return one sentence for each reason why jobs were not changed."""
        sentences = [
            str(self.action.refused % {"count": count, "state": STATES[state]})
            for state, count in sorted(self.refused.items())
        ]
        if self.missing:
            sentences.append(str(MISSING % {"count": self.missing}))
        return sentences + self.held[:MOST_HELD]


def apply(
    action: JobAction, rows: Iterable[Job], missing: int = 0, nonce: str = ""
) -> ActionReport:
    """Apply an action to each job; after a fault, leave the other jobs unchanged.

    Who may repeat it passes a nonce, so that no job is requeued twice.
    """
    report = ActionReport(action, missing=missing)
    for row in rows:
        if row.snapshot.state not in action.only:
            report.refused[row.snapshot.state] += 1
            continue
        try:
            state = action.run(get_engine(row.alias), row.id, nonce)
        except JobNotFound:
            report.missing += 1
        except (LockHeld, MemberHeld) as error:
            report.held.append(str(error))
        except JobQueueError as error:
            report.fault = str(error)
            break
        else:
            if state is action.target and state is not row.snapshot.state:
                report.done.append(row)
            elif state is State.RUNNING and action.told_to_end is not None:
                report.told_to_end.append(row)
            else:
                report.refused[state or row.snapshot.state] += 1
    return report


def _cancel(engine: Engine, job_id: str, _nonce: str) -> State | None:
    return rounds.cancel(engine, job_id)


def _delete(engine: Engine, job_id: str, _nonce: str) -> State | None:
    return rounds.delete(engine, job_id)


REQUEUE = JobAction(
    name="requeue",
    script="requeue",
    run=rounds.requeue,
    target=State.QUEUED,
    only=FINAL | {State.SCHEDULED},  # the script also moves others, of the same workflow
    log=gettext_lazy("Requeued."),
    done=ngettext_lazy("%(count)d job requeued.", "%(count)d jobs requeued.", "count"),
    refused=ngettext_lazy(
        "%(count)d job was not requeued (state: %(state)s).",
        "%(count)d jobs were not requeued (state: %(state)s).",
        "count",
    ),
)
RUN_NOW = JobAction(
    name="run_now",
    script="requeue",
    run=rounds.requeue,
    target=State.QUEUED,
    only=frozenset({State.SCHEDULED}),
    log=gettext_lazy("Run now."),
    done=ngettext_lazy("%(count)d job is run now.", "%(count)d jobs are run now.", "count"),
    refused=ngettext_lazy(
        "%(count)d job does not wait for its time (state: %(state)s).",
        "%(count)d jobs do not wait for their time (state: %(state)s).",
        "count",
    ),
)
CANCEL = JobAction(
    name="cancel",
    script="cancel",
    run=_cancel,
    target=State.CANCELLED,
    log=gettext_lazy("Cancelled."),
    done=ngettext_lazy("%(count)d job cancelled.", "%(count)d jobs cancelled.", "count"),
    refused=ngettext_lazy(
        "%(count)d job was not cancelled (state: %(state)s).",
        "%(count)d jobs were not cancelled (state: %(state)s).",
        "count",
    ),
    told_to_end=ngettext_lazy(
        "%(count)d running job was told to end.",
        "%(count)d running jobs were told to end.",
        "count",
    ),
)
DELETE = JobAction(
    name="delete",
    script="delete",
    run=_delete,
    target=None,
    log="",  # the flag of the log entry is enough
    done=ngettext_lazy("%(count)d job deleted.", "%(count)d jobs deleted.", "count"),
    refused=ngettext_lazy(
        "%(count)d job was not deleted (state: %(state)s).",
        "%(count)d jobs were not deleted (state: %(state)s).",
        "count",
    ),
)
# The names of such actions go on with a colon, and the priority or the queue.
PRIORITIZE = "prioritize"
MOVE = "move"


def prioritize(priority: int) -> JobAction:
    """Return the action that gives jobs this priority."""
    return JobAction(
        name=f"{PRIORITIZE}:{priority}",
        script="promote",
        run=partial(_prioritize, priority),
        target=None,
        log=gettext_lazy("Priority changed."),
        done=ngettext_lazy(
            "The priority of %(count)d job was changed.",
            "The priority of %(count)d jobs was changed.",
            "count",
        ),
        refused=ngettext_lazy(
            "The priority of %(count)d job was not changed (state: %(state)s).",
            "The priority of %(count)d jobs was not changed (state: %(state)s).",
            "count",
        ),
    )


def _prioritize(priority: int, engine: Engine, job_id: str, _nonce: str) -> State | None:
    return engine.edits.prioritize(job_id, priority)


def move(queue: str) -> JobAction:
    """Return the action that puts jobs into this queue."""
    return JobAction(
        name=f"{MOVE}:{queue}",
        script="cancel",  # which changes jobs in the same states
        run=partial(_move, queue),
        target=None,
        log=_("Moved to the queue %(queue)s.") % {"queue": queue},
        done=ngettext_lazy("%(count)d job moved.", "%(count)d jobs moved.", "count"),
        refused=ngettext_lazy(
            "%(count)d job was not moved (state: %(state)s).",
            "%(count)d jobs were not moved (state: %(state)s).",
            "count",
        ),
    )


def _move(queue: str, engine: Engine, job_id: str, _nonce: str) -> State | None:
    if wrong := wrong_queue(engine.alias, queue):
        raise ActionRefused(wrong)
    return editing.move(engine, job_id, queue)


def wrong_queue(alias: str, name: str) -> str:
    """Return why jobs of an alias can't be in a queue of this name; nothing if they can."""
    if not QUEUE_PATTERN.fullmatch(name):
        text = _("A queue can't be named “%(name)s”: use 1 to 64 letters, digits, “_”, “-” or “.”.")
        return text % {"name": one_line(name)}
    allowed = compat.task_backends[alias].queues
    if allowed and name not in allowed:
        text = _("“%(name)s” is none of the QUEUES of TASKS[“%(alias)s”].")
        return text % {"name": name, "alias": alias}
    return ""


def action_named(name: str) -> JobAction:
    """Return the action of this name.

    Raises: KeyError, ValueError.
    """
    kind, _colon, given = name.partition(":")
    if kind == PRIORITIZE:
        return prioritize(int(given))
    return move(given) if kind == MOVE else ACTIONS[name]


ACTIONS = {action.name: action for action in (REQUEUE, RUN_NOW, CANCEL, DELETE)}
