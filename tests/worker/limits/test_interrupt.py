"""The interrupt: raised in the task's own code, once, and nowhere else."""

import asyncio
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from asgiref.sync import async_to_sync

from django_jobqueue.exceptions import JobCancelled, JobInterrupt, JobTimeout
from django_jobqueue.worker.limits.interrupt import UNLIMITED, Interrupt, _raise_in
from django_jobqueue.worker.limits.shared_state import (
    InterruptReason,
    SlotState,
    run_id,
)
from tests.support.processes import PATIENCE, until

FENCE, NEXT = "1-aaaaaaaaaaaa", "2-bbbbbbbbbbbb"


@pytest.fixture
def interrupt(state: SlotState) -> Iterator[Interrupt]:
    """The interrupt of a slot in this thread; SIGUSR1 delivers."""
    found = Interrupt(state)
    before = signal.signal(signal.SIGUSR1, lambda *_: found.deliver())
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # threads take turns within a millisecond
    yield found
    sys.setswitchinterval(interval)
    signal.signal(signal.SIGUSR1, before)


def test_run_is_interrupted_in_its_code(state: SlotState, interrupt: Interrupt) -> None:
    """By what the supervisor asks."""
    for reason, kind in (
        (InterruptReason.TIMED_OUT, JobTimeout),
        (InterruptReason.CANCELLED, JobCancelled),
    ):
        interrupt.on(FENCE, UNLIMITED, awaits=False)
        state.ask_to_end(reason, run_id(FENCE))
        with pytest.raises(kind):
            os.kill(os.getpid(), signal.SIGUSR1)
        interrupt.off()
        assert isinstance(interrupt.raised, kind)


class Asking(SlotState):
    """The state of a slot whose supervisor asks as soon as it sees a run; it does so once."""

    def begin_run(self, run: int) -> None:
        super().begin_run(run)
        self.ask_to_end(InterruptReason.CANCELLED, run)
        os.kill(os.getpid(), signal.SIGUSR1)


def test_run_that_is_asked_at_its_first_moment_is_interrupted() -> None:
    """It was cancelled while its module was imported."""
    interrupt = Interrupt(Asking())
    before = signal.signal(signal.SIGUSR1, lambda *_: interrupt.deliver())
    with pytest.raises(JobCancelled):
        interrupt.on(FENCE, UNLIMITED, awaits=False)
    interrupt.off()
    signal.signal(signal.SIGUSR1, before)


def test_no_exception_of_users_catches_it() -> None:
    """`except Exception` is for errors; this is none."""
    assert not issubclass(JobInterrupt, Exception)


def test_each_run_is_interrupted_once(state: SlotState, interrupt: Interrupt) -> None:
    """Whoever cleans up is left in peace."""
    interrupt.on(FENCE, UNLIMITED, awaits=False)
    state.ask_to_end(InterruptReason.TIMED_OUT, run_id(FENCE))
    with pytest.raises(JobTimeout):
        interrupt.deliver()
    state.ask_to_end(InterruptReason.CANCELLED, run_id(FENCE))
    interrupt.deliver()
    interrupt.off()


@pytest.mark.parametrize("asked", [FENCE, NEXT])
def test_other_runs_are_not_hit(state: SlotState, interrupt: Interrupt, asked: str) -> None:
    """Neither outside of a run, nor in one that was not meant."""
    state.ask_to_end(InterruptReason.TIMED_OUT, run_id(asked))
    interrupt.deliver()
    interrupt.on("3-cccccccccccc", UNLIMITED, awaits=False)
    interrupt.deliver()
    interrupt.off()
    interrupt.deliver()
    assert interrupt.raised is None


def test_run_shows_in_the_shared_state(state: SlotState, interrupt: Interrupt) -> None:
    """Only while its code runs."""
    assert state.run == 0
    interrupt.on(FENCE, UNLIMITED, awaits=False)
    assert (state.run, state.limits) == (run_id(FENCE), UNLIMITED)
    interrupt.off()
    assert state.run == 0


