"""Standard output and error of a long-lived process, which nothing that happens to them may end.

A disk is full, the reader of a pipe is gone, a terminal has another encoding: what can't be written
is dropped, also what a task prints.
"""

import io
import os
import sys
from contextlib import suppress
from typing import Any, TextIO


class _Dropping(io.FileIO):
    """A descriptor that takes all that it is given, and drops what can't be written."""

    def write(self, data: Any, /) -> int:
        written = None
        with suppress(OSError):
            written = super().write(data)
        return len(data) if written is None else written


def keep_writable() -> None:
    """Make this process's output take everything; call it before the first line."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # closed: else a socket would get its number, and the output of children
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    sys.stdout = _writable(sys.stdout)
    sys.stderr = _writable(sys.stderr)


def _writable(stream: TextIO | None) -> TextIO:
    if stream is None:  # it was closed when the process began, and its number may be another's now
        return open(os.devnull, "w")
    with suppress(OSError, ValueError):
        stream.flush()
    try:
        raw = _Dropping(stream.fileno(), "w", closefd=False)
    except (OSError, ValueError):  # no file: whoever put it there knows why
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=getattr(stream, "line_buffering", False),
        write_through=getattr(stream, "write_through", False),
    )
