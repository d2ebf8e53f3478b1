"""`manage.py demo`, which starts the whole demo with one command."""

import os
import socket
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.db import connections

from demo.processes import Child
from demo.seeds import LOGINS, plant
from demo.stage import Stage, WebServerEnded
from embedded.server import EmbeddedServer, ServerAlreadyRunning, ServerFailed, ServerNotFound

DEFAULT_PORT = 8000
PORTS_TRIED = 20


class Command(BaseCommand):
    help = (
        "Start a Redis server, the web server, a worker and a scheduler; Ctrl+C stops all of them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--bind", default="127.0.0.1", help="Address of the web server.")
        parser.add_argument(
            "--port",
            type=int,
            help=f"Port of the web server; without it, the first free one from {DEFAULT_PORT}.",
        )
        parser.add_argument("--processes", type=int, default=1, help="Processes of the worker.")

    def handle(self, *args: Any, **options: Any) -> None:
        self._printing = Lock()
        bind, port = options["bind"], free_port(options["bind"], options["port"])
        os.environ["DEMO_URL"] = url = f"http://{_in_url(bind)}:{port}"
        try:
            with self._redis() as server:
                self._prepare_database()
                self._run(server, (bind, port), url, options["processes"])
        except ServerAlreadyRunning as fault:
            raise CommandError(f"{fault} DEMO_DATA names the demo's.") from fault
        except (ServerNotFound, ServerFailed, WebServerEnded) as fault:
            raise CommandError(str(fault)) from fault
        self._say("Stopped.")

    @contextmanager
    def _redis(self) -> Iterator[EmbeddedServer | None]:
        """Run the Redis server of the demo, if REDIS_URL does not name one."""
        if os.environ.get("REDIS_URL"):
            self._say("redis: the server of REDIS_URL")
            yield None
            return
        with EmbeddedServer(settings.DATA / "redis") as server:
            self._say(f"redis: pid {server.pid}, data in {server.directory}")
            yield server

    def _prepare_database(self) -> None:
        call_command("migrate", verbosity=0)
        plant()
        connections.close_all()

    def _run(
        self, server: EmbeddedServer | None, address: tuple[str, int], url: str, processes: int
    ) -> None:
        bind, port = address
        web = Child("web", ["runserver", "--noreload", f"{_bracketed(bind)}:{port}"], self._say)
        stage = Stage(server, web, self._workers(processes), self._say)
        with stage.listening():
            try:
                stage.start()
                self._say(f"web: pid {web.pid}")
                stage.wait_for_web((_in_url(bind).strip("[]"), port))
                self._welcome(url)
                stage.watch()
                self._say("Stopping; the worker finishes its job. Ctrl+C again to hurry it.")
            finally:
                stage.stop()

    def _workers(self, processes: int) -> list[Child]:
        worker = Child(
            "worker", ["jobworker", "--no-reload", "--processes", str(processes)], self._say
        )
        return [worker, Child("scheduler", ["jobscheduler", "--no-reload"], self._say)]

    def _welcome(self, url: str) -> None:
        lines = ["", self.style.MIGRATE_HEADING(f"  The demo is at {url}/"), ""]
        lines += ["  Log in as (name = password):"]
        lines += [f"    {login.name:<9}{_role(login.staff)}" for login in LOGINS]
        lines += [
            "",
            f"  Admin: {url}/admin/",
            "  Ctrl+C stops everything and keeps the data.",
            "",
        ]
        self._say("\n".join(lines))

    def _say(self, line: str) -> None:
        with self._printing:
            self.stdout.write(line)
            self.stdout.flush()


def _role(staff: bool) -> str:
    return "sees the admin and all mails" if staff else "hands in homework"


def free_port(bind: str, wanted: int | None) -> int:
    """Return `wanted` if it is free; without it, the first free port from DEFAULT_PORT.

    Raises: CommandError.
    """
    for port in [wanted] if wanted else range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED):
        if _is_free(bind, port):
            return port
    if wanted:
        raise CommandError(f"Port {wanted} of {bind} is taken; choose another with --port.")
    raise CommandError(
        f"No port of {bind} is free from {DEFAULT_PORT} to {DEFAULT_PORT + PORTS_TRIED - 1}; "
        "choose one with --port."
    )


def _is_free(bind: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the web server does
        try:
            probe.bind((bind, port))
        except PermissionError as fault:
            raise CommandError(f"Port {port} of {bind}: {fault.strerror}.") from None
        except socket.gaierror:
            raise CommandError(f"{bind!r} is no address of this machine.") from None
        except OSError:
            return False
    return True


def _in_url(bind: str) -> str:
    """Return the host that a browser on this machine uses for a bound address."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(bind, _bracketed(bind))  # noqa: S104


def _bracketed(bind: str) -> str:
    return f"[{bind}]" if ":" in bind else bind
