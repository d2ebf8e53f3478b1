"""System checks of the schedules, and of the configuration of each alias of this package.

The checks run offline; only `manage.py check --deploy` also examines connections and servers.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.utils.module_loading import import_string

from django_jobqueue import compat, conf, middleware
from django_jobqueue.backend import JobQueueBackend
from django_jobqueue.engine import get_engine
from django_jobqueue.engine.client import Client
from django_jobqueue.engine.locate import caches_in, make_pool
from django_jobqueue.engine.transport import exposures
from django_jobqueue.exceptions import JobQueueError, QueueUnavailable
from django_jobqueue.jobs import payload
from django_jobqueue.ledger import outbox
from django_jobqueue.paths import registered
from django_jobqueue.schedules.spec import ScheduleSpec, declared

TAG = "jobqueue"


def aliases() -> list[str]:
    """Return the aliases of TASKS that use a JobQueueBackend, in the order of the settings."""
    return [
        alias
        for alias, params in getattr(settings, "TASKS", {}).items()
        if _is_ours(params.get("BACKEND", ""))
    ]


@checks.register(TAG)
def check_configuration(**kwargs: Any) -> list[checks.CheckMessage]:
    """Check the options, and that Redis is configured and not shared with a cache."""
    return [message for alias in aliases() for message in _configuration(alias)]


@checks.register(TAG)
def check_schedules(**kwargs: Any) -> list[checks.CheckMessage]:
    """Check what could not be checked when the schedules in the code were declared."""
    return [message for spec in declared().values() for message in _schedule(spec)]


@checks.register(TAG, deploy=True)
def check_servers(**kwargs: Any) -> list[checks.CheckMessage]:
    """Check the connection to each alias's server, and whether the server is fit for jobs."""
    messages: list[checks.CheckMessage] = []
    for alias in aliases():
        try:
            client = get_engine(alias).client
        except ImproperlyConfigured:
            continue  # check_configuration reports it
        messages += [*_way(client), *_login(client)]
        messages += _server(client)
    return messages


def _configuration(alias: str) -> Iterator[checks.CheckMessage]:
    faults = list(conf.faults(conf.raw(alias)))
    for fault in faults:
        yield checks.Error(f'TASKS["{alias}"]["OPTIONS"]: {fault}', id="jobqueue.E001")
    if faults:
        return
    given = conf.load(alias)
    yield from _database(alias, given)
    yield from _atomic(alias, given)
    yield from _windows(alias, given)
    try:
        pool = make_pool(given, {})
    except ImproperlyConfigured as error:
        yield checks.Error(f'TASKS["{alias}"]: {error}', id="jobqueue.E002")
        return
    try:
        middleware.load(given.middleware)
    except ImproperlyConfigured as error:
        yield checks.Error(f'TASKS["{alias}"]: {error}', id="jobqueue.E007")
    if given.enqueue_on_commit is None and _has_atomic_requests(given.database):
        yield checks.Warning(
            f'DATABASES["{given.database}"] has ATOMIC_REQUESTS, and TASKS["{alias}"]["OPTIONS"] '
            "does not say ENQUEUE_ON_COMMIT: tasks of libraries are stored before the commit, so "
            "that a worker may look for rows that are not there yet.",
            hint="Set ENQUEUE_ON_COMMIT to True, and MAX_ATTEMPTS for tasks that set none "
            "themselves; or set it to False if libraries' tasks must not wait.",
            id="jobqueue.W008",
        )
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


