"""All that touches Redis: one Engine per process and alias.

The writers (jobs, queues, schedules, values, workers) have one method per transition; the
inspector reads for people. They do not know each other.
"""

import os
import threading
from typing import Any

from django.core.signals import setting_changed

from django_jobqueue.conf import Options, load
from django_jobqueue.engine.cached import Values
from django_jobqueue.engine.claims import Workers
from django_jobqueue.engine.client import Connection
from django_jobqueue.engine.inspector import Inspector
from django_jobqueue.engine.jobs import Jobs
from django_jobqueue.engine.queues import Queues
from django_jobqueue.engine.schedules import Schedules
from django_jobqueue.jobs.payload import Signer


class Engine:
    """One alias: its connection, writers, inspector and signer."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.alias = connection.alias
        self.options: Options = connection.options
        self.signer = Signer(connection.options.signing_keys)
        self.jobs = Jobs(connection)
        self.queues = Queues(connection)
        self.schedules = Schedules(connection)
        self.values = Values(connection)
        self.workers = Workers(connection)
        self.inspector = Inspector(connection)


_engines: dict[str, Engine] = {}
_lock = threading.Lock()


def get_engine(alias: str) -> Engine:
    """Return the process's engine of an alias, made at first use without connecting.

    Raises: ImproperlyConfigured.
    """
    try:
        return _engines[alias]
    except KeyError:
        with _lock:
            if alias not in _engines:
                _engines[alias] = Engine(Connection(alias, load(alias)))
            return _engines[alias]


def new_engine(alias: str, timeouts: dict[str, Any]) -> Engine:
    """Return an engine with a pool of its own, for one who waits or gives up differently."""
    return Engine(Connection(alias, load(alias), timeouts=timeouts))


def close_engines() -> None:
    """Close and forget all engines of this process."""
    with _lock:
        for engine in _engines.values():
            engine.connection.close()
        _engines.clear()


def _forget_in_child() -> None:
    # The sockets belong to the parent: they are dropped, not closed.
    global _lock
    _lock = threading.Lock()
    _engines.clear()


def _settings_changed(*, setting: str, **_: object) -> None:
    if setting in {"TASKS", "CACHES", "SECRET_KEY", "SECRET_KEY_FALLBACKS"}:
        close_engines()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget_in_child)
setting_changed.connect(_settings_changed)
