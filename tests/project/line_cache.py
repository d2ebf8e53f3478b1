"""A cache at a server that answers line by line, as memcached does; and those who use it."""

import os
import socket
from typing import Any

from django.apps import AppConfig
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache

from django_jobqueue import task
from tests.project.tasks import note, wait_for

ALIAS = "lines"


class LineCache(BaseCache):
    """The client keeps its connection until it is closed."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._location = location
        self._socket: socket.socket | None = None

    def get(self, key: str, default: Any = None, version: int | None = None) -> str:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", int(self._location)))
        self._socket.sendall(f"{key}\n".encode())
        return self._socket.recv(1000).decode().strip()

    def close(self, **kwargs: Any) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class EarlyCache(AppConfig):
    """An app that uses the cache before any process is forked."""

    name = "tests.project.line_cache"
    label = "line_cache"

    def ready(self) -> None:
        caches[ALIAS].get("early")


@task
def ask_together(path: str, gate: str, key: str) -> str:
    """Ask when another process is about to ask too."""
    note(path, f"start {os.getpid()}")
    wait_for(gate)
    found: str = caches[ALIAS].get(key)
    return found


@task
def ask(key: str) -> str:
    found: str = caches[ALIAS].get(key)
    return found


@task(timeout=0.5)
def ask_too_long(key: str) -> str:
    found: str = caches[ALIAS].get(key)
    return found
