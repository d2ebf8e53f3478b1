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

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from django_jobqueue.jobs.context import JobContext
from django_jobqueue.jobs.job import Job


class Chain(NamedTuple):
    """The methods of all middleware, outermost first."""

    enqueue: Sequence[
        Callable[[Job], object]
    ] = ()  # may change `job.metadata`, or raise to refuse the job
    run: Sequence[Callable[[JobContext], AbstractContextManager[Any]]] = ()  # around the function


@cache
def load(paths: tuple[str, ...]) -> Chain:
    """Return the methods of the classes at `paths`, which are instantiated once per process.

    Raises: ImproperlyConfigured.
    """
    instances = [_instance(path) for path in paths]
    return Chain(
        [one.enqueue for one in instances if hasattr(one, "enqueue")],
        [one.run for one in instances if hasattr(one, "run")],
    )


def _instance(path: str) -> Any:
    try:
        found = import_string(path)()
    except ImportError as error:
        raise ImproperlyConfigured(
            f"OPTIONS['MIDDLEWARE'] names {path!r}, which can't be imported: {error}"
        ) from error
    if not hasattr(found, "enqueue") and not hasattr(found, "run"):
        raise ImproperlyConfigured(
            f"OPTIONS['MIDDLEWARE'] names {path!r}, which has neither a method `enqueue` nor `run`."
        )
    return found


def _settings_changed(*, setting: str, **_: object) -> None:
    if setting == "TASKS":
        load.cache_clear()


setting_changed.connect(_settings_changed)
