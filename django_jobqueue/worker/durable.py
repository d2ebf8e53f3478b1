"""Run a durable job: its row begins the run, and is told of its end before Redis is.

The row decides. A run that it refuses is not made, or is rolled back, and ends as the row says.
"""

import logging
from contextlib import suppress

from django_jobqueue.exceptions import BadSignature, TaskUnknown
from django_jobqueue.jobs.context import Report
from django_jobqueue.jobs.job import Job
from django_jobqueue.ledger.runs import LedgerRun, Overtaken
from django_jobqueue.worker.execution import Execution
from django_jobqueue.worker.executor import Executor
from django_jobqueue.worker.limits.interrupt import Interrupt

logger = logging.getLogger("django_jobqueue.worker")


def execute(
    executor: Executor, row: LedgerRun, job: Job, report: Report, interrupt: Interrupt
) -> Execution:
    """Run the job if its row allows it; with `atomic`, its success is written to the row here."""
    if settled := row.begin():
        task = None
        with suppress(TaskUnknown, BadSignature, ValueError):
            task = executor.task_of(job)
        return Execution(job, settled, task)
    execution = executor.execute(job, report, interrupt, row)
    if row.written is not None:
        if execution.exception is not None:
            logger.error(
                "Job %s has succeeded; then its middleware raised: %s", job.id, execution.cause
            )
        return Execution(job, row.written, execution.task)
    if isinstance(execution.exception, Overtaken):
        return Execution(job, row.as_row_says(), execution.task, cause=execution.cause)
    return execution


def settle(row: LedgerRun, execution: Execution) -> Execution:
    """Write the end of the run to its row; return the execution as Redis is to have it."""
    return execution._replace(result=row.end(execution.result, execution.exception))
