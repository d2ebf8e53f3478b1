"""The pauses of a worker's processes while Redis is unavailable, and their log lines."""

import logging
import random
import time
from collections.abc import Iterator
from weakref import WeakValueDictionary

from django_jobqueue.conf import load
from django_jobqueue.engine import Engine, new_engine
from django_jobqueue.engine.locate import supervisor_timeouts
from django_jobqueue.exceptions import QueueUnavailable

logger = logging.getLogger("django_jobqueue.worker")

SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 1.0  # seconds, before the jitter


class Outage:
    """Count the failed calls of one caller and set the time of its next one.

    Of the callers in a process that fail at the same time for the same reason, one logs it.
    """

    def __init__(self, meanwhile: str, level: int = logging.ERROR) -> None:
        """Log `meanwhile` with the first failure: it says what happens until Redis answers."""
        self.failures = 0
        self.retry_at = 0.0  # monotonic; the earliest time of the next call
        self.refusal = ""  # what Redis says if a setting must be changed before it answers again
        self._meanwhile = meanwhile
        self._reason = ""  # which was logged last
        self._level = level

    def note_failure(self, error: Exception) -> float:
        """Count a failure, log the first one; return the seconds until the next call.

        An outage may begin with a broken connection, and a log-in that is refused only later. So
        the first failure that does not end by itself is logged too.
        """
        is_refusal = not getattr(error, "passing", False)
        if self.failures == 0 or (is_refusal and not self.refusal):
            self._tell(error, logging.ERROR if is_refusal else self._level)
        if is_refusal:
            self.refusal = str(error)
        pause = pause_after(self.failures)
        self.failures += 1
        self.retry_at = time.monotonic() + pause
        return pause

    def note_success(self) -> None:
        if self.failures:
            if self._forget_reason():
                logger.warning("Redis answers again. Calls that have failed: %d.", self.failures)
            self.failures = 0
            self.refusal = ""

    def _tell(self, error: Exception, level: int) -> None:
        self._forget_reason()
        self._reason = f"{error} {self._meanwhile}"
        if _tellers.setdefault(self._reason, self) is self:
            logger.log(level, "%s %s", error, self._meanwhile)

    def _forget_reason(self) -> bool:
        """Let others log the same reason; return whether it was this one that has."""
        if _tellers.get(self._reason) is not self:
            return False
        del _tellers[self._reason]
        return True


# Reason → who has logged it, and will log its end. A caller that is gone tells nothing any more.
_tellers: WeakValueDictionary[str, Outage] = WeakValueDictionary()


def pause_after(failures: int) -> float:
    """Return the seconds to wait after a failure; `failures` is the number of earlier ones."""
    longest = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2.0 ** min(failures, 10))
    return longest * random.uniform(0.5, 1)  # noqa: S311


def patient_engine(alias: str) -> Engine:
    """Return an engine for the supervisor or a scheduler, which repeat failed calls themselves."""
    return new_engine(alias, supervisor_timeouts(load(alias).lease))


def attach(engine: Engine, outage: Outage) -> Iterator[float]:
    """Attach the process to Redis; yield the seconds to wait each time Redis is unavailable.

    Raises: ServerUnfit, OwnerMismatch, SchemaMismatch, QueueUnavailable (the log-in is refused).
    """
    while True:
        try:
            engine.client.check_rights()
            engine.client.attach()
        except QueueUnavailable as error:
            if not error.passing:
                raise
            yield outage.note_failure(error)
        else:
            outage.note_success()
            return
