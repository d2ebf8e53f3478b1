"""A database with a ledger that a test shares with its workers, and what stands in it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from uuid import UUID

from django.db import connections

from django_jobqueue.engine import Engine, get_engine
from django_jobqueue.jobs.states import FINAL
from django_jobqueue.ledger.reconciling import Reconciliation
from django_jobqueue.models import Enqueued

DATABASE = "ledger"  # its alias, in the test and in its workers


class DurableTasks:
    """The durable tasks, imported by the first test that uses one.

    A process that knows a durable task looks for rows, also for other tests.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("_", "pytest")):  # pytest looks at all that a module has
            raise AttributeError(name)
        return getattr(import_module("tests.project.durable_tasks"), name)


tasks: Any = DurableTasks()


class Ledger:
    """The rows of the alias "default", and the environment of workers that use them."""

    def __init__(self, database: dict[str, Any]) -> None:
        self.environment = {
            "TEST_DATABASES": json.dumps({DATABASE: database}),
            "TEST_OPTIONS": json.dumps({"DATABASE": DATABASE, "DURABLE": True}),
        }

    @property
    def engine(self) -> Engine:
        return get_engine("default")

    @property
    def rows(self) -> Any:
        return Enqueued.objects.using(DATABASE).order_by("job_id")

    def row(self, job_id: str) -> Enqueued:
        found: Enqueued = self.rows.get(pk=UUID(job_id))
        return found

    def reconcile(self) -> Reconciliation:
        """Do what `manage.py jobqueue reconcile` does."""
        reconciliation = Reconciliation(self.engine)
        reconciliation.run_all()
        return reconciliation

    def counted(self) -> int:
        """Return the sum to which the tasks of durable_tasks.py add."""
        with connections[DATABASE].cursor() as cursor:
            cursor.execute("SELECT n FROM counter")
            return int(cursor.fetchone()[0])


@contextmanager
def shared(database: dict[str, Any]) -> Iterator[Ledger]:
    """Open the database in this process, and make its tables."""
    default = connections.settings["default"]
    connections.settings[DATABASE] = {**default, "OPTIONS": {}, **database}
    connection = connections[DATABASE]
    try:
        with connection.schema_editor() as editor:
            editor.create_model(Enqueued)
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE counter (n integer NOT NULL)")
            cursor.execute("INSERT INTO counter VALUES (0)")
        yield Ledger(database)
        with connection.schema_editor() as editor:
            editor.delete_model(Enqueued)
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE counter")
    finally:
        connection.close()
        del connections[DATABASE]
        del connections.settings[DATABASE]


def trim_all(engine: Engine) -> None:
    """Remove all final jobs, as when their retention is over."""
    keep = [word for state in sorted(FINAL) for word in (state, 0, 0)]
    assert engine.client.run("trim", keep, first="", limit=500, interval=0)[0] == b""


def ids_in(engine: Engine) -> set[str]:
    """Return the ids of all jobs that Redis holds."""
    start = engine.client.keys("job", "")
    keys = engine.client.redis.scan_iter(match=f"{start!s}*", count=1000)
    return {key.decode().removeprefix(str(start)) for key in keys}
