"""The package's signals; Django's task_enqueued, task_started and task_finished are sent too.

They are sent with `send_robust`: an error in a receiver is logged and stops nothing.
"""

from django.dispatch import Signal

# Redis refused an enqueue after the transaction had committed.
# Sender: the Task. Arguments: result, exception.
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
