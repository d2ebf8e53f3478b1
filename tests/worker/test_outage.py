"""The back-off while Redis is away: its pauses, and what the log says of it."""

import logging
import time

import pytest

from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.worker.outage import LONGEST_PAUSE, SHORTEST_PAUSE, Outage, pause_after
from django_jobqueue.worker.ticks import RedisTicks, Tick

AWAY = QueueUnavailable("Redis can't be reached.")


def test_pauses_grow_to_a_second_with_jitter() -> None:
    """Not all callers come back at one moment."""
    for failures in (*range(5), 10**6):
        pauses = {pause_after(failures) for _ in range(100)}
        longest = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2 ** min(failures, 10))
        assert longest / 2 <= min(pauses) < max(pauses) <= longest


def test_no_call_before_the_pause_is_over() -> None:
    outage = Outage("Waiting.")
    before = time.monotonic()
    assert outage.retry_at <= before
    pause = outage.note_failure(AWAY)
    assert outage.retry_at >= before + pause


@pytest.mark.parametrize("level", ["WARNING", "ERROR"])
def test_first_failure_and_the_answer_are_logged(caplog, level: str) -> None:
    """Once for each time that Redis is away."""
    outage = Outage("Waiting.", logging.getLevelNamesMapping()[level])
    for _ in range(2):
        for _ in range(3):
            outage.note_failure(AWAY)
        for _ in range(2):
            outage.note_success()
    told = [(line.levelname, line.getMessage()) for line in caplog.records]
    assert told == 2 * [
        (level, "Redis can't be reached. Waiting."),
        ("WARNING", "Redis answers again. Calls that have failed: 3."),
    ]


def test_refusal_after_a_broken_connection_is_logged(caplog) -> None:
    """Once, as an error, and until Redis answers it is the reason; then all begins anew."""
    refused = QueueUnavailable("The log-in is refused.", passing=False)
    outage, other = Outage("Waiting.", logging.WARNING), Outage("Waiting.", logging.WARNING)
    for _ in range(2):
        for one in (outage, other):
            for error in (AWAY, AWAY, refused, refused, AWAY):
                one.note_failure(error)
            assert one.refusal == "The log-in is refused."
        for one in (outage, other):
            one.note_success()
            assert one.refusal == ""
    told = [(line.levelname, line.getMessage()) for line in caplog.records]
    assert told == 2 * [
        ("WARNING", "Redis can't be reached. Waiting."),
        ("ERROR", "The log-in is refused. Waiting."),
        ("WARNING", "Redis can't be reached. Waiting."),
        ("WARNING", "Redis answers again. Calls that have failed: 5."),
    ]


def test_callers_that_fail_together_say_it_once(caplog) -> None:
    """The one that has said it tells its end too; another reason is news."""
    slots = [Outage("Waiting.", logging.WARNING) for _ in range(5)]
    for outage in slots:
        outage.note_failure(AWAY)
    other = Outage("Waiting.", logging.WARNING)
    other.note_failure(QueueUnavailable("Another key is damaged."))
    for outage in reversed(slots):
        outage.note_success()
    slots[3].note_failure(AWAY)
    assert [line.getMessage() for line in caplog.records] == [
        "Redis can't be reached. Waiting.",
        "Another key is damaged. Waiting.",
        "Redis answers again. Calls that have failed: 1.",
        "Redis can't be reached. Waiting.",
    ]


def test_failure_holds_all_ticks_and_the_first_goes_first() -> None:
    """What failed is not tried again before its time; the first tick shows if Redis is back."""
    calls: list[str] = []

    def fail() -> None:
        calls.append("second")
        raise AWAY

    first, second = Tick(60.0, lambda: calls.append("first")), Tick(60.0, fail)
    ticks = RedisTicks([first, second], "Waiting.")
    ticks.run_due()
    assert (calls, ticks.is_failing) == (["first", "second"], True)
    assert ticks.due == ticks.outage.retry_at == first.due
    ticks.run_due()
    assert calls == ["first", "second"]
    ticks.outage.retry_at = first.due = time.monotonic()
    ticks.run_due()
    assert (calls, ticks.is_failing) == (["first", "second", "first"], False)