def test_signal_at_any_moment_is_raised_in_the_run_or_not_at_all(
    state: SlotState, interrupt: Interrupt
) -> None:
    """A thousand runs that end about when they are asked to; nothing escapes the last line."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    randomly = random.Random(seed)
    hit = 0
    for number in range(1, 1001):
        fence = f"{number}-{number:012x}"
        timer = threading.Timer(randomly.uniform(0, 0.001), ask_and_signal, [state, fence])
        try:
            try:
                interrupt.on(fence, UNLIMITED, awaits=False)
                timer.start()
                spin(randomly.uniform(0, 0.001))
            finally:
                interrupt.off()
        except JobTimeout:  # as the executor does: it may have come on the way to `off`
            interrupt.off()
            hit += 1
        timer.join()
        assert state.run == 0
    assert 0 < hit < 1000


def spin(seconds: float) -> None:
    """Run as a task does, in a frame of its own.

    Python 3.13 does not cover the jump of a loop by the `try` around it in the same frame.
    """
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def ask_and_signal(state: SlotState, fence: str) -> None:
    state.ask_to_end(InterruptReason.TIMED_OUT, run_id(fence))
    os.kill(os.getpid(), signal.SIGUSR1)


def test_thread_is_interrupted_by_the_main_thread(state: SlotState, interrupt: Interrupt) -> None:
    """At its next instruction; what comes too late is taken back."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    randomly = random.Random(seed)
    outcomes: list[str] = []

    def work() -> None:
        for number in range(1, 301):
            fence = f"{number}-{number:012x}"
            outcome = "done"
            try:
                try:
                    interrupt.on(fence, UNLIMITED, awaits=False)
                    spin(randomly.uniform(0, 0.002))
                finally:
                    interrupt.off()
            except JobTimeout:
                interrupt.off()
                outcome = "interrupted"
            sum(range(1000))  # where a late one would come up
            outcomes.append(outcome)

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        run = state.run
        if run:
            state.ask_to_end(InterruptReason.TIMED_OUT, run)
            interrupt.deliver()
        thread.join(randomly.uniform(0, 0.002))
    assert len(outcomes) == 300
    assert set(outcomes) == {"done", "interrupted"}
    deliver_one()


def deliver_one() -> None:
    """Raise an exception in a thread and let it arrive.

    One that is withdrawn leaves CPython 3.11 looking for it, and under a tracer that never ends.
    """
    ready = threading.Event()

    def wait() -> None:
        ready.set()
        spin(PATIENCE)

    def run() -> None:
        with pytest.raises(JobTimeout):
            wait()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(PATIENCE)
    _raise_in(thread.ident or 0, JobTimeout)
    thread.join()


def test_coroutine_is_cancelled(state: SlotState, interrupt: Interrupt) -> None:
    """It sees CancelledError, can clean up, and the job sees why."""
    seen: list[str] = []

    async def sleep(name: str) -> None:
        try:
            seen.append(name)
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("clean-up")
            raise

    interrupt.on(FENCE, UNLIMITED, awaits=True)

    def interrupt_it() -> None:
        until(lambda: seen)
        ask_and_signal(state, FENCE)

    threading.Thread(target=interrupt_it).start()
    began = time.monotonic()
    with pytest.raises(JobTimeout):
        async_to_sync(interrupt.watched)(sleep, ("started",), {})
    interrupt.off()
    assert seen == ["started", "clean-up"]
    assert time.monotonic() - began < 10


def test_coroutine_is_not_begun_when_it_is_too_late(state: SlotState, interrupt: Interrupt) -> None:
    async def never() -> None:
        raise AssertionError("it was begun")

    interrupt.on(FENCE, UNLIMITED, awaits=True)
    state.ask_to_end(InterruptReason.CANCELLED, run_id(FENCE))
    interrupt.deliver()
    with pytest.raises(JobCancelled):
        async_to_sync(interrupt.watched)(never, (), {})
    interrupt.off()


def test_cancellation_of_the_coroutines_own_stays_its_own(interrupt: Interrupt) -> None:
    async def cancel_itself() -> None:
        raise asyncio.CancelledError

    interrupt.on(FENCE, UNLIMITED, awaits=True)
    with pytest.raises(asyncio.CancelledError):
        async_to_sync(interrupt.watched)(cancel_itself, (), {})
    interrupt.off()
