"""Connections to databases and caches: each job gets usable ones, without state of earlier jobs.

A slot uses those of its thread, also for coroutines, because the ORM runs their queries there.
This module calls Django's own check of a connection's age between jobs.
"""

import logging
from contextlib import suppress

from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger("django_jobqueue.worker")


def prepare() -> None:
    """Close open connections and pools, and enable health checks for kept database connections.

    Call it before a process starts: neither sockets nor the threads of a pool survive a fork.
    """
    for settings in connections.settings.values():
        # Without the check, the first job after a restart of the database fails. It costs at
        # most one short query per job, before the job's first query.
        settings["CONN_HEALTH_CHECKS"] = True
    for connection in connections.all(initialized_only=True):
        connection.close()
        close_pool = getattr(connection, "close_pool", None)
        if close_pool is not None:
            with suppress(ImproperlyConfigured):  # the first job that connects raises it
                close_pool()
    _drop_caches()


def tidy() -> None:
    """Close this thread's connections that are broken, too old or in a transaction.

    Never raises: the finished job must not run again because of an error here.
    """
    for connection in connections.all(initialized_only=True):
        connection.queries_log.clear()  # with DEBUG, the queries of a request
        try:
            if not _in_transaction(connection):
                connection.close_if_unusable_or_obsolete()
                continue
            logger.warning(
                'A task left a transaction open in the database "%s": it is rolled back.',
                connection.alias,
            )
            connection.close()
        except Exception:
            _note_failure(connection)
        # Django never reopens a connection that was closed in an atomic block: replace it.
        del connections[connection.alias]


def _in_transaction(connection: BaseDatabaseWrapper) -> bool:
    return connection.in_atomic_block or (
        connection.connection is not None
        and connection.autocommit != connection.settings_dict["AUTOCOMMIT"]
    )


def _note_failure(connection: BaseDatabaseWrapper) -> None:
    with suppress(Exception):  # the log may be unable to format the exception
        logger.exception('A connection to the database "%s" is given up.', connection.alias)


def drop() -> None:
    """Close this thread's connections after an interrupt, which may have broken their state."""
    for connection in connections.all(initialized_only=True):
        try:
            connection.close()
        except Exception:
            _note_failure(connection)
        del connections[connection.alias]
    _drop_caches()


def _drop_caches() -> None:
    """Close this thread's caches, and forget them: for some of them, closing does nothing."""
    for cache in caches.all(initialized_only=True):
        try:
            cache.close()
        except Exception:
            logger.exception("The connections of a cache are given up.")
    for alias in caches:
        with suppress(AttributeError):  # it was not used
            del caches[alias]
