"""What the admin does to jobs, one by one: requeue, cancel, delete; and how it tells of it.

The scripts decide whether a job may move; the rows that the admin read may be old by then.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, ngettext_lazy

from django_jobqueue.admin.display import STATES
from django_jobqueue.engine import get_engine
from django_jobqueue.engine.jobs import Jobs
from django_jobqueue.exceptions import JobNotFound, JobQueueError
from django_jobqueue.jobs.job import TRANSITIONS, State
from django_jobqueue.models import Job

GONE = ngettext_lazy("%(count)d job no longer exists.", "%(count)d jobs no longer exist.", "count")


class NotDone(JobQueueError):
    """A job did not move; the message says why."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing that can be done to a job."""

    name: str  # of the script, and of the permission
    act: Callable[[Jobs, str], State | None]  # returns the state now; None: deleted
    target: State | None  # where it leads
    log: Promise
    done: Promise  # with count
    refused: Promise  # with count and state
    asked: Promise | None = None  # with count; for running jobs, if they can be asked

    def suits(self, state: State) -> bool:
        """Tell whether a job in this state would move, or can be asked to."""
        asked = state is State.RUNNING and self.asked is not None
        return asked or any(before is state for before, _ in TRANSITIONS[self.name])


@dataclass(slots=True)
class Tally:
    """What became of the jobs of one action."""

    verb: Verb
    done: list[Job] = field(default_factory=list)
    asked: list[Job] = field(default_factory=list)  # they run, and were told to end
    refused: Counter[State] = field(default_factory=Counter)
    gone: int = 0
    fault: str = ""

    def good(self) -> list[str]:
        """Return one sentence about the jobs that moved, and one about those that will."""
        said = ((self.verb.done, self.done), (self.verb.asked, self.asked))
        return [str(text % {"count": len(rows)}) for text, rows in said if text and rows]

    def bad(self) -> list[str]:
        """Return one sentence for each reason why jobs did not move."""
        sentences = [
            str(self.verb.refused % {"count": count, "state": STATES[state]})
            for state, count in sorted(self.refused.items())
        ]
        if self.gone:
            sentences.append(str(GONE % {"count": self.gone}))
        return sentences


def apply(verb: Verb, rows: Iterable[Job], gone: int = 0) -> Tally:
    """Do it to each job. When Redis goes away in between, the rest stays as it is."""
    tally = Tally(verb, gone=gone)
    for row in rows:
        try:
            state = verb.act(get_engine(row.alias).jobs, row.id)
        except JobNotFound:
            tally.gone += 1
        except JobQueueError as error:
            tally.fault = str(error)
            break
        else:
            if state is verb.target and state is not row.snapshot.state:
                tally.done.append(row)
            elif state is State.RUNNING and verb.asked is not None:
                tally.asked.append(row)
            else:
                tally.refused[state or row.snapshot.state] += 1
    return tally


def _delete(jobs: Jobs, job_id: str) -> State | None:
    return None if jobs.delete(job_id) else State.RUNNING


REQUEUE = Verb(
    name="requeue",
    act=Jobs.requeue,
    target=State.QUEUED,
    log=gettext_lazy("Requeued."),
    done=ngettext_lazy("%(count)d job requeued.", "%(count)d jobs requeued.", "count"),
    refused=ngettext_lazy(
        "%(count)d job was not requeued: it is %(state)s.",
        "%(count)d jobs were not requeued: they are %(state)s.",
        "count",
    ),
)
CANCEL = Verb(
    name="cancel",
    act=Jobs.cancel,
    target=State.CANCELLED,
    log=gettext_lazy("Cancelled."),
    done=ngettext_lazy("%(count)d job cancelled.", "%(count)d jobs cancelled.", "count"),
    refused=ngettext_lazy(
        "%(count)d job was not cancelled: it is %(state)s.",
        "%(count)d jobs were not cancelled: they are %(state)s.",
        "count",
    ),
    asked=ngettext_lazy(
        "%(count)d running job was told to end.",
        "%(count)d running jobs were told to end.",
        "count",
    ),
)
DELETE = Verb(
    name="delete",
    act=_delete,
    target=None,
    log=gettext_lazy("Deleted."),
    done=ngettext_lazy("%(count)d job deleted.", "%(count)d jobs deleted.", "count"),
    refused=ngettext_lazy(
        "%(count)d job was not deleted: it is %(state)s.",
        "%(count)d jobs were not deleted: they are %(state)s.",
        "count",
    ),
)
