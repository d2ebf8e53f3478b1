"""A PostgreSQL server of the tests' own, on a Unix socket, and apps that use it at odd times."""

import json
import logging
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from glob import glob
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
from django.apps import AppConfig
from django.db import connections

from django_jobqueue.compat import signals
from embedded.tether import tethered
from tests.support.processes import PATIENCE, until

# Debian and others keep it off the PATH, by version.
PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")
CONFIG = {
    "listen_addresses": "",  # no TCP
    "unix_socket_permissions": "0700",
    "fsync": "off",
    "shared_buffers": "16MB",
    "max_connections": "40",
}
USER = "tests"

logger = logging.getLogger("django_jobqueue.tests")


class PostgresNotFound(RuntimeError):
    """There is no PostgreSQL on this machine; the message says what to install."""


class Postgres:
    """One server with its data in a folder of its own; it ends with this process."""

    def __init__(self) -> None:
        """Make the folder. Raises: PostgresNotFound."""
        self._programs = find_programs()
        self._folder = Path(tempfile.mkdtemp(prefix="djq-postgres-"))
        self._log = self._folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            owner = pwd.getpwnam(_somebody())
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)

    def __enter__(self) -> "Postgres":
        try:
            options = ["-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
            if self._run("initdb", "-D", str(self._folder / "data"), *options).wait(PATIENCE) != 0:
                raise AssertionError(f"initdb failed:\n{self._log.read_text()}")
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = [f"--{name}={value}" for name, value in CONFIG.items()]
        data = self._folder / "data"
        self._process = self._run("postgres", "-D", str(data), "-k", str(self._folder), *options)
        until(self._answers, what="PostgreSQL answers")

    def stop(self) -> None:
        """End the server as a crash of the machine would: no goodbye to anybody."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def restart(self) -> None:
        self.stop()
        self.start()

    def database(self, name: str, **given: Any) -> dict[str, Any]:
        """Return an entry of DATABASES; the server knows its connections by the name."""
        options = {"application_name": name, **given.pop("OPTIONS", {})}
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "USER": USER,
            "HOST": str(self._folder),
            "OPTIONS": options,
            **given,
        }

    def variables(self, name: str) -> dict[str, str]:
        """Return the environment of a process that uses the database of that name."""
        return {"TEST_DATABASES": json.dumps({"default": self.database(name, NAME=name)})}

    def states(self, name: str) -> list[str]:
        """Return what each open connection of that name does: "idle", "idle in transaction"…"""
        query = "SELECT state FROM pg_stat_activity WHERE application_name = %s"
        return [state for (state,) in self.execute(query, name)]

    def cut(self, name: str) -> None:
        """End all connections of that name from the server's side."""
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
        self.execute(query, name)
        until(lambda: not self.states(name), what=f"no connection of {name} is left")

    def execute(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self.connect(autocommit=True) as connection:
            found = connection.execute(query, values)
            return found.fetchall() if found.description else []

    def connect(self, name: str = "postgres", **given: Any) -> "psycopg.Connection[Any]":
        """Connect to the database of that name."""
        return psycopg.connect(host=str(self._folder), user=USER, dbname=name, **given)

    def count_blocked(self, name: str) -> int:
        """Return how many connections of that name wait for a lock."""
        query = (
            "SELECT pid FROM pg_stat_activity"
            " WHERE application_name = %s AND wait_event_type = 'Lock'"
        )
        return len(self.execute(query, name))

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise AssertionError(f"PostgreSQL ended:\n{self._log.read_text()}")
        try:
            return bool(self.execute("SELECT 1"))
        except psycopg.OperationalError:
            return False

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                _owned([str(self._programs / program), *arguments]),
                stdout=log,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,
            )


def find_programs() -> Path:
    """Return the folder of initdb and postgres. Raises: PostgresNotFound."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    for place in PLACES:
        folders += sorted(map(Path, glob(place)), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise PostgresNotFound("No PostgreSQL on this machine (apt install postgresql).")


def _owned(command: Sequence[str]) -> list[str]:
    """Return the command as this user's, or as somebody's if that is root.

    It ends with this process. PostgreSQL refuses to run as root.
    """
    if os.geteuid() != 0:
        return tethered(command, signal.SIGQUIT)
    owner = pwd.getpwnam(_somebody())
    identity = [f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
    return ["setpriv", *identity, "--pdeathsig=QUIT", *command]


def _somebody() -> str:
    names = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def ask_all() -> None:
    for alias in connections:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT 1")


class Early(AppConfig):
    """An app that queries all databases before the worker starts its processes."""

    name = "tests.support"
    label = "early"

    def ready(self) -> None:
        ask_all()


class Listener(AppConfig):
    """An app that queries all databases when a job has finished."""

    name = "tests.support"
    label = "listener"

    def ready(self) -> None:
        signals.task_finished.connect(self.on_finished)

    def on_finished(self, **kwargs: object) -> None:
        ask_all()
        logger.warning("heard")
