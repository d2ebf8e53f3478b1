"""Signals of our own; Django's task_enqueued, task_started and task_finished are sent too.

Receivers are called with `send_robust`: an error in one is logged and stops nothing.
"""

from django.dispatch import Signal

# Redis refused an enqueue after the transaction had committed.
# Sender: the Task. Arguments: result, exception.
enqueue_failed = Signal()
