"""Own all access to Redis: one Engine per process and alias.

The writers (jobs, claims, leases, queues, schedules, cached results, tags, locks, limits,
unsettled, workflows) have one method per transition; the inspector reads for people.
"""

import os
import threading
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from django_jobqueue.conf import Options, is_test_run, load
from django_jobqueue.engine.cached import CachedResults
from django_jobqueue.engine.claims import Claims
from django_jobqueue.engine.client import Client, forget_sockets
from django_jobqueue.engine.edits import Edits
from django_jobqueue.engine.inspector import Inspector
from django_jobqueue.engine.jobs import Jobs
from django_jobqueue.engine.leases import Leases
from django_jobqueue.engine.limits import Limits
from django_jobqueue.engine.locks import Locks
from django_jobqueue.engine.queues import Queues
from django_jobqueue.engine.remote_control import RemoteControl
from django_jobqueue.engine.schedules import Schedules
from django_jobqueue.engine.tags import Tags
from django_jobqueue.engine.unsettled import Unsettled
from django_jobqueue.engine.workflows import Workflows
from django_jobqueue.jobs.signing import Signer


class Engine:
    """One alias: its client, writers, inspector and signer."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.alias = client.alias
        self.options: Options = client.options
        self.signer = Signer(client.options.signing_keys)
        self.jobs = Jobs(client)
        self.queues = Queues(client)
        self.schedules = Schedules(client)
        self.cached_results = CachedResults(client)
        self.claims = Claims(client)
        self.leases = Leases(client)
        self.unsettled = Unsettled(client)
        self.tags = Tags(client)
        self.locks = Locks(client)
        self.limits = Limits(client)
        self.edits = Edits(client)
        self.workflows = Workflows(client)
        self.remote_control = RemoteControl(client)
        self.inspector = Inspector(client)

    def check_test_run(self) -> None:
        """Raise ImproperlyConfigured if a test is about to store a job that no test expects."""
        if not self.options.store_in_tests and is_test_run():
            raise ImproperlyConfigured(
                f'A test stores a job in the Redis of TASKS["{self.alias}"], where a worker may '
                "run it. Use captured_jobs() or EagerBackend of django_jobqueue.testing; or give "
                'the tests an OPTIONS["DB"] of their own and set OPTIONS["STORE_IN_TESTS"] = True.'
            )


_engines: dict[str, Engine] = {}
_lock = threading.Lock()


def get_engine(alias: str) -> Engine:
    """Return the process's engine of an alias, created at first use without connecting.

    Raises: ImproperlyConfigured.
    """
    try:
        return _engines[alias]
    except KeyError:
        with _lock:
            if alias not in _engines:
                _engines[alias] = Engine(Client(alias, load(alias)))
            return _engines[alias]


def new_engine(alias: str, timeouts: dict[str, Any]) -> Engine:
    """Return an engine with connections and time-outs of its own."""
    return Engine(Client(alias, load(alias), timeouts=timeouts))


def close_engines() -> None:
    """Close and forget all engines of this process."""
    with _lock:
        for engine in _engines.values():
            engine.client.close()
        _engines.clear()


def _forget_in_child() -> None:
    # The sockets belong to the parent process, so they are dropped, not closed.
    global _lock
    _lock = threading.Lock()
    _engines.clear()
    forget_sockets()


def _settings_changed(*, setting: str, **_: object) -> None:
    if setting in {"TASKS", "CACHES", "SECRET_KEY", "SECRET_KEY_FALLBACKS"}:
        close_engines()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget_in_child)
setting_changed.connect(_settings_changed)
