"""Walks of the maintenance through all queues: their pages, and when they are due."""

import re
import time
from pathlib import Path

import pytest

import django_jobqueue
from django_jobqueue.engine.queues import LIMIT, Page
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.worker.maintenance import COUNTED_PAGES, Walk

EVERY = 10.0
PAUSE = EVERY / 50
PRELUDE = Path(django_jobqueue.__file__).parent / "engine" / "lua" / "shared" / "prelude.lua"


class Queues:
    """The pages of a walk, each with the name that begins the next; an error is raised."""

    def __init__(self, *pages: Page | Exception) -> None:
        self.pages = list(pages)
        self.asked: list[str] = []

    def ask(self, first: str) -> Page:
        self.asked.append(first)
        page = self.pages.pop(0)
        if isinstance(page, Exception):
            raise page
        return page


def due_in(walk: Walk) -> float:
    """Do what is due, and return when the next page is."""
    walk.tick.due = time.monotonic()
    walk.tick.run_if_due()
    return walk.tick.due - time.monotonic()


def test_pages_are_spread_and_a_walk_begins_each_interval() -> None:
    """The interval counts from its first page, not from its last."""
    queues = Queues(Page("b"), Page("c"), Page(""), Page(""))
    walk = Walk(EVERY, 50, queues.ask)
    assert due_in(walk) == pytest.approx(PAUSE, abs=0.1)
    walk._began -= 4.0
    assert due_in(walk) == pytest.approx(PAUSE, abs=0.1)
    assert due_in(walk) == pytest.approx(EVERY - 4.0, abs=0.2)
    assert due_in(walk) == pytest.approx(EVERY, abs=0.1)
    assert queues.asked == ["", "b", "c", ""]


def test_walk_that_took_longer_begins_anew_at_once() -> None:
    walk = Walk(EVERY, 50, Queues(Page("b"), Page("")).ask)
    due_in(walk)
    walk._began -= 2 * EVERY
    assert due_in(walk) < 0


def test_full_page_is_followed_at_once() -> None:
    full = Page("a", removed=LIMIT)
    queues = Queues(full, full, Page(""))
    walk = Walk(EVERY, 50, queues.ask)
    assert due_in(walk) <= 0
    assert due_in(walk) <= 0
    assert due_in(walk) > 0
    assert queues.asked == ["", "a", "a"]


def test_failure_begins_the_walk_again() -> None:
    queues = Queues(Page("b"), QueueUnavailable("away"), Page(""))
    walk = Walk(EVERY, 50, queues.ask)
    due_in(walk)
    with pytest.raises(QueueUnavailable):
        due_in(walk)
    due_in(walk)
    assert queues.asked == ["", "b", ""]


def test_pages_and_the_scripts_agree() -> None:
    """The scripts let a walk through so many queues begin each interval, and pages end it."""
    found = dict(re.findall(r"^local (\w+) = (\d+)", PRELUDE.read_text("utf-8"), re.MULTILINE))
    assert int(found["SMALL_PAGE"]) * COUNTED_PAGES == int(found["MAX_WALKED"])