def _database(alias: str, given: conf.Options) -> Iterator[checks.CheckMessage]:
    """Check the database of the commits and of the ledger."""
    database = connections.settings.get(given.database)
    if database is None:
        yield checks.Error(
            f'TASKS["{alias}"]["OPTIONS"]["DATABASE"] is {given.database!r}, which DATABASES '
            f"does not have; there is: {', '.join(sorted(connections.settings))}.",
            id="jobqueue.E008",
        )
        return
    mode = database.get("OPTIONS", {}).get("transaction_mode")
    is_sqlite = database.get("ENGINE") == "django.db.backends.sqlite3"
    if is_sqlite and mode not in ("IMMEDIATE", "EXCLUSIVE") and outbox.is_declared(alias, given):
        yield checks.Warning(
            f'TASKS["{alias}"] has durable jobs in DATABASES["{given.database}"], which is SQLite '
            "without transaction_mode: two transactions that read before they write fail with "
            '"database is locked", however long their timeout is.',
            hint='Set DATABASES[…]["OPTIONS"]["transaction_mode"] = "IMMEDIATE".',
            id="jobqueue.W010",
        )


def _atomic(alias: str, given: conf.Options) -> Iterator[checks.CheckMessage]:
    """Check that tasks whose end is atomic are durable."""
    for task in registered().values():
        if task.backend == alias:
            try:
                outbox.check(task, given)
            except compat.InvalidTask as error:
                yield checks.Error(str(error), id="jobqueue.E009")


def _windows(alias: str, given: conf.Options) -> Iterator[checks.CheckMessage]:
    """Check that jobs are kept as long as they stand for further calls."""
    kept = min(given.retention.values())
    for path, task in registered().items():
        window = getattr(getattr(task, "unique", None), "until", None)
        if task.backend == alias and isinstance(window, timedelta) and window > timedelta(0, kept):
            yield checks.Warning(
                f"{path}: Unique(until={window!r}) is longer than some of its jobs are kept: "
                f'TASKS["{alias}"]["OPTIONS"]["RETENTION"] has {kept:g} seconds, and a job that is '
                "trimmed stands for no further call.",
                hint="Make the time shorter, or the retention longer.",
                id="jobqueue.W012",
            )


def _has_atomic_requests(database: str) -> bool:
    return bool(connections.settings.get(database, {}).get("ATOMIC_REQUESTS"))


def _schedule(spec: ScheduleSpec) -> Iterator[checks.CheckMessage]:
    at = f"schedule {spec.name!r} at {spec.declared_at}"
    if spec.alias not in aliases():
        yield checks.Warning(
            f'{at}: TASKS["{spec.alias}"] is no JobQueueBackend, so nothing fires it.',
            hint="Give the alias of a JobQueueBackend: task.using(backend=…).",
            id="jobqueue.W007",
        )
        return
    try:
        spec.task.get_backend().validate_task(spec.task)
        given = conf.load(spec.alias)
        payload.dump_call(spec.args, spec.kwargs, {}, given.max_payload)
    except (compat.InvalidTask, TypeError, ValueError) as error:
        yield checks.Error(f"{at}: {error}", id="jobqueue.E006")
    except ImproperlyConfigured:
        return  # check_configuration reports it


def _way(client: Client) -> Iterator[checks.CheckMessage]:
    for exposure in exposures(client.pool):
        yield checks.Warning(
            f'TASKS["{client.alias}"] at {client.address()}: {exposure}.',
            hint="Use rediss:// and let it check the certificate, or a Unix socket.",
            id="jobqueue.W005",
        )


def _login(client: Client) -> Iterator[checks.CheckMessage]:
    options = client.options
    if options.url and options.password is None and client.pool.connection_kwargs.get("password"):
        yield checks.Warning(
            f'TASKS["{client.alias}"] has the password of Redis in URL, where tools that show '
            "settings don't mask it.",
            hint="Give it as OPTIONS['PASSWORD'], and the user as OPTIONS['USERNAME'].",
            id="jobqueue.W009",
        )


def _server(client: Client) -> Iterator[checks.CheckMessage]:
    try:
        client.check_rights()
        client.attach()
    except QueueUnavailable as error:
        yield checks.Warning(str(error), id="jobqueue.W004")
    except JobQueueError as error:
        yield checks.Error(str(error), id="jobqueue.E004")


def _is_ours(path: str) -> bool:
    try:
        found = import_string(path)
    except ImportError:
        return False
    return isinstance(found, type) and issubclass(found, JobQueueBackend)
