"""An interrupt that comes when the function has just ended."""

import multiprocessing
import sys
from typing import Any

from django_jobqueue.testing.run import NoReport
from django_jobqueue.worker.limits.interrupt import Interrupt
from django_jobqueue.worker.limits.shared_state import InterruptReason, SharedState, run_id
from tests.worker.execution import claimed, executor


def test_interrupt_at_the_last_moment_ends_with_the_function() -> None:
    """It comes in the call that is to prevent it: afterwards nothing interrupts the middleware."""
    state = SharedState(multiprocessing, ["0.0"]).slot("0.0")
    interrupt = Interrupt(state)
    job = claimed("add", b'{"args":[1,2],"kwargs":{}}')
    off = Interrupt.off.__code__

    def ask_at_off(frame: Any, event: str, argument: object) -> None:
        if event == "call" and frame.f_code is off:
            sys.settrace(None)
            state.ask_to_end(InterruptReason.TIMED_OUT, run_id(job.fence))
            interrupt.deliver()

    sys.settrace(ask_at_off)
    try:
        result = executor.execute(job, NoReport(), interrupt).result
    finally:
        sys.settrace(None)

    assert result.reason == "timed_out"
    assert state.run == 0
    assert not interrupt._is_on
