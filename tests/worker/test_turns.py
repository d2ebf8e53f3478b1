"""The turns of queues that a slot serves by weights, and how they are written."""

import random
import re
from argparse import ArgumentTypeError
from collections import Counter

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.job import Job
from django_jobqueue.management.arguments import queues_to_serve
from django_jobqueue.worker.turns import Turns
from tests.support.places import Make, finish

NAMES, WEIGHTS = ("high", "default", "low"), (5, 2, 1)


def turns(order: Turns, number: int, empty: set[str] | None = None) -> str:
    """Return the first letters of the queues that have so many turns."""
    found = ""
    for _ in range(number):
        queue = next(name for name in order.next() if name not in (empty or set()))
        order.note(queue)
        found += queue[0]
    return found


def test_turns_are_spread_by_the_weights() -> None:
    """Eight are a round; none begins with all five of the first queue."""
    order = Turns(NAMES, WEIGHTS)
    assert [turns(order, 8) for _ in range(3)] == ["hdhhlhdh"] * 3


def test_empty_queue_gives_its_turns_to_the_others() -> None:
    """In proportion to their weights."""
    order = Turns(NAMES, WEIGHTS)
    assert Counter(turns(order, 300, {"high"})) == {"d": 200, "l": 100}
    assert turns(order, 8, {"high", "default"}) == "l" * 8


def test_queue_that_was_empty_has_saved_up_nothing() -> None:
    """After a long time without jobs it gets its share, and the others keep theirs."""
    order = Turns(NAMES, WEIGHTS)
    turns(order, 10_000, {"high"})
    turns(order, 10_000, {"high", "low"})
    assert Counter(turns(order, 16)) == pytest.approx({"h": 10, "d": 4, "l": 2}, abs=1)


@pytest.mark.parametrize("seed", range(20))
def test_no_queue_starves_whatever_comes_and_goes(seed: int) -> None:
    """One with jobs waits for two rounds at most, whichever others have some."""
    print(f"seed {seed}")  # noqa: T201 - shown if the test fails
    chance = random.Random(seed)
    names = tuple("abcd")
    weights = tuple(chance.randint(1, 9) for _ in names)
    order, waited = Turns(names, weights), 0
    for _ in range(5_000):
        empty = {name for name in names if chance.random() < 0.4} - {"d"}
        waited = 0 if turns(order, 1, empty) == "d" else waited + 1
        assert waited <= 2 * sum(weights) / weights[-1]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("mail", (("mail",), ())),
        ("mail, *,mail", (("mail", "*"), ())),
        ("high:5, low:1000,", (("high", "low"), (5, 1000))),
    ],
)
def test_names_with_or_without_weights_are_read(text: str, wanted: object) -> None:
    assert queues_to_serve(text) == wanted


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "'' is no queue name"),
        ("a b:1", "'a b' is no queue name"),
        ("a:", "'a:': its weight must be a whole number from 1 to 1000"),
        ("a:1,b:x", "'b:x': its weight must be"),
        ("a:1:2", "'a:1:2': its weight must be"),
        ("a:-1", "'a:-1': its weight must be"),
        ("a:1001", "'a:1001': its weight must be"),
        ("a:2,b", "'a:2,b': 'b' has no weight: give all queues one, such as b:1, or none"),
        ("a:2,*", "'a:2,*': '*' has no place among weights: name the queues"),
        ("*:2", "'*:2': '*' has no place among weights"),
        ("a:2,a:3", "'a:2,a:3' names a queue twice"),
    ],
)
def test_weights_that_make_no_sense_are_refused(text: str, fault: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"^{re.escape(fault)}"):
        queues_to_serve(text)


def test_slots_with_a_backlog_share_by_the_weights(engine: Engine, make_job: Make) -> None:
    """Each on its own: together they keep the shares, at every moment."""
    for name in NAMES:
        for _ in range(100):
            make_job(queue=name)
    slots = [(Slot("worker-1", f"{n}.0"), Turns(NAMES, WEIGHTS)) for n in range(4)]
    counts = Counter[str]()
    for round in range(1, 6):
        for slot, order in slots * 8:
            job = engine.claims.claim(slot, order.next())
            assert isinstance(job, Job)
            order.note(job.queue)
            finish(engine, slot, job)
            counts[job.queue] += 1
        assert counts == {"high": 20 * round, "default": 8 * round, "low": 4 * round}
