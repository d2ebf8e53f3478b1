"""The state that slots and their supervisor share."""

import math
import multiprocessing
import time
from functools import partial
from typing import Any

import pytest

from django_jobqueue.worker.limits.shared_state import (
    NEVER,
    InterruptReason,
    Limits,
    SharedState,
    SlotState,
    run_id,
)

LIMITS = Limits(guarded_since=1.5, interrupt_at=2.5, kill_at=3.5, grace=4.5, retry_delay=5.5)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_supervisor_sees_what_a_process_tells(method: str) -> None:
    """In both ways to start a process, and in both directions."""
    context: Any = multiprocessing.get_context(method)
    shared = SharedState(context, ["0.0", "0.1"])
    shared.slot("0.1").ask_to_end(InterruptReason.CANCELLED, 7)
    process = context.Process(target=tell, args=[shared])
    process.start()
    process.join(30)

    assert process.exitcode == 0
    assert (shared.slot("0.0").run, shared.slot("0.0").limits) == (0, Limits(retry_delay=0.0))
    assert (shared.slot("0.1").run, shared.slot("0.1").limits) == (7, LIMITS)


def tell(shared: SharedState) -> None:
    state = shared.slot("0.1")
    assert state.interrupt_reason == InterruptReason.CANCELLED
    state.set_limits(LIMITS)
    state.begin_run(state.interrupt_run)


def told(state: SlotState) -> tuple[bool, int, float]:
    """Return whether the slot may be silent for ever, its run, and when it must have moved."""
    return state.last_reply_at == math.inf, state.run, state.must_exit_by


def test_life_of_a_process() -> None:
    """It comes up, runs a job, idles and leaves."""
    state = SharedState(multiprocessing, ["0.0"]).slot("0.0")
    state.reset(60.0)
    assert told(state) == (False, 0, 60.0)
    state.mark_ready()
    assert told(state) == (False, 0, NEVER)
    state.mark_busy()
    state.begin_run(3)
    assert told(state) == (True, 3, NEVER)
    state.end_run()
    assert told(state) == (True, 0, NEVER)  # middleware may still run
    state.note_reply()
    assert told(state) == (False, 0, NEVER)
    assert state.last_reply_at <= time.monotonic()
    state.mark_leaving(90.0)
    assert told(state) == (True, 0, 90.0)
    state.mark_idle()
    assert told(state) == (True, 0, NEVER)


def test_process_that_died_in_a_run_leaves_none_behind() -> None:
    """The next process in its place has not begun."""
    state = SharedState(multiprocessing, ["0.0"]).slot("0.0")
    state.begin_run(3)
    state.mark_idle()
    state.reset(60.0)
    assert state.run == 0


def test_runs_have_numbers_of_their_own() -> None:
    """All 48 bits of a fence survive."""
    assert run_id("1-ffffffffffff") != run_id("1-fffffffffffe")
    assert run_id("12-000000000001") == 1


def test_drained_slot_is_told_from_one_that_ends_otherwise() -> None:
    """Until another process has its place."""
    state = SharedState(multiprocessing, ["0.0"]).slot("0.0")
    told = []
    for change in (
        partial(state.mark_leaving, 90.0),
        state.mark_drained,
        state.mark_idle,
        partial(state.reset, 60.0),
    ):
        change()
        told.append(state.drained)
    assert told == [False, True, True, False]
