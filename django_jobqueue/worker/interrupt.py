"""Raise in a task's own code, and nowhere else: its time is over, or its job was cancelled.

The supervisor asks by the board and a signal. The answer is one exception per run, raised in the
slot's thread while the task runs there; a coroutine is cancelled instead. Whoever catches it and
goes on is killed later.
"""

import asyncio
import ctypes
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from django_jobqueue.exceptions import JobCancelled, JobInterrupt, JobTimeout
from django_jobqueue.task import KILL_GRACE
from django_jobqueue.worker.board import CANCEL, Limits, Row, number_of

logger = logging.getLogger("django_jobqueue.worker")

UNKNOWN = -1  # which thread the slot's is: it begins later
UNLIMITED = Limits(grace=KILL_GRACE)


class Interrupt:
    """The switch of one slot, on while a task's code runs there."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self._run = 0.0
        self._is_on = False
        self._limits = UNLIMITED
        self._lock = threading.Lock()  # of a slot that is a thread; see `off`
        self._thread: int | None = UNKNOWN  # None: the main thread
        self._coroutine: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        self._awaits = False  # the task is a coroutine function
        self.claimed_at = 0.0  # monotonic; when the claim of the job was sent
        self.raised: JobInterrupt | None = None  # in this run
        row.limit(UNLIMITED)

    def on(self, fence: str, limits: Limits, *, awaits: bool) -> None:
        """Let a run be interrupted from now on."""
        self._run, self._awaits, self.raised = number_of(fence), awaits, None
        if limits is not self._limits:
            self._row.limit(limits)
            self._limits = limits
        if self._thread == UNKNOWN:
            self._thread = None if _is_main() else threading.get_ident()
        if limits.guarded and self._thread is not None:
            logger.warning("A thread can't be stopped when its lease is lost (run %s).", fence)
        self._is_on = True  # the supervisor asks as soon as it sees the run, and once
        self._row.work(self._run)

    def off(self) -> None:
        """Let nothing be raised any more. What comes at the last moment is swallowed."""
        while True:
            try:
                self._off()
            except JobInterrupt:
                continue
            return

    def deliver(self) -> None:
        """Look what the supervisor asks; called by the main thread when the signal has come.

        It is the signal's handler only if the main thread is the slot's: of a thread, it may not
        be called in the middle of itself.
        Raises: JobInterrupt if the main thread is the slot's.
        """
        if self._thread is None:
            self._interrupt()
        else:
            with self._lock:
                self._interrupt()

    async def watched(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> Any:
        """Await a call of the task's coroutine function so that it can be cancelled."""
        if self.raised is not None:
            raise self.raised
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - inside a coroutine there is one
        self._coroutine = (asyncio.get_running_loop(), task)
        positional, named = args
        try:
            return await function(*positional, **named)
        except asyncio.CancelledError:
            if self.raised is None:
                raise
            raise self.raised from None
        finally:
            self._coroutine = None

    def _off(self) -> None:
        if self._thread is None:
            self._is_on = False
        else:
            with self._lock:
                self._is_on = False
                _raise_in(self._thread, None)
        if self._row.run:
            self._row.end()

    def _interrupt(self) -> None:
        what, run = self._row.asked
        if not self._is_on or run != self._run or self.raised is not None:
            return
        kind = JobCancelled if what == CANCEL else JobTimeout
        self.raised = kind(kind.__doc__)
        if self._awaits:
            if self._coroutine is not None:
                loop, task = self._coroutine
                loop.call_soon_threadsafe(task.cancel)
        elif self._thread is None:
            raise self.raised
        else:
            _raise_in(self._thread, kind)


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()


def _raise_in(thread: int, kind: type[BaseException] | None) -> None:
    """Have an exception raised in a thread at its next instruction; None: take it back."""
    given = None if kind is None else ctypes.py_object(kind)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), given)
