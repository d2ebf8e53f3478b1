"""Whether a worker is healthy: each slot has claimed, polled or run a job lately. And its file.

A process that is alive, and a server that answers PING, prove nothing: peers were both, and
idle for ever. The file's age tells a probe outside; the worker's record tells people.
"""

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from django_jobqueue.worker.board import Board

logger = logging.getLogger("django_jobqueue.worker")

LEASES = 2  # so many leases without an answer of Redis are too many


class HealthFile:
    """A file that is touched while all is well; the log has each change."""

    def __init__(self, who: str, file: Path | None) -> None:
        self._who = who
        self._file = file
        self._was_healthy = True
        self._is_broken = False  # the file

    def show(self, faults: Sequence[str]) -> None:
        """Touch the file if there is no fault."""
        if faults and self._was_healthy:
            logger.error("The %s is not healthy: %s", self._who, "; ".join(faults))
        elif not faults and not self._was_healthy:
            logger.warning("The %s is healthy again.", self._who)
        self._was_healthy = not faults
        if not faults:
            self._touch()

    def end(self) -> None:
        """Take the file away: its process has gone."""
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink()

    def _touch(self) -> None:
        if self._file is None:
            return
        try:
            self._file.touch()
        except OSError as error:
            if not self._is_broken:
                logger.error("The health file can't be touched: %s", error)
            self._is_broken = True
        else:
            self._is_broken = False


class Health:
    """The health of one worker."""

    def __init__(self, board: Board, slots: Sequence[str], lease: float, file: Path | None) -> None:
        """`file` is touched while the worker is healthy, and removed at its end."""
        self._rows = {slot: board.row(slot) for slot in slots}
        self._limit = LEASES * lease
        self._file = HealthFile("worker", file)
        self._renewed_at = time.monotonic()
        self.end = self._file.end

    def renewed(self) -> None:
        """Note that Redis has answered the supervisor."""
        self._renewed_at = time.monotonic()

    def faults(self) -> list[str]:
        """Return what is wrong; empty: the worker is healthy."""
        since = time.monotonic() - self._limit
        found = [
            f"slot {slot} has neither claimed nor polled for {self._limit:g} s"
            for slot, row in self._rows.items()
            if row.heard_at < since
        ]
        if self._renewed_at < since:
            found.append(f"leases could not be renewed for {self._limit:g} s")
        return found

    def show(self) -> None:
        """Touch the file if all is well; log each change."""
        self._file.show(self.faults())
