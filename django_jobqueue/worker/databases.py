"""Database connections around jobs: a job finds usable ones, and no trace of an earlier job.

A slot's connections are those of its thread, also for coroutines: the ORM takes them back
there. Django knows how old a connection may get; this module sees to it that it is asked.
"""

import logging
from contextlib import suppress

from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger("django_jobqueue.worker")


def prepare() -> None:
    """Close what is open here, pools too, and have kept connections probed before their use.

    Done before a process starts: neither sockets nor the threads of a pool survive a fork.
    """
    for settings in connections.settings.values():
        # At most one short query per job, before the first of its own. Without it, the job
        # that comes after a restart of the database fails.
        settings["CONN_HEALTH_CHECKS"] = True
    for connection in connections.all(initialized_only=True):
        connection.close()
        close_pool = getattr(connection, "close_pool", None)
        if close_pool is not None:
            with suppress(ImproperlyConfigured):  # the first job that connects says it
                close_pool()


def tidy() -> None:
    """Close this thread's connections that are broken, too old or in a transaction.

    Never raises: the job before is done, and must not run again for what happens here.
    """
    for connection in connections.all(initialized_only=True):
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
            logger.exception('A connection to the database "%s" is given up.', connection.alias)
        # Django never reopens what was closed inside an atomic block: the next query starts anew.
        del connections[connection.alias]


def _in_transaction(connection: BaseDatabaseWrapper) -> bool:
    return connection.in_atomic_block or (
        connection.connection is not None
        and connection.autocommit != connection.settings_dict["AUTOCOMMIT"]
    )


def drop() -> None:
    """Close this thread's connections: the task was interrupted in the middle of anything."""
    for connection in connections.all(initialized_only=True):
        try:
            connection.close()
        except Exception:
            logger.exception('A connection to the database "%s" is given up.', connection.alias)
        del connections[connection.alias]
