"""The regular reading of the schedules from the database.

It has its own thread, so that a database that hangs does not delay the scheduler.
"""

import logging
import threading

from django_jobqueue.schedules.stored import Listing, current, enter_declared
from django_jobqueue.worker import connections, stop_signals

logger = logging.getLogger("django_jobqueue.worker")

READ_EVERY = 5.0  # seconds until a change in the admin takes effect


class ScheduleLoader:
    """Read the schedules of one alias and keep the latest result."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._listing: Listing | None = None
        self._is_entered = False
        self._has_failed = False
        self._has_read = threading.Event()
        self._stop = threading.Event()

    def latest(self) -> Listing | None:
        """Return the schedules that were read last; None: none were read yet."""
        return self._listing

    def start(self) -> None:
        """Start the thread and wait for the first reading, at most `READ_EVERY` seconds."""
        with stop_signals.blocked():  # so is the thread: the main thread gets them
            threading.Thread(target=self._run, name="schedules", daemon=True).start()
        self._has_read.wait(READ_EVERY)

    def stop(self) -> None:
        self._stop.set()

    def read(self) -> None:
        """Read the schedules; after a failure, keep the known ones."""
        try:
            if not self._is_entered:
                enter_declared(self._alias)
                self._is_entered = True
            self._listing = current(self._alias)
        except Exception as error:
            connections.drop()
            if not self._has_failed:
                known = "Those known are fired as before." if self._listing else "None is fired."
                if "django_jobqueue_schedule" in str(error):  # there is no such table
                    known += " Run `manage.py migrate` first."
                logger.error("The schedules can't be read from the database (%s). %s", error, known)
            self._has_failed = True
        else:
            connections.tidy()
            if self._has_failed:
                logger.warning("The schedules are read from the database again.")
            self._has_failed = False

    def _run(self) -> None:
        while not self._stop.is_set():
            self.read()
            self._has_read.set()
            self._stop.wait(READ_EVERY)
        connections.drop()
