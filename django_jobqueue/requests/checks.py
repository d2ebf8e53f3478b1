"""System checks of the settings of requests, and of the database that holds them."""

from collections.abc import Iterator
from typing import Any

from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import router
from django.utils.module_loading import import_string

from django_jobqueue import conf as jobqueue_conf
from django_jobqueue.checks import TAG, aliases
from django_jobqueue.requests import conf
from django_jobqueue.requests.models import JobRequest


@checks.register(TAG)
def check_requests(**kwargs: Any) -> list[checks.CheckMessage]:
    """Check the settings of requests, and that a request and its job share a transaction."""
    faults = list(conf.faults(conf.raw()))
    if faults:
        return [checks.Error(f"{conf.SETTING}: {one}", id="jobqueue.E011") for one in faults]
    return [*_functions(), *_databases()]


def _functions() -> Iterator[checks.CheckMessage]:
    options = conf.load()
    for name in ("may_see", "client_ip"):
        path = getattr(options, name)
        try:
            is_function = not path or callable(import_string(path))
        except ImportError:
            is_function = False
        if not is_function:
            text = f"{conf.SETTING}: {name.upper()} is {path!r}, which is no function."
            yield checks.Error(text, id="jobqueue.E011")


def _databases() -> Iterator[checks.CheckMessage]:
    database = router.db_for_write(JobRequest)
    for alias in aliases():
        try:
            ledger = jobqueue_conf.load(alias).database
        except ImproperlyConfigured:
            continue  # check_configuration reports it
        if ledger != database:
            yield checks.Warning(
                f'Requests are stored in the database "{database}", and TASKS["{alias}"] keeps its '
                f'durable jobs in "{ledger}": a request could be stored without its job.',
                hint="Set OPTIONS['DATABASE'], or the router, so that it is one database.",
                id="jobqueue.W011",
            )
