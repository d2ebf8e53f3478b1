"""The package's signals; Django's task_enqueued, task_started and task_finished are sent too.

They are sent with `send_robust`: an error in a receiver is logged and stops nothing. Only those of
the ledger differ, because their receivers take part in its transaction.
"""

from django.dispatch import Signal

# Redis refused an enqueue after the transaction had committed.
# Sender: the Task. Arguments: result, exception; of a member of a workflow also workflow.
enqueue_failed = Signal()

# An attempt failed in a worker, and Redis has stored that. Not sent if the run's process died.
# Sender: the backend's class. Arguments: task_result as it is now, exception, will_retry,
# retry_at (a datetime; None: the job has failed).
attempt_failed = Signal()

# A worker's process starts, before its first job, or stops, after its last one; not sent when
# it is killed. Sender: the backend's class. Arguments: worker (its id), alias, queues (None: all),
# process (its number in the worker).
worker_started = Signal()
worker_stopping = Signal()

# A durable job has ended: sent in the database transaction that makes its row final, exactly once
# per round, by the slot of its run or by a maintenance process. A receiver that raises rolls that
# transaction back, and the end is told again later; so receivers do little but write to the same
# database. Sender: Enqueued. Arguments: row (final already), exception (of the run; None: it
# succeeded, or ended without one).
job_settled = Signal()

# A durable job that had ended will run again: sent in the transaction that opens its row for
# another round. Sender: Enqueued. Arguments: row.
job_reopened = Signal()

# The maintenance process of a worker tidies up, every five minutes if there are durable jobs; other
# apps delete then what they keep no longer, in less than a minute. Several workers send it at once.
# Sender: Enqueued. Arguments: alias.
maintained = Signal()
