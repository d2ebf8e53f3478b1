"""Random nesting: what Redis and workers make of a workflow, and what plain Python makes of it."""

import os
import random
from typing import Any

import pytest
from django.test import override_settings

from django_jobqueue import chain, group
from django_jobqueue.engine import Engine
from django_jobqueue.flow.signatures import Flow
from django_jobqueue.testing import EagerBackend, captured_jobs, drain
from tests.project import flow_tasks as flow
from tests.support.consistency import assert_consistent

EAGER = {"default": {"BACKEND": "django_jobqueue.testing.EagerBackend", "OPTIONS": {}}}
NOTHING: Any = object()
Made = tuple[Flow, Any]  # a part, and its result


def make(randomly: random.Random, depth: int, given: Any) -> Made:
    """Return a random part, with what it returns if it is given the result before it."""
    kind = randomly.choice(
        ("call", "call", "chain", "group", "group", "then") if depth else ("call",)
    )
    if kind == "call" and randomly.random() < 0.5:
        return flow.echo.si("own"), ["own"]
    if kind == "call":
        return flow.echo.s("x"), ["x"] if given is NOTHING else [given, "x"]
    if kind == "group":
        made = [make(randomly, depth - 1, given) for _ in range(randomly.randrange(4))]
        return group(part for part, _ in made), [result for _, result in made]
    if kind == "then":
        first, result = make(randomly, depth - 1, given)
        following, result = make(randomly, depth - 1, result)
        return first.then(following), result
    parts = []
    for _ in range(randomly.randrange(1, 4)):
        part, given = make(randomly, depth - 1, given)
        parts.append(part)
    return chain(*parts), given


@pytest.fixture
def randomly() -> random.Random:
    seed = int(os.environ.get("FLOW_SEED", random.randrange(2**32)))
    print(f"FLOW_SEED={seed}")  # noqa: T201
    return random.Random(seed)


def test_results_of_any_nesting(engine: Engine, randomly: random.Random) -> None:
    for _ in range(25):
        part, wanted = make(randomly, 4, NOTHING)
        workflow = part.enqueue()
        assert drain() == part.size
        assert workflow.wait(30) == wanted
        assert workflow.progress == (part.size, part.size, 0)
    assert_consistent(engine)


@override_settings(TASKS=EAGER)
def test_results_of_any_nesting_at_once(randomly: random.Random) -> None:
    for _ in range(25):
        part, wanted = make(randomly, 4, NOTHING)
        assert part.enqueue().result() == wanted
    EagerBackend.clear()


def test_results_of_any_nesting_when_captured(randomly: random.Random) -> None:
    for _ in range(25):
        part, wanted = make(randomly, 4, NOTHING)
        with captured_jobs() as jobs:
            workflow = part.enqueue()
            assert len(jobs.run()) == part.size
            assert workflow.result() == wanted
