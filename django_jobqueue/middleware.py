"""The classes in `OPTIONS["MIDDLEWARE"]`, which see the enqueue and each run of every job.

    class Tenant:
        def enqueue(self, job):
            job.metadata["tenant"] = current_tenant()

        @contextmanager
        def run(self, context):
            with as_tenant(context.metadata["tenant"]):
                yield

Each class has one method or both. The first class in the list is the outermost.
"""

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from django_jobqueue.jobs.context import JobContext
from django_jobqueue.jobs.job import Job


class Chain(NamedTuple):
    """The methods of all middleware, outermost first."""

    # Each may change `job.metadata`, or raise to refuse the job.
    enqueue: Sequence[Callable[[Job], object]] = ()
    run: Sequence[Callable[[JobContext], AbstractContextManager[Any]]] = ()  # around the function


_chains: dict[tuple[str, ...], Chain] = {}
_lock = threading.Lock()  # two threads must not make two instances


def load(paths: tuple[str, ...]) -> Chain:
    """Return the methods of the classes at `paths`, which are instantiated once per process.

    Raises: ImproperlyConfigured.
    """
    found = _chains.get(paths)
    if found is not None:
        return found
    with _lock:
        if paths not in _chains:
            instances = [_instance(path) for path in paths]
            _chains[paths] = Chain(
                [one.enqueue for one in instances if hasattr(one, "enqueue")],
                [one.run for one in instances if hasattr(one, "run")],
            )
        return _chains[paths]


def _instance(path: str) -> Any:
    try:
        found = import_string(path)()
    except Exception as error:
        raise ImproperlyConfigured(
            f"OPTIONS['MIDDLEWARE'] names {path!r}, which can't be imported and called without "
            f"arguments: {type(error).__name__}: {error}"
        ) from error
    methods = [getattr(found, name) for name in ("enqueue", "run") if hasattr(found, name)]
    if not methods:
        raise ImproperlyConfigured(
            f"OPTIONS['MIDDLEWARE'] names {path!r}, which has neither a method `enqueue` nor `run`."
        )
    for method in methods:
        if iscoroutinefunction(method) or isasyncgenfunction(method):
            raise ImproperlyConfigured(
                f"OPTIONS['MIDDLEWARE'] names {path!r}, whose method `{method.__name__}` is async: "
                "write a plain one, also for async tasks."
            )
    return found


def _forget_in_child() -> None:
    # What an instance holds, such as a connection, belongs to the parent process.
    global _lock
    _lock = threading.Lock()
    _chains.clear()


def _settings_changed(*, setting: str, **_: object) -> None:
    if setting == "TASKS":
        _chains.clear()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget_in_child)
setting_changed.connect(_settings_changed)
