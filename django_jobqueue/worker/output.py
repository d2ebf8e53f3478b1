"""Standard output and error of a long-lived process, which nothing that happens to them may end.

A disk is full, the reader of a pipe is gone or reads no more, a terminal has another encoding: what
can't be written is dropped, also what a task prints.
"""

import io
import logging
import os
import select
import socket
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TextIO

PATIENCE = 1.0  # seconds that a reader may be late; then all is dropped until it reads again

Send = Callable[[memoryview], int]  # writes what fits; raises BlockingIOError if nothing does


class _Dropping(io.FileIO):
    """A descriptor that takes all that it is given, and drops what can't be written.

    The next thing that can be written follows a line that says how much was dropped.
    """

    def __init__(self, descriptor: int, *, waits: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._begin()
        if waits or not hasattr(os, "register_at_fork"):  # on Windows, where no worker runs
            self._send: Send = partial(os.write, descriptor)
        else:
            self._send = _sender(descriptor)
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._dropped = 0  # bytes of which nothing was said yet
        self._is_torn = False  # the last of a line is among them
        self._patience = PATIENCE

    def write(self, data: Any, /) -> int:
        view = memoryview(data).cast("B")
        notice = self._notice()
        sent = self._send_in_time(memoryview(notice + view) if notice else view)
        lost = len(view) - max(0, sent - len(notice))
        self._dropped = lost + (self._dropped if sent < len(notice) else 0)
        self._is_torn = lost > 0 and (sent > 0 or self._is_torn)
        self._patience = 0.0 if lost else PATIENCE
        return len(view)

    def _notice(self) -> bytes:
        if not self._dropped:
            return b""
        line = f"[{self._dropped} bytes of output were dropped: they could not be written]\n"
        return (b"\n" if self._is_torn else b"") + line.encode()

    def _send_in_time(self, data: memoryview) -> int:
        """Return how many bytes could be written, with a little patience."""
        sent, deadline = 0, time.monotonic() + self._patience
        with suppress(OSError):
            while sent < len(data):
                try:
                    sent += self._send(data[sent:])
                except BlockingIOError:
                    left = deadline - time.monotonic()
                    if left <= 0 or not _is_ready(self.fileno(), left):
                        break
        return sent


def _sender(descriptor: int) -> Send:
    """Return what writes to a descriptor without ever waiting for its reader."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return partial(os.write, descriptor)
    if stat.S_ISSOCK(mode):  # of systemd's journal
        opened = socket.socket(fileno=os.dup(descriptor))
        return lambda data: opened.send(data, socket.MSG_DONTWAIT)
    try:
        # Opened anew, because all who have the same opening share the flag, such as the shell.
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
        return partial(os.write, os.open(f"/proc/self/fd/{descriptor}", flags))
    except OSError:  # not on Linux, or the pipe belongs to another user
        return partial(_write_if_ready, descriptor)


def _write_if_ready(descriptor: int, data: memoryview) -> int:
    """Write as much as a pipe takes at once if it is ready, unless others fill it meanwhile."""
    if not _is_ready(descriptor, 0.0):
        raise BlockingIOError
    return os.write(descriptor, data[: select.PIPE_BUF])


def _is_ready(descriptor: int, seconds: float) -> bool:
    """Wait until a descriptor can be written to, or has an error; return whether that came."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(seconds * 1000))


def keep_writable(*, waits: bool = False) -> None:
    """Make this process's output take everything; call it before the first line.

    `waits`: also wait for a reader that reads nothing for a while, such as a pager.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # closed: else a socket would get its number, and the output of children
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    for name in ("stdout", "stderr"):
        before: TextIO | None = getattr(sys, name)
        setattr(sys, name, _writable(before, waits))
        if before is not None:
            _redirect_logs(before, getattr(sys, name))


def _writable(stream: TextIO | None, waits: bool) -> TextIO:
    if stream is None:  # it was closed when the process began, and its number may be another's now
        return open(os.devnull, "w")
    with suppress(OSError, ValueError):
        stream.flush()
    try:
        raw = _Dropping(stream.fileno(), waits=waits)
    except (OSError, ValueError):  # no file: whoever put it there knows why
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=getattr(stream, "line_buffering", False),
        write_through=getattr(stream, "write_through", False),
    )


def _redirect_logs(before: TextIO, now: TextIO) -> None:
    """Give the handlers of LOGGING, which was applied before, the new stream for the old one."""
    found = [logging.root, *logging.root.manager.loggerDict.values()]
    for handler in {one for logger in found for one in getattr(logger, "handlers", ())}:
        if isinstance(handler, logging.StreamHandler) and handler.stream is before:
            handler.setStream(now)
