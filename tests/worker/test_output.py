"""A reader that reads nothing: what the process writes is dropped, and told once it reads again."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from django_jobqueue.worker import output
from tests.support.processes import PATIENCE, ROOT, until

LINE = "x" * 99 + "\n"
MANY = 40_000  # of these lines no pipe, socket or terminal holds so many


def pipe() -> tuple[int, int]:
    return os.pipe()


def sockets() -> tuple[int, int]:
    """As systemd's journal gives them to a service."""
    reader, writer = socket.socketpair()
    return reader.detach(), writer.detach()


def foreign_pipe() -> tuple[int, int]:
    """A pipe that belongs to another user, and so can't be opened anew."""
    return os.pipe()


KINDS = [pipe, foreign_pipe, sockets, os.openpty]


@pytest.fixture(params=KINDS, ids=["pipe", "foreign pipe", "socket", "terminal"])
def ends(request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """Two descriptors: what is written to the second can be read from the first."""
    reader, writer = request.param()
    os.set_blocking(reader, False)
    if request.param is foreign_pipe:
        opened = os.open

        def refuse(path: Any, *given: Any) -> int:
            if str(path).startswith("/proc/self/fd"):
                raise PermissionError(path)
            return opened(path, *given)

        monkeypatch.setattr(os, "open", refuse)
    yield reader, writer
    os.close(reader)
    os.close(writer)


@pytest.fixture
def stream(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], object]]:
    """What writes to the second of them."""
    with open(ends[1], "w", closefd=False) as before:
        monkeypatch.setattr(sys, "stdout", before)
        output.keep_writable()
        now = sys.stdout
        assert now is not before

        def write(text: str) -> None:
            now.write(text)
            now.flush()

        yield write


def read(reader: int) -> str:
    """Return all that can be read at once."""
    found = b""
    try:
        while data := os.read(reader, 65536):
            found += data
    except BlockingIOError:
        pass
    return found.decode().replace("\r\n", "\n")


def test_nothing_waits_long_and_the_gap_is_told(
    ends: tuple[int, int], stream: Callable[[str], object]
) -> None:
    began = time.monotonic()
    for _ in range(MANY):
        stream(LINE)
    assert time.monotonic() - began < PATIENCE
    before = read(ends[0])
    stream("again\n")
    told = until(lambda: read(ends[0]))
    gap = re.fullmatch(r"\n?\[(\d+) bytes of output were dropped: .*\]\nagain\n", told)
    assert gap, told
    assert len(before) + int(gap[1]) == MANY * len(LINE)
    stream("and on\n")
    assert until(lambda: read(ends[0])) == "and on\n"


def test_much_at_once_is_not_dropped(
    ends: tuple[int, int], stream: Callable[[str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that reads is waited for, here longer: the machine may be busy."""
    monkeypatch.setattr(output, "PATIENCE", PATIENCE)
    pid = os.fork()
    if not pid:
        stream(LINE * MANY)
        os._exit(0)
    found = ""
    while not os.waitpid(pid, os.WNOHANG)[0]:
        found += read(ends[0])
    assert found + read(ends[0]) == LINE * MANY


def test_short_command_waits_for_its_pager(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "PATIENCE", 0.0)
    pid = os.fork()
    if not pid:
        sys.stdout = open(ends[1], "w", closefd=False)  # noqa: SIM115
        output.keep_writable(waits=True)
        sys.stdout.write(LINE * MANY)
        sys.stdout.flush()
        os._exit(0)
    found = ""
    while not os.waitpid(pid, os.WNOHANG)[0]:
        found += read(ends[0])
    assert found + read(ends[0]) == LINE * MANY


def test_child_tells_what_it_dropped_itself(
    ends: tuple[int, int], stream: Callable[[str], object]
) -> None:
    stream(LINE * MANY)
    read(ends[0])
    pid = os.fork()
    if not pid:
        stream("child\n")
        os._exit(0)
    os.waitpid(pid, 0)
    assert read(ends[0]) == "child\n"


def test_log_of_the_project_does_not_wait_either() -> None:
    """LOGGING is applied before the command begins."""
    script = """
import logging, sys
logging.basicConfig(stream=sys.stderr)
mine = logging.FileHandler(sys.argv[1], delay=True)
logging.getLogger("other").addHandler(mine)
from django_jobqueue.worker.output import keep_writable
keep_writable()
for number in range(3000):
    logging.error("x" * 99)
logging.getLogger("other").error("kept")
sys.exit(mine.stream.name != sys.argv[1])
"""
    reader, writer = os.pipe()
    done = subprocess.run(
        [sys.executable, "-c", script, os.devnull], stderr=writer, cwd=ROOT, timeout=PATIENCE
    )
    os.close(writer)
    os.close(reader)
    assert done.returncode == 0
