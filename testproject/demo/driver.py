"""Drive the demo from outside, as its user would, for the system tests.

Start it by its command, read its output, hand in homework over HTTP, and kill parts of it.
"""

import http.cookiejar
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import redis

from embedded.place import socket_for, url_for
from inbox.folder import Mail, mails

PATIENCE = 60.0  # seconds; generous, because the machine may be busy
TESTPROJECT = Path(__file__).resolve().parent.parent


class Demo:
    """`manage.py demo` in a process of its own, with its data in a temporary folder."""

    def __init__(self, data: Path, **environment: str) -> None:
        self.data = data
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, str(TESTPROJECT / "manage.py"), "demo", "--port", str(self.port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=_clean_environment() | {"DEMO_DATA": str(data)} | environment,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def until(self, pattern: str, times: int = 1, timeout: float = PATIENCE) -> re.Match[str]:
        """Wait until `times` lines of output match, and return the last of these matches."""

        def found() -> re.Match[str] | None:
            hits = [hit for line in list(self.lines) if (hit := re.search(pattern, line))]
            if len(hits) < times and self._process.poll() is not None:
                raise AssertionError("The demo ended:\n" + "".join(self.lines))
            return hits[times - 1] if len(hits) >= times else None

        return eventually(found, timeout, lambda: "".join(self.lines))

    def ready(self) -> "Demo":
        self.until(r"The demo is at")
        return self

    def worker_pid(self, start: int = 1) -> int:
        """Return the pid of the worker's supervisor after start number `start`."""
        return int(self.until(r"^worker: pid (\d+)", start)[1])

    def family(self) -> set[int]:
        """Return the pids of the demo and of all its descendants."""
        children: dict[int, list[int]] = {}
        for pid, parent, _ in _processes():
            children.setdefault(parent, []).append(pid)
        found = {self._process.pid}
        todo = [self._process.pid]
        while todo:
            new = children.get(todo.pop(), [])
            found.update(new)
            todo.extend(new)
        return found

    def signal(self, signum: signal.Signals) -> None:
        self._process.send_signal(signum)

    def wait(self, timeout: float = PATIENCE) -> int:
        code = self._process.wait(timeout)
        self._reader.join(timeout)
        return code

    def close(self) -> None:
        """Stop the demo, by force if it hangs."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self.wait()
        except subprocess.TimeoutExpired:
            self._process.kill()
            self.wait()
            raise

    def _read(self) -> None:
        if self._process.stdout is not None:
            with self._process.stdout as output:
                self.lines.extend(output)

    def request(self) -> dict[str, Any]:
        """Return the row of what was asked for last."""
        with closing(sqlite3.connect(self.data / "demo.sqlite3", timeout=PATIENCE)) as connection:
            connection.row_factory = sqlite3.Row
            query = "SELECT * FROM django_jobqueue_requests_jobrequest ORDER BY id DESC LIMIT 1"
            return dict(connection.execute(query).fetchone())

    def mails(self) -> list[Mail]:
        return mails(self.data / "mails")

    def jobs(self) -> list[tuple[str, str]]:
        """Return (task, state) of every job in Redis, sorted."""
        url = url_for(socket_for(self.data / "redis"))
        with redis.Redis.from_url(url, decode_responses=True) as client:
            found = [client.hmget(key, "task", "state") for key in client.scan_iter("djq:*:job:*")]
        return sorted((str(task), str(state)) for task, state in found)


class Student:
    """A student without a browser: cookies, CSRF tokens and one file to hand in."""

    def __init__(self, url: str) -> None:
        self._url = url
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(jar)
        self._post("/login/", {"username": "student", "password": "student"})

    def get(self, path: str, accept: str = "text/html") -> tuple[str, str]:
        """Return (final address, text) of a page."""
        request = urllib.request.Request(self._url + path, headers={"Accept": accept})  # noqa: S310
        with self._opener.open(request, timeout=PATIENCE) as response:
            return response.url, response.read().decode()

    def hand_in(self, file: Path) -> str:
        """Hand in a file and return the path of its page."""
        page, _ = self._post("/homework/assignments/computing-basics/", {}, file)
        return page.removeprefix(self._url)

    def status(self, page: str) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.get(page, "application/json")[1])
        return status

    def _post(self, path: str, fields: dict[str, str], file: Path | None = None) -> tuple[str, str]:
        [token] = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(path)[1])[-1:]
        parts = [_part(name, value) for name, value in fields.items()]
        parts.append(_part("csrfmiddlewaretoken", token))
        if file is not None:
            parts.append(_part("file", file.read_text(), file.name))
        request = urllib.request.Request(  # noqa: S310 - the address is our own
            self._url + path,
            "".join([*parts, "--frontier--\r\n"]).encode(),
            {"Content-Type": "multipart/form-data; boundary=frontier", "Referer": self._url},
        )
        with self._opener.open(request, timeout=PATIENCE) as response:
            return response.url, response.read().decode()


def _part(name: str, value: str, filename: str | None = None) -> str:
    extra = f'; filename="{filename}"' if filename else ""
    head = f'--frontier\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'
    return f"{head}{value}\r\n"


def eventually(
    look: Callable[[], Any], timeout: float = PATIENCE, tell: Callable[[], str] = lambda: ""
) -> Any:
    """Call `look` until it returns something true, and return that; fail after `timeout`."""
    deadline = time.monotonic() + timeout
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"Not seen within {timeout:g} s. {tell()}")
        time.sleep(0.05)
    return seen


def _processes() -> list[tuple[int, int, str]]:
    """Return (pid, parent, state) of every process: from /proc, elsewhere from ps."""
    if not Path("/proc/self/stat").exists():
        columns = ["ps", "-A", "-o", "pid=,ppid=,stat="]
        listing = subprocess.run(columns, capture_output=True, text=True, check=True)
        rows = [line.split() for line in listing.stdout.splitlines()]
        return [(int(pid), int(parent), state) for pid, parent, state in rows]
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # The process has ended meanwhile.
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            found.append((int(stat.parent.name), int(parent), state))
    return found


def gone(pids: set[int]) -> bool:
    """Return whether all of the processes have ended; a zombie counts as ended."""
    return not {pid for pid, _, state in _processes() if not state.startswith("Z")} & pids


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _clean_environment() -> dict[str, str]:
    """Return the environment without the variables that configure the demo."""
    unwanted = ("DJANGO_", "DEMO_", "REDIS_URL", "SECRET_KEY")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
