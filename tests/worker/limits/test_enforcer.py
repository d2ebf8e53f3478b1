"""The enforcer: when a run is asked to end, when it is killed, and what it came to then."""

import math
import multiprocessing
import time

import pytest

from django_jobqueue.engine.claims import Lease
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome
from django_jobqueue.worker.limits.enforcer import LEASE_SAFETY, Enforcer
from django_jobqueue.worker.limits.shared_state import (
    InterruptReason,
    Limits,
    SharedState,
    SlotState,
    run_id,
)

LEASE = 30.0
OLD, NEW = "1-aaaaaaaaaaaa", "2-bbbbbbbbbbbb"
LONG_AGO, FAR = 1.0, time.monotonic() + 1e6
NOTHING = (math.inf, False, "")


@pytest.fixture
def shared() -> SharedState:
    return SharedState(multiprocessing, ["0.0"])


@pytest.fixture
def state(shared: SharedState) -> SlotState:
    return shared.slot("0.0")


@pytest.fixture
def enforcer(shared: SharedState) -> Enforcer:
    return Enforcer(shared, LEASE, may_kill=True)


def run(state: SlotState, fence: str = OLD, **limits: float) -> None:
    state.set_limits(Limits(**limits))
    state.begin_run(run_id(fence))


def held(fence: str, *, lost: bool = False, cancelled: bool = False) -> list[Lease]:
    return [Lease("0.0", "id", fence, lost, cancelled)]


def reason(enforcer: Enforcer) -> str:
    found = enforcer.kill_due("0.0")
    return found.reason if found else ""


def acts(enforcer: Enforcer) -> tuple[float, bool, str]:
    """Return when there is something to do, whether the run is asked to end, why it is killed."""
    return enforcer.due("0.0"), enforcer.ask_if_due("0.0"), reason(enforcer)


def asked(state: SlotState) -> tuple[int, int]:
    return state.interrupt_reason, state.interrupt_run


def test_idle_slot_has_nothing_to_fear(state: SlotState, enforcer: Enforcer) -> None:
    run(state, interrupt_at=LONG_AGO, kill_at=LONG_AGO)
    state.end_run()
    assert acts(enforcer) == NOTHING


def test_run_without_limits_goes_on_for_ever(state: SlotState, enforcer: Enforcer) -> None:
    run(state)
    assert acts(enforcer) == NOTHING


def test_run_is_asked_once_when_its_time_is_over(state: SlotState, enforcer: Enforcer) -> None:
    """Then its kill is next."""
    run(state, interrupt_at=LONG_AGO, kill_at=FAR)
    assert enforcer.due("0.0") == LONG_AGO
    assert [enforcer.ask_if_due("0.0") for _ in range(2)] == [True, False]
    assert asked(state) == (InterruptReason.TIMED_OUT, run_id(OLD))
    assert (enforcer.due("0.0"), reason(enforcer)) == (FAR, "")


def test_next_run_is_asked_anew(state: SlotState, enforcer: Enforcer) -> None:
    run(state, interrupt_at=LONG_AGO, kill_at=FAR)
    enforcer.ask_if_due("0.0")
    run(state, NEW, interrupt_at=FAR, kill_at=FAR + 1)
    assert not enforcer.ask_if_due("0.0")
    assert enforcer.due("0.0") == FAR
    run(state, NEW, interrupt_at=LONG_AGO, kill_at=FAR)
    assert enforcer.ask_if_due("0.0")


@pytest.mark.parametrize(
    ("retry", "outcome", "delay"),
    [(-1.0, "failed", 0), (0.0, "retried", 0), (2.5, "retried", 2500)],
)
def test_run_that_does_not_end_is_killed(
    state: SlotState, enforcer: Enforcer, retry: float, outcome: str, delay: int
) -> None:
    """Its attempt counts, and another follows if the task wants one."""
    run(state, interrupt_at=LONG_AGO, kill_at=LONG_AGO, retry_delay=retry)
    found = enforcer.kill_due("0.0")
    assert found is not None
    assert found.result is not None
    assert (found.reason, found.result.outcome) == ("timed_out", outcome)
    assert found.result.delay_ms == delay
    assert found.result.exception.endswith("JobTimeout")


def test_run_that_is_asked_late_has_its_grace(state: SlotState, enforcer: Enforcer) -> None:
    """Its supervisor was frozen."""
    run(state, interrupt_at=LONG_AGO, kill_at=LONG_AGO, grace=60.0)
    assert enforcer.ask_if_due("0.0")
    assert reason(enforcer) == ""
    assert 30 < enforcer.due("0.0") - time.monotonic() <= 60


