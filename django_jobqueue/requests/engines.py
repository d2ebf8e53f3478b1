"""The engine of a request's job; the settings may no longer have its alias."""

from django.core.exceptions import ImproperlyConfigured

from django_jobqueue.engine import Engine, get_engine
from django_jobqueue.exceptions import QueueUnavailable


def engine_of(alias: str) -> Engine:
    """Return the engine of an alias.

    Raises: QueueUnavailable without it, so that a page can show the row nevertheless.
    """
    try:
        return get_engine(alias)
    except ImproperlyConfigured as error:
        raise QueueUnavailable(str(error)) from error
