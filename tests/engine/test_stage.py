"""stage: members are stored and wait, until their workflow is sealed or cancelled."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.workflows import WorkflowRefused
from django_jobqueue.jobs.job import new_id
from tests.support.clock import Clock
from tests.support.consistency import assert_consistent
from tests.support.flows import (
    CHAIN,
    EVENTS,
    FAN,
    members,
    run,
    run_all,
    stage,
    states,
    steps,
)
from tests.support.places import DONE, record


def test_nothing_runs_before_the_seal(engine: Engine) -> None:
    workflow, jobs = stage(engine, CHAIN, EVENTS)
    assert run(engine, DONE) == ""
    assert states(engine, jobs) == ["waiting"] * 6
    assert engine.workflows.read(workflow).state == "staged"
    assert_consistent(engine)


def test_unsealed_workflow_is_cancelled(engine: Engine, clock: Clock) -> None:
    """Its caller has died between its calls: nothing has run, and nobody is called."""
    workflow, jobs = stage(engine, CHAIN, EVENTS)
    clock.move(seconds=3599)
    engine.workflows.advance()
    assert states(engine, jobs) == ["waiting"] * 6
    clock.move(seconds=2)
    engine.workflows.advance()
    assert states(engine, jobs) == ["cancelled"] * 6
    assert {record(engine, job.id)["reason"] for job in jobs[:3]} <= {
        "unsealed", f"parent:{jobs[0].id}",
    }  # fmt: skip
    with pytest.raises(WorkflowRefused, match="cancelled"):
        engine.workflows.seal(workflow)
    with pytest.raises(WorkflowRefused, match="cancelled"):
        engine.workflows.stage(workflow, members(workflow, CHAIN), total=3)
    assert run(engine, DONE) == ""
    assert_consistent(engine)


def test_repeated_calls_change_nothing(engine: Engine) -> None:
    workflow, jobs = stage(engine, FAN)
    engine.workflows.stage(workflow, jobs, total=4, steps=steps(FAN))
    for _ in range(2):
        engine.workflows.seal(workflow)
    assert run(engine, DONE) == "m1"
    engine.workflows.seal(workflow)
    engine.workflows.stage(workflow, jobs, total=4, steps=steps(FAN))
    assert run_all(engine, DONE) == ["m2", "m3", "m4"]
    assert_consistent(engine)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"if_failed": "ask"}, "if_failed"),
        ({"steps": "x"}, "steps"),
    ],
)
def test_bad_words_are_named(engine: Engine, given: dict[str, str], word: str) -> None:
    before = engine.client.redis.dbsize()
    with pytest.raises(Exception, match=f'{word} is "'):
        engine.workflows.stage(new_id(), members(new_id(), CHAIN), total=3, **given)  # type: ignore[arg-type]
    assert engine.client.redis.dbsize() == before


def test_output_is_that_of_the_call_which_has_it(engine: Engine) -> None:
    workflow = new_id()
    jobs = members(workflow, CHAIN)
    given = {"total": 3, "steps": steps(CHAIN)}
    engine.workflows.stage(workflow, jobs[:2], output=b"1.x.3", **given)  # type: ignore[arg-type]
    engine.workflows.stage(workflow, jobs[2:], **given)  # type: ignore[arg-type]
    assert engine.workflows.output(workflow) == b"1.x.3"
