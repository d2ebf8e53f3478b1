"""The health of a worker: each slot has claimed, polled or run a job lately.

A live process and a server that answers PING do not prove that jobs are claimed. External
probes read the age of the health file; people read the worker's record.
"""

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from django_jobqueue.worker.limits.shared_state import SharedState

logger = logging.getLogger("django_jobqueue.worker")

UNHEALTHY_AFTER_LEASES = 2  # without a reply from Redis


class HealthFile:
    """Touch a file while its process is healthy, and log each change."""

    def __init__(self, who: str, file: Path | None) -> None:
        self._who = who
        self._file = file
        self._was_healthy = True
        self._is_broken = False  # it can't be touched

    def show(self, faults: Sequence[str]) -> None:
        """Touch the file if there is no fault; log each change."""
        if faults and self._was_healthy:
            logger.error("The %s is not healthy: %s", self._who, "; ".join(faults))
        elif not faults and not self._was_healthy:
            logger.warning("The %s is healthy again.", self._who)
        self._was_healthy = not faults
        if not faults:
            self._touch()

    def end(self) -> None:
        """Remove the file when its process ends."""
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

    def __init__(
        self,
        shared: SharedState,
        slots: Sequence[str],
        lease: float,
        file: Path | None,
        idle: float = 0.0,
    ) -> None:
        """Touch `file` while the worker is healthy; an idle slot is silent for `idle` seconds."""
        self._states = {slot: shared.slot(slot) for slot in slots}
        self._limit = UNHEALTHY_AFTER_LEASES * lease
        self._slot_limit = max(self._limit, 2 * idle)
        self._file = HealthFile("worker", file)
        self._renewed_at = time.monotonic()
        self._refusal = ""
        self.end = self._file.end

    def note_renewal(self) -> None:
        """Store the time of a renewal that Redis has answered."""
        self._renewed_at = time.monotonic()
        self._refusal = ""

    def note_refusal(self, refusal: str) -> None:
        """Store what Redis says if it refuses the supervisor until a setting is changed."""
        self._refusal = refusal

    def faults(self) -> list[str]:
        """Return one text per fault; an empty list means that the worker is healthy."""
        now = time.monotonic()
        found = [
            f"slot {slot} has neither claimed nor polled for {self._slot_limit:g} s"
            for slot, state in self._states.items()
            if state.last_reply_at < now - self._slot_limit
        ]
        found += [
            f"slot {slot} is refused by Redis until a setting is changed; its log line says which"
            for slot, state in self._states.items()
            if state.is_refused
        ]
        if self._refusal:
            found.append(f"leases can't be renewed: {self._refusal}")
        elif self._renewed_at < now - self._limit:
            found.append(f"leases could not be renewed for {self._limit:g} s")
        return found

    def show(self) -> None:
        """Touch the file if the worker is healthy; log each change."""
        self._file.show(self.faults())
