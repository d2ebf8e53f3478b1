"""A job queue for Django on Redis and Valkey.

The public names of the package. Most projects need only `from django_jobqueue import task`.
"""

from django_jobqueue.cached import Latest
from django_jobqueue.exceptions import (
    Cancel,
    JobCancelled,
    JobQueueError,
    JobTimeout,
    LockHeld,
    MemberHeld,
    QueueUnavailable,
    Retry,
)
from django_jobqueue.flow.limits import Limit
from django_jobqueue.flow.rates import Rate
from django_jobqueue.flow.signatures import chain, group
from django_jobqueue.flow.tagged import cancel_tagged
from django_jobqueue.flow.unique import Unique
from django_jobqueue.flow.workflow import Workflow
from django_jobqueue.jobs.context import JobContext
from django_jobqueue.jobs.result import JobResult
from django_jobqueue.jobs.text import LogLine, Progress
from django_jobqueue.jobs.tracking import track
from django_jobqueue.retry import Exponential
from django_jobqueue.schedules.spec import schedule
from django_jobqueue.task import Task, task

__version__ = "0.1.0"

__all__ = [
    "Cancel",
    "Exponential",
    "JobCancelled",
    "JobContext",
    "JobQueueError",
    "JobResult",
    "JobTimeout",
    "Latest",
    "Limit",
    "LockHeld",
    "LogLine",
    "MemberHeld",
    "Progress",
    "QueueUnavailable",
    "Rate",
    "Retry",
    "Task",
    "Unique",
    "Workflow",
    "__version__",
    "cancel_tagged",
    "chain",
    "group",
    "schedule",
    "task",
    "track",
]
