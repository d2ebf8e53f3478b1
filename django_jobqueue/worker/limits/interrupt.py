"""The interrupt of a task whose time is over or whose job was cancelled.

The supervisor requests it through the shared state and a signal. One exception per run is raised
in the slot's thread, only while the task's code runs there; a coroutine is cancelled instead. A
task that catches the exception and continues is killed later.
"""

import asyncio
import ctypes
import logging
import signal
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from django_jobqueue.exceptions import JobCancelled, JobInterrupt, JobTimeout
from django_jobqueue.task import KILL_GRACE
from django_jobqueue.worker.limits.shared_state import InterruptReason, Limits, SlotState, run_id

logger = logging.getLogger("django_jobqueue.worker")

# The supervisor sends it to a process whose run is to end. Windows lacks it, and has no supervisor.
INTERRUPT_SIGNAL: signal.Signals = getattr(signal, "SIGUSR1", signal.SIGTERM)
UNKNOWN_THREAD = -1  # the slot's thread has not started yet
UNLIMITED = Limits(grace=KILL_GRACE)


class Interrupt:
    """Interrupt the runs of one slot; it is on while a task's code runs there."""

    def __init__(self, state: SlotState) -> None:
        self._state = state
        self._run = 0
        self._is_on = False
        self._limits = UNLIMITED
        self._lock = threading.Lock()  # used if the slot runs in a thread; see `_off`
        self._thread: int | None = UNKNOWN_THREAD  # None: the main thread
        self._coroutine: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        self._awaits = False  # the task is a coroutine function
        self.raised: JobInterrupt | None = None  # the exception of this run
        state.set_limits(UNLIMITED)

    def on(self, fence: str, limits: Limits, *, awaits: bool) -> None:
        """Allow interrupts of a run from now on."""
        self._run, self._awaits, self.raised = run_id(fence), awaits, None
        if limits is not self._limits:
            self._state.set_limits(limits)
            self._limits = limits
        if self._thread == UNKNOWN_THREAD:
            self._thread = None if _is_main() else threading.get_ident()
        if limits.guarded_since and self._thread is not None:
            logger.warning("A thread can't be stopped when its lease is lost (run %s).", fence)
        self._is_on = True  # before begin_run: the supervisor asks only once
        self._state.begin_run(self._run)

    def off(self) -> None:
        """Prevent interrupts from now on; suppress one that arrives during this call."""
        while True:
            try:
                self._off()
            except JobInterrupt:
                continue
            return

    def deliver(self) -> None:
        """Interrupt the run if the supervisor asks for it; the main thread calls it after a signal.

        A signal handler may call it only if the slot runs in the main thread: for a slot in
        another thread it takes a lock, and a second call within the first would block for ever.
        Raises: JobInterrupt if the slot runs in the main thread.
        """
        if self._thread is None:
            self._interrupt()
        else:
            with self._lock:
                self._interrupt()

    async def watched(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> Any:
        """Await a call of the task's coroutine function, which `deliver` can cancel."""
        if self.raised is not None:
            raise self.raised
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine always has one
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
                if self.raised is not None:  # else CPython 3.11 would look for it from now on
                    _raise_in(self._thread, None)
        if self._state.run:
            self._state.end_run()

    def _interrupt(self) -> None:
        reason, run = self._state.interrupt_reason, self._state.interrupt_run
        if not self._is_on or run != self._run or self.raised is not None:
            return
        kind = JobCancelled if reason == InterruptReason.CANCELLED else JobTimeout
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
    """Raise an exception in a thread at its next instruction; None: withdraw a pending one."""
    given = None if kind is None else ctypes.py_object(kind)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), given)
