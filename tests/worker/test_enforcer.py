"""The enforcer: when a run is asked to end, when it is killed, and what it came to then."""

import math
import multiprocessing
import time

import pytest

from django_jobqueue.engine.claims import Held
from django_jobqueue.jobs.attempt import Settlement
from django_jobqueue.worker.board import CANCEL, TIME_OUT, Board, Limits, Row, number_of
from django_jobqueue.worker.enforcer import TRUST, Enforcer

LEASE = 30.0
OLD, NEW = "1-aaaaaaaaaaaa", "2-bbbbbbbbbbbb"
LONG_AGO, FAR = 1.0, time.monotonic() + 1e6


@pytest.fixture
def board() -> Board:
    return Board(multiprocessing, ["0.0"])


@pytest.fixture
def row(board: Board) -> Row:
    return board.row("0.0")


@pytest.fixture
def enforcer(board: Board) -> Enforcer:
    return Enforcer(board, LEASE, may_kill=True)


def run(row: Row, fence: str = OLD, **limits: float) -> None:
    row.limit(Limits(**limits))
    row.work(number_of(fence))


def held(fence: str, *, lost: bool = False, cancelled: bool = False) -> list[Held]:
    return [Held("0.0", "id", fence, lost, cancelled)]


def reason(enforcer: Enforcer) -> str:
    found = enforcer.verdict("0.0")
    return found.reason if found else ""


def test_idle_slot_has_nothing_to_fear(row: Row, enforcer: Enforcer) -> None:
    run(row, soft=LONG_AGO, hard=LONG_AGO)
    row.end()
    assert (enforcer.due("0.0"), enforcer.asks("0.0"), reason(enforcer)) == (math.inf, False, "")


def test_run_without_limits_goes_on_for_ever(row: Row, enforcer: Enforcer) -> None:
    run(row)
    assert (enforcer.due("0.0"), enforcer.asks("0.0"), reason(enforcer)) == (math.inf, False, "")


def test_run_is_asked_once_when_its_time_is_over(row: Row, enforcer: Enforcer) -> None:
    """Then its kill is next."""
    run(row, soft=LONG_AGO, hard=FAR)
    assert enforcer.due("0.0") == LONG_AGO
    assert [enforcer.asks("0.0") for _ in range(2)] == [True, False]
    assert row.asked == (TIME_OUT, number_of(OLD))
    assert (enforcer.due("0.0"), reason(enforcer)) == (FAR, "")


def test_next_run_is_asked_anew(row: Row, enforcer: Enforcer) -> None:
    run(row, soft=LONG_AGO, hard=FAR)
    enforcer.asks("0.0")
    run(row, NEW, soft=FAR, hard=FAR + 1)
    assert not enforcer.asks("0.0")
    assert enforcer.due("0.0") == FAR
    run(row, NEW, soft=LONG_AGO, hard=FAR)
    assert enforcer.asks("0.0")


@pytest.mark.parametrize(
    ("retry", "outcome", "delay"),
    [(-1.0, "failed", 0), (0.0, "retried", 0), (2.5, "retried", 2500)],
)
def test_run_that_does_not_end_is_killed(
    row: Row, enforcer: Enforcer, retry: float, outcome: str, delay: int
) -> None:
    """Its attempt counts, and another follows if the task wants one."""
    run(row, soft=LONG_AGO, hard=LONG_AGO, retry=retry)
    found = enforcer.verdict("0.0")
    assert found is not None
    assert found.settlement is not None
    assert (found.reason, found.settlement.outcome) == ("timed_out", outcome)
    assert found.settlement.delay_ms == delay
    assert found.settlement.exception.endswith("JobTimeout")


def test_cancelled_run_is_asked_and_then_killed(row: Row, enforcer: Enforcer) -> None:
    """Its grace begins when it is asked."""
    run(row, grace=60.0)
    enforcer.renewed(held(OLD, cancelled=True), time.monotonic())
    assert enforcer.due("0.0") <= time.monotonic()
    assert enforcer.asks("0.0")
    assert row.asked == (CANCEL, number_of(OLD))
    assert reason(enforcer) == ""
    assert 30 < enforcer.due("0.0") - time.monotonic() <= 60
    run(row, grace=0.0)
    found = enforcer.verdict("0.0")
    assert found is not None
    assert found.settlement == Settlement(outcome="cancelled", reason="cancelled")


def test_cancel_of_an_earlier_run_hurts_no_later_one(row: Row, enforcer: Enforcer) -> None:
    """The slot claimed another job while the renewal was on its way."""
    run(row, NEW)
    enforcer.renewed(held(OLD, cancelled=True), time.monotonic())
    assert (enforcer.due("0.0"), enforcer.asks("0.0")) == (math.inf, False)


def test_lease_of_an_earlier_run_is_none_of_a_later_one(row: Row, enforcer: Enforcer) -> None:
    """A replica that took over knows nothing of the later one: its lease is not renewed there."""
    run(row, NEW, guarded=100.0)
    enforcer.renewed(held(OLD), 110.0)
    assert enforcer.due("0.0") == 100.0 + TRUST * LEASE


def test_trust_in_a_lease_begins_when_the_claim_was_sent(row: Row, enforcer: Enforcer) -> None:
    """Before the server counted, so it ends before the server's lease."""
    run(row, guarded=100.0)
    assert enforcer.due("0.0") == 100.0 + TRUST * LEASE < 100.0 + LEASE


def test_renewal_extends_it(row: Row, enforcer: Enforcer) -> None:
    """Counted from when it was sent; one before the claim counts for nothing."""
    run(row, guarded=100.0)
    enforcer.renewed(held(OLD), 50.0)
    assert enforcer.due("0.0") == 100.0 + TRUST * LEASE
    enforcer.renewed(held(OLD), 110.0)
    assert enforcer.due("0.0") == 110.0 + TRUST * LEASE


def test_lost_lease_ends_it_at_once(row: Row, enforcer: Enforcer) -> None:
    """It is recovered, like any run whose process died."""
    run(row, guarded=time.monotonic())
    assert reason(enforcer) == ""
    enforcer.renewed(held(OLD, lost=True), time.monotonic())
    found = enforcer.verdict("0.0")
    assert found is not None
    assert (found.reason, found.settlement) == ("lease_lost", None)


def test_lost_lease_of_an_earlier_run_hurts_no_later_one(row: Row, enforcer: Enforcer) -> None:
    run(row, guarded=time.monotonic())
    enforcer.renewed(held(OLD, lost=True), time.monotonic())
    run(row, NEW, guarded=time.monotonic())
    assert reason(enforcer) == ""


def test_lost_lease_of_a_run_that_does_not_mind(row: Row, enforcer: Enforcer) -> None:
    run(row)
    enforcer.renewed(held(OLD, lost=True), time.monotonic())
    assert (enforcer.due("0.0"), reason(enforcer)) == (math.inf, "")


def test_what_comes_first_is_the_reason(row: Row, enforcer: Enforcer) -> None:
    run(row, guarded=LONG_AGO, soft=LONG_AGO, hard=2 * LONG_AGO)
    assert reason(enforcer) == "timed_out"


def test_threads_are_asked_but_not_killed(board: Board, row: Row) -> None:
    """A process of several slots would take the others along."""
    enforcer = Enforcer(board, LEASE, may_kill=False)
    run(row, guarded=LONG_AGO, soft=LONG_AGO, hard=LONG_AGO)
    assert enforcer.asks("0.0")
    assert enforcer.verdict("0.0") is None
    assert enforcer.due("0.0") == math.inf
