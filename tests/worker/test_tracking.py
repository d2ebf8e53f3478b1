"""`track`: the progress of a loop is the progress of the job that runs it."""

import asyncio
import json
import multiprocessing
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from django_jobqueue import track
from django_jobqueue.engine import Engine
from django_jobqueue.jobs import tracking
from django_jobqueue.jobs.context import current_report
from django_jobqueue.testing import drain
from django_jobqueue.worker.limits.interrupt import Interrupt
from django_jobqueue.worker.limits.shared_state import SharedState
from tests.project.tasks import add_tracked, add_tracked_async
from tests.worker.execution import claimed, executor

Told = list[tuple[int, int, str]]


class Heard:
    """Keep what a run reports."""

    def __init__(self) -> None:
        self.told: Told = []

    def progress(self, current: int, total: int, text: str) -> None:
        self.told.append((current, total, text))

    def log(self, text: str) -> None:
        """Keep no lines."""


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """A run in this thread, in which each row is reported."""
    monkeypatch.setattr(tracking, "EVERY", 0.0)
    heard = Heard()
    outer = current_report.set(heard)
    yield heard
    current_report.reset(outer)


def run(name: str, numbers: list[int]) -> tuple[bytes, Told]:
    """Run a task of the tests; return its value, and what the run reported."""
    job = claimed(name, json.dumps({"args": [numbers], "kwargs": {}}).encode())
    heard = Heard()
    interrupt = Interrupt(SharedState(multiprocessing, ["0.0"]).slot("0.0"))
    execution = executor.execute(job, heard, interrupt)
    return execution.result.value, heard.told


def test_loop_reports_start_rows_and_end(heard: Heard) -> None:
    """A row is done when the next one is asked for; the text is that of the row."""
    rows = track(["a", "b", "c"], text=lambda row: f"row {row}")
    assert list(rows) == ["a", "b", "c"]
    assert heard.told == [(0, 3, ""), (1, 3, "row a"), (2, 3, "row b"), (3, 3, "row c")]


def test_total_is_asked_of_the_rows_unless_it_is_given(heard: Heard) -> None:
    """A generator does not know: then the text tells how many are done."""
    assert list(track(iter("ab"), text="Rows")) == ["a", "b"]
    assert heard.told.pop() == (2, 2, "Rows")
    heard.told.clear()
    assert list(track((row for row in "ab"), text="Rows")) == ["a", "b"]
    assert heard.told == [(0, 0, "Rows 0"), (0, 0, "Rows 1"), (0, 0, "Rows 2"), (2, 2, "Rows")]
    heard.told.clear()
    assert list(track((row for row in "ab"), total=2)) == ["a", "b"]
    assert heard.told == [(0, 2, ""), (1, 2, ""), (2, 2, "")]


@pytest.mark.parametrize("total", [1, 9])
def test_wrong_total_ends_with_the_right_one(heard: Heard, total: int) -> None:
    """What was announced may change while the loop runs."""
    assert list(track("ab", total=total)) == ["a", "b"]
    assert heard.told[-1] == (2, 2, "")


def test_loop_that_is_left_reports_no_end(heard: Heard) -> None:
    """Whoever leaves it early has not done the rest."""
    for row in track("abc"):
        if row == "b":
            break
    assert heard.told == [(0, 3, ""), (1, 3, "")]


def test_quick_loop_reports_now_and_then(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first and the last row always; a text is made only for what is reported."""
    monkeypatch.setattr(tracking, "EVERY", 60.0)
    made: list[int] = []
    assert len(list(track(range(1000), text=lambda row: made.append(row)))) == 1000
    assert [current for current, _, _ in heard.told] == [0, 1000]
    assert made == [999]


def test_async_loop_reports_too(heard: Heard) -> None:
    async def letters() -> AsyncIterator[str]:
        for letter in "ab":
            yield letter

    async def collect() -> list[str]:
        return [letter async for letter in track(letters(), total=2, text="Letters")]

    assert asyncio.run(collect()) == ["a", "b"]
    assert heard.told == [(0, 2, "Letters"), (1, 2, "Letters"), (2, 2, "Letters")]


@pytest.mark.django_db(transaction=True)
def test_rows_of_a_queryset_are_counted(heard: Heard) -> None:
    """Both ways of iterating over one."""
    for name in ("ada", "bob"):
        User.objects.create(username=name)
    assert [user.username for user in track(User.objects.order_by("pk"))] == ["ada", "bob"]
    assert heard.told[0] == (0, 2, "")
    heard.told.clear()

    async def names() -> list[str]:
        return [user.username async for user in track(User.objects.order_by("pk"))]

    assert asyncio.run(names()) == ["ada", "bob"]
    assert heard.told[0] == (0, 2, "")


@pytest.mark.parametrize("name", ["add_tracked", "add_tracked_async"])
def test_task_without_a_context_reports(name: str) -> None:
    """The run is found by the loop itself, also in a coroutine; afterwards there is none."""
    value, told = run(name, [1, 2])
    assert value == b"3"
    assert (told[0][:2], told[-1][:2]) == ((0, 2), (2, 2))
    assert current_report.get() is None


def test_outside_of_a_job_it_only_iterates() -> None:
    assert list(track("ab", text=lambda row: 1 / 0)) == ["a", "b"]
    assert add_tracked([1, 2]) == 3
    found: Any = asyncio.run(add_tracked_async([1, 2]))
    assert found == 3


def test_progress_is_stored(engine: Engine) -> None:
    """With the text of the last row."""
    result = add_tracked.enqueue([5, 6])
    assert drain() == 1
    result.refresh()
    assert result.progress == (2, 2, "number 6")
