"""The task framework, `django.tasks` or its backport; no other module knows which.

Django 6.0 includes it as `django.tasks`; on Django 5.2 the `django-tasks` backport has
the same API with other error names.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.dispatch import Signal

from django_jobqueue.exceptions import Cancel, JobCancelled

NATIVE = TYPE_CHECKING or find_spec("django.tasks") is not None

if NATIVE:
    from django.tasks import signals, task_backends
    from django.tasks.backends.base import BaseTaskBackend
    from django.tasks.base import (
        DEFAULT_TASK_BACKEND_ALIAS,
        DEFAULT_TASK_QUEUE_NAME,
        Task,
        TaskContext,
        TaskError,
        TaskResult,
        TaskResultStatus,
    )
    from django.tasks.exceptions import (
        InvalidTask,
        InvalidTaskBackend,
        TaskResultDoesNotExist,
        TaskResultMismatch,
    )
elif find_spec("django_tasks") is not None:
    from django_tasks import signals, task_backends
    from django_tasks.backends.base import BaseTaskBackend
    from django_tasks.base import (
        DEFAULT_TASK_BACKEND_ALIAS,
        DEFAULT_TASK_QUEUE_NAME,
        Task,
        TaskContext,
        TaskError,
        TaskResult,
        TaskResultStatus,
    )
    from django_tasks.exceptions import InvalidTaskBackendError as InvalidTaskBackend
    from django_tasks.exceptions import InvalidTaskError as InvalidTask
    from django_tasks.exceptions import TaskResultDoesNotExist, TaskResultMismatch
else:
    raise ImproperlyConfigured(
        "This Django has no django.tasks. Install the backport that gives the same API: "
        "pip install 'django-jobqueue[compat]' (it brings django-tasks)."
    )

_log = logging.getLogger("django.tasks" if NATIVE else "django_tasks")
OWN_RECEIVERS = 1  # per signal: the framework's receiver, which writes to its log
_silenced: set[Signal] = set()  # those whose framework's receiver is disconnected


def is_heard(signal: Signal, level: int) -> bool:
    """Return whether sending a signal, which the framework logs at `level`, has any effect.

    Most signals have no receiver, and sending one costs as much as signing a job.
    """
    if signal in _silenced:
        return bool(signal.receivers)
    return len(signal.receivers) > OWN_RECEIVERS or _log.isEnabledFor(level)


def silence_framework() -> Callable[[], None]:
    """Stop the framework's own lines about each run in this process, which a worker's lines repeat.

    Django mails each ERROR of its loggers to ADMINS, so each failed job would send a mail. If the
    project's LOGGING names this logger, the lines stay, except those of jobs that were cancelled.
    Return what undoes it.
    """
    undo = ExitStack()
    if _log.handlers or _log.level:
        if _is_no_cancellation not in _log.filters:
            _log.addFilter(_is_no_cancellation)
            undo.callback(_log.removeFilter, _is_no_cancellation)
        return undo.close
    for signal, name in (
        (signals.task_started, "log_task_started"),
        (signals.task_finished, "log_task_finished"),
    ):
        receiver: Any = getattr(signals, name, None)
        if signal.disconnect(receiver):
            _silenced.add(signal)
            undo.callback(signal.connect, receiver)
            undo.callback(_silenced.discard, signal)
    return undo.close


@contextmanager
def framework_silenced() -> Iterator[None]:
    """Stop these lines in the block, for runs in a process that is no worker."""
    undo = silence_framework()
    try:
        yield
    finally:
        undo()


def _is_no_cancellation(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, Cancel | JobCancelled)


__all__ = [
    "DEFAULT_TASK_BACKEND_ALIAS",
    "DEFAULT_TASK_QUEUE_NAME",
    "NATIVE",
    "BaseTaskBackend",
    "InvalidTask",
    "InvalidTaskBackend",
    "Task",
    "TaskContext",
    "TaskError",
    "TaskResult",
    "TaskResultDoesNotExist",
    "TaskResultMismatch",
    "TaskResultStatus",
    "framework_silenced",
    "is_heard",
    "signals",
    "silence_framework",
    "task_backends",
]
