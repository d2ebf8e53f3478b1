"""What a job is: its id, its states, the record of its runs."""

import time
import uuid

import pytest

from django_jobqueue.engine.keys import INDEX_OF, INDEXES
from django_jobqueue.jobs.job import QUEUE_PATTERN, is_id, new_id
from django_jobqueue.jobs.run import Run, since_requeue
from django_jobqueue.jobs.states import FINAL, TRANSITIONS, State

ID = "0190a5b2-7c3d-7abc-8def-0123456789"


def test_ids_are_uuids_of_version_7() -> None:
    """They begin with the time in ms; the last byte is kept for a partition."""
    before = time.time_ns() // 1_000_000
    job_id = new_id()
    after = time.time_ns() // 1_000_000

    parsed = uuid.UUID(job_id)
    assert str(parsed) == job_id
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert before <= parsed.int >> 80 <= after
    assert parsed.bytes[-1] == 0
    assert is_id(job_id)


def test_ids_do_not_repeat() -> None:
    """Every random bit is used."""
    ids = [uuid.UUID(new_id()).int for _ in range(20_000)]
    assert len(set(ids)) == len(ids)
    ever_set, always_set = 0, ids[0]
    for number in ids:
        ever_set |= number
        always_set &= number
    random = ((1 << 76) - (1 << 64)) | ((1 << 62) - (1 << 8))
    assert ever_set & random == random
    assert always_set & random == 0


def test_ids_of_a_process_ascend() -> None:
    """Many of them are drawn in one ms, and keep their order in it."""
    ids = [new_id() for _ in range(20_000)]
    assert ids == sorted(ids)


def test_ids_ascend_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was drawn before stays before."""
    earlier = new_id()
    an_hour_ago = time.time_ns() - 3_600 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: an_hour_ago)
    ids = [earlier, *(new_id() for _ in range(10_000))]
    assert ids == sorted(ids)
    assert all(map(is_id, ids))


@pytest.mark.parametrize(
    "value",
    [
        "",
        "5",
        None,
        5,
        b"0190a5b2-7c3d-7abc-8def-012345678900",
        uuid.UUID(int=0),
        "f7d17e43-385a-48db-8a96-84aeb44887b3",  # version 4
        f"{ID}01",
        f"{ID}00 ",
        f"{ID}00\n",
        f" {ID}00",
        f"{ID}00".upper(),
        f"{ID}00".replace("-", ""),
        f"{{{ID}00}}",
        f"{ID}00".replace("-7abc", "-4abc"),
        f"{ID}00".replace("-8def", "-cdef"),
        f"{ID}00:x",
        f"{ID}\u0966\u0966",  # digits, but not ours
    ],
)
def test_anything_else_is_no_id(value: object) -> None:
    """It is refused before it reaches a key."""
    assert is_id(f"{ID}00")
    assert not is_id(value)


@pytest.mark.parametrize("name", ["a", "default", "Mail_2.high-prio", "x" * 64])
def test_queue_names(name: str) -> None:
    """Letters, digits and three signs."""
    assert QUEUE_PATTERN.fullmatch(name)


@pytest.mark.parametrize("name", ["", "*", "a b", "a:b", "ä", "x" * 65, "a\n", "a/b", "{a}"])
def test_names_that_no_queue_has(name: str) -> None:
    """Nothing that means something in a key or a script's reply."""
    assert not QUEUE_PATTERN.fullmatch(name)


def test_states_are_final_or_not() -> None:
    """Three ends, four that lead on."""
    assert {state for state in State if state.is_final} == FINAL
    assert {state.value for state in FINAL} == {"succeeded", "failed", "cancelled"}


def test_each_state_has_one_index() -> None:
    """And each index one state."""
    assert set(INDEX_OF) == set(State)
    assert sorted(INDEX_OF.values()) == sorted(INDEXES)


def test_transitions_leave_no_state_without_a_way() -> None:
    """Each state is entered; each can be left."""
    moves = [move for moves in TRANSITIONS.values() for move in moves]
    assert {after for _, after in moves} == {None, *State}
    assert {before for before, _ in moves} == {None, *State}
    assert all(before is not after for before, after in moves)


def test_final_states_are_left_by_people_and_time_alone() -> None:
    """No slot's script touches its own job once it has ended; the row of a durable one decides.

    What a workflow has stopped waits again if its parent is made good: whoever follows the notes
    does that.
    """
    scripts = {
        name for name, moves in TRANSITIONS.items() if any(before in FINAL for before, _ in moves)
    }
    notes = {"finish", "seal", "advance", "cancel_workflow"}
    assert scripts == {"requeue", "delete", "settle", "trim", *notes}


def test_run_is_read_from_its_record() -> None:
    """Seven words, then the traceback, newlines and all."""
    run = Run.parse("3 3-abc host:1:f 1000 2000 failed app.Error\nTraceback:\n  a b\n\nError")

    assert run == Run(
        attempt=3,
        fence="3-abc",
        worker="host:1:f",
        started_at=1000,
        finished_at=2000,
        outcome="failed",
        exception="app.Error",
        traceback="Traceback:\n  a b\n\nError",
    )


def test_run_without_exception_or_traceback() -> None:
    """A dash means none."""
    run = Run.parse("1 1-a w 1 2 succeeded -")
    assert (run.exception, run.traceback) == ("", "")


@pytest.mark.parametrize(
    ("outcome", "counts"),
    [
        ("succeeded", True),
        ("failed", True),
        ("retried", True),
        ("cancelled", True),
        ("released", False),
        ("recovered", False),
        ("requeued", False),
    ],
)
def test_which_runs_are_attempts(outcome: str, counts: bool) -> None:
    """What the worker or an operator did is not held against the task."""
    assert Run.parse(f"1 1-a w 1 2 {outcome} -").counts is counts


def test_runs_since_the_last_requeue() -> None:
    """A job that was requeued by hand begins anew."""
    runs = [
        Run.parse(f"1 1-a w 1 {number} {outcome} -")
        for number, outcome in enumerate(["failed", "requeued", "failed", "requeued", "retried"])
    ]
    assert since_requeue(runs) == (runs[4],)
    assert since_requeue(runs[:4]) == ()
    assert since_requeue(runs[:1]) == (runs[0],)
    assert since_requeue([]) == ()