def test_cancelled_run_is_asked_and_then_killed(state: SlotState, enforcer: Enforcer) -> None:
    """Its grace begins when it is asked."""
    run(state, grace=60.0)
    enforcer.note_renewal(held(OLD, cancelled=True), time.monotonic())
    assert enforcer.due("0.0") <= time.monotonic()
    assert enforcer.ask_if_due("0.0")
    assert asked(state) == (InterruptReason.CANCELLED, run_id(OLD))
    assert reason(enforcer) == ""
    assert 30 < enforcer.due("0.0") - time.monotonic() <= 60
    run(state, grace=0.0)
    found = enforcer.kill_due("0.0")
    assert found is not None
    assert found.result == RunResult(Outcome.CANCELLED, reason="cancelled")


def test_cancel_of_an_earlier_run_hurts_no_later_one(state: SlotState, enforcer: Enforcer) -> None:
    """The slot claimed another job while the renewal was on its way."""
    run(state, NEW)
    enforcer.note_renewal(held(OLD, cancelled=True), time.monotonic())
    assert (enforcer.due("0.0"), enforcer.ask_if_due("0.0")) == (math.inf, False)


def test_lease_of_an_earlier_run_is_none_of_a_later_one(
    state: SlotState, enforcer: Enforcer
) -> None:
    """A replica that took over knows nothing of the later one: its lease is not renewed there."""
    run(state, NEW, guarded_since=100.0)
    enforcer.note_renewal(held(OLD), 110.0)
    assert enforcer.due("0.0") == 100.0 + LEASE_SAFETY * LEASE


def test_trust_in_a_lease_begins_when_the_claim_was_sent(
    state: SlotState, enforcer: Enforcer
) -> None:
    """Before the server counted, so it ends before the server's lease."""
    run(state, guarded_since=100.0)
    assert enforcer.due("0.0") == 100.0 + LEASE_SAFETY * LEASE < 100.0 + LEASE


def test_renewal_extends_it(state: SlotState, enforcer: Enforcer) -> None:
    """Counted from when it was sent; one before the claim counts for nothing."""
    run(state, guarded_since=100.0)
    enforcer.note_renewal(held(OLD), 50.0)
    assert enforcer.due("0.0") == 100.0 + LEASE_SAFETY * LEASE
    enforcer.note_renewal(held(OLD), 110.0)
    assert enforcer.due("0.0") == 110.0 + LEASE_SAFETY * LEASE


def test_lost_lease_ends_it_at_once(state: SlotState, enforcer: Enforcer) -> None:
    """It is recovered, like any run whose process died."""
    run(state, guarded_since=time.monotonic())
    assert reason(enforcer) == ""
    enforcer.note_renewal(held(OLD, lost=True), time.monotonic())
    found = enforcer.kill_due("0.0")
    assert found is not None
    assert (found.reason, found.result) == ("lease_lost", None)


def test_lost_lease_of_an_earlier_run_hurts_no_later_one(
    state: SlotState, enforcer: Enforcer
) -> None:
    run(state, guarded_since=time.monotonic())
    enforcer.note_renewal(held(OLD, lost=True), time.monotonic())
    run(state, NEW, guarded_since=time.monotonic())
    assert reason(enforcer) == ""


def test_lost_lease_of_a_run_that_does_not_mind(state: SlotState, enforcer: Enforcer) -> None:
    run(state)
    enforcer.note_renewal(held(OLD, lost=True), time.monotonic())
    assert (enforcer.due("0.0"), reason(enforcer)) == (math.inf, "")


def test_what_comes_first_is_the_reason(state: SlotState, enforcer: Enforcer) -> None:
    run(state, guarded_since=LONG_AGO, interrupt_at=LONG_AGO, kill_at=2 * LONG_AGO)
    assert reason(enforcer) == "timed_out"


def test_threads_are_asked_but_not_killed(shared: SharedState, state: SlotState) -> None:
    """A process of several slots would take the others along."""
    enforcer = Enforcer(shared, LEASE, may_kill=False)
    run(state, guarded_since=LONG_AGO, interrupt_at=LONG_AGO, kill_at=LONG_AGO)
    assert enforcer.ask_if_due("0.0")
    assert enforcer.kill_due("0.0") is None
    assert enforcer.due("0.0") == math.inf
