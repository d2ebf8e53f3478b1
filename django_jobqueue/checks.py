"""System checks: is the configuration of each alias of ours sound?

Offline by default; `manage.py check --deploy` also looks at the way to the server, and asks it.
"""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from django_jobqueue import compat, conf
from django_jobqueue.backend import JobQueueBackend
from django_jobqueue.engine import get_engine
from django_jobqueue.engine.client import Connection
from django_jobqueue.engine.locate import caches_in, make_pool
from django_jobqueue.engine.server import exposures
from django_jobqueue.exceptions import JobQueueError, QueueUnavailable
from django_jobqueue.jobs import payload
from django_jobqueue.schedules.spec import Entry, declared

TAG = "jobqueue"


def aliases() -> list[str]:
    """Return the aliases of TASKS that are ours, in the order of the settings."""
    return [
        alias
        for alias, params in getattr(settings, "TASKS", {}).items()
        if _is_ours(params.get("BACKEND", ""))
    ]


@checks.register(TAG)
def check_configuration(**kwargs: Any) -> list[checks.CheckMessage]:
    """Check options, and whether Redis is named and not shared with a cache."""
    return [message for alias in aliases() for message in _configuration(alias)]


@checks.register(TAG)
def check_schedules(**kwargs: Any) -> list[checks.CheckMessage]:
    """Check of the schedules in the code what was not known yet when they were declared."""
    return [message for entry in declared().values() for message in _schedule(entry)]


@checks.register(TAG, deploy=True)
def check_servers(**kwargs: Any) -> list[checks.CheckMessage]:
    """Look at the way to each alias's server, and ask it whether it can be trusted with jobs."""
    messages: list[checks.CheckMessage] = []
    for alias in aliases():
        try:
            connection = get_engine(alias).connection
        except ImproperlyConfigured:
            continue  # the offline check tells
        messages += _way(connection)
        messages += _server(connection)
    return messages


def _configuration(alias: str) -> Iterator[checks.CheckMessage]:
    faults = list(conf.faults(conf.raw(alias)))
    for fault in faults:
        yield checks.Error(f'TASKS["{alias}"]["OPTIONS"]: {fault}', id="jobqueue.E001")
    if faults:
        return
    given = conf.load(alias)
    try:
        pool = make_pool(given, {})
    except ImproperlyConfigured as error:
        yield checks.Error(f'TASKS["{alias}"]: {error}', id="jobqueue.E002")
        return
    for name in caches_in(pool):
        text = (
            f'The jobs of TASKS["{alias}"] share database {pool.connection_kwargs.get("db")} with '
            f'CACHES["{name}"]: cache.clear() is FLUSHDB and deletes them.'
        )
        if given.db is None:
            hint = "Set OPTIONS['DB'] to another number, or to this one if you must share it."
            yield checks.Error(text, hint=hint, id="jobqueue.E003")
        else:
            yield checks.Warning(text, hint="Use another database or server.", id="jobqueue.W003")


def _schedule(entry: Entry) -> Iterator[checks.CheckMessage]:
    at = f"schedule {entry.name!r} at {entry.place}"
    if entry.alias not in aliases():
        yield checks.Warning(
            f'{at}: TASKS["{entry.alias}"] is no JobQueueBackend, so nothing fires it.',
            hint="Give the alias of a JobQueueBackend: task.using(backend=…).",
            id="jobqueue.W007",
        )
        return
    try:
        entry.task.get_backend().validate_task(entry.task)
        given = conf.load(entry.alias)
        payload.dump_call((entry.args, entry.kwargs), given.max_payload)
    except (compat.InvalidTask, TypeError, ValueError) as error:
        yield checks.Error(f"{at}: {error}", id="jobqueue.E006")
    except ImproperlyConfigured:
        return  # check_configuration tells


def _way(connection: Connection) -> Iterator[checks.CheckMessage]:
    for exposure in exposures(connection.client.connection_pool):
        yield checks.Warning(
            f'TASKS["{connection.alias}"] at {connection.address()}: {exposure}.',
            hint="Use rediss:// and let it check the certificate, or a Unix socket.",
            id="jobqueue.W005",
        )


def _server(connection: Connection) -> Iterator[checks.CheckMessage]:
    try:
        connection.attach()
    except QueueUnavailable as error:
        yield checks.Warning(str(error), id="jobqueue.W004")
    except JobQueueError as error:
        yield checks.Error(str(error), id="jobqueue.E004")
    if connection.server is None or not (found := connection.server.weaknesses()):
        return
    known = "; ".join(f"{weakness.cve} ({weakness.what})" for weakness in found)
    yield checks.Warning(
        f"The server at {connection.address()} says that it is {connection.server}, which has "
        f"published weaknesses: {known}.",
        hint=(
            "Update it. Distributions mend old numbers too: if yours has, silence this check with "
            "SILENCED_SYSTEM_CHECKS."
        ),
        id="jobqueue.W006",
    )


def _is_ours(path: str) -> bool:
    try:
        found = import_string(path)
    except ImportError:
        return False
    return isinstance(found, type) and issubclass(found, JobQueueBackend)
