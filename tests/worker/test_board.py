"""The board: what slots and their supervisor tell each other."""

import math
import multiprocessing
import time
from functools import partial
from typing import Any

import pytest

from django_jobqueue.worker.board import CANCEL, NEVER, Board, Limits, Row, number_of

LIMITS = Limits(guarded=1.5, soft=2.5, hard=3.5, grace=4.5, retry=5.5)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_supervisor_sees_what_a_process_tells(method: str) -> None:
    """In both ways to start a process, and in both directions."""
    context: Any = multiprocessing.get_context(method)
    board = Board(context, ["0.0", "0.1"])
    board.row("0.1").ask(CANCEL, 7.0)
    process = context.Process(target=tell, args=[board])
    process.start()
    process.join(30)

    assert process.exitcode == 0
    assert (board.row("0.0").run, board.row("0.0").limits) == (0.0, Limits(retry=0.0))
    assert (board.row("0.1").run, board.row("0.1").limits) == (7.0, LIMITS)


def tell(board: Board) -> None:
    what, run = board.row("0.1").asked
    assert what == CANCEL
    board.row("0.1").limit(LIMITS)
    board.row("0.1").work(run)


def told(row: Row) -> tuple[bool, float, float]:
    """Return whether the slot may be silent for ever, its run, and when it must have moved."""
    return row.heard_at == math.inf, row.run, row.within


def test_life_of_a_process() -> None:
    """It comes up, runs a job, idles and leaves."""
    row = Board(multiprocessing, ["0.0"]).row("0.0")
    row.reset(60.0)
    assert told(row) == (False, 0.0, 60.0)
    row.ready()
    assert told(row) == (False, 0.0, NEVER)
    row.work(3.0)
    assert told(row) == (True, 3.0, NEVER)
    row.end()
    assert told(row) == (False, 0.0, NEVER)
    assert row.heard_at <= time.monotonic()
    row.leave(90.0)
    assert told(row) == (True, 0.0, 90.0)
    row.rest()
    assert told(row) == (True, 0.0, NEVER)


def test_process_that_died_in_a_run_leaves_none_behind() -> None:
    """The next process in its place has not begun."""
    row = Board(multiprocessing, ["0.0"]).row("0.0")
    row.work(3.0)
    row.rest()
    row.reset(60.0)
    assert row.run == 0.0


def test_runs_have_numbers_of_their_own() -> None:
    """All 48 bits of a fence survive."""
    assert number_of("1-ffffffffffff") != number_of("1-fffffffffffe")
    assert number_of("12-000000000001") == 1.0


def test_slot_that_ran_dry_is_told_from_one_that_ends_otherwise() -> None:
    """Until another process has its row."""
    row = Board(multiprocessing, ["0.0"]).row("0.0")
    told = []
    for change in (partial(row.leave, 90.0), row.run_dry, row.rest, partial(row.reset, 60.0)):
        change()
        told.append(row.is_dry)
    assert told == [False, True, True, False]
