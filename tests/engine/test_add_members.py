"""add_members: a member that runs adds others to its group, which waits for them."""

from dataclasses import replace
from typing import Any

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.jobs import new_jobs_words
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs.job import Job, new_id
from tests.support.clock import Clock
from tests.support.consistency import assert_consistent
from tests.support.flows import EVENTS, FAN, SLOT, run, run_all, started, states
from tests.support.jobs import new_job
from tests.support.places import DONE, FAILED, claimed, everything, finish

SIGNED = DONE._replace(value=b"7", signed=b"1.signature")


def new_members(workflow: str, *names: str) -> list[Job]:
    return [
        new_job(new_id(), task=f"a.n{name}", flow=f"{workflow} {name} 1", limits=("9w:k",))
        for name in names
    ]


def add(engine: Engine, workflow: str, job: Job, jobs: list[Job], most: int = 100) -> str:
    return engine.workflows.add_members(workflow, job, jobs, group=1, feeds=1, most=most)


def test_group_waits_for_what_was_added(engine: Engine) -> None:
    workflow, jobs = started(engine, FAN, EVENTS)
    job = claimed(engine, SLOT)
    more = new_members(workflow, "1.1", "1.2")
    assert add(engine, workflow, job, more) == "ok"
    assert states(engine, more) == ["queued"] * 2
    finish(engine, SLOT, job, SIGNED)
    assert [run(engine, SIGNED) for _ in range(4)] == ["m2", "m3", "n1.1", "n1.2"]
    assert states(engine, jobs[3:4]) == ["queued"]
    assert engine.workflows.added(workflow) == [(1, 5, "1.1"), (1, 6, "1.2")]
    assert set(engine.workflows.results(workflow, [5, 6, "added"])) == {5, 6, "added"}
    assert run_all(engine, DONE) == ["m4", "on_success", "on_done"]
    found = engine.workflows.read(workflow)
    assert found
    assert (found.state, found.done, found.members) == ("succeeded", 6, 6)
    assert_consistent(engine)


def test_each_name_is_added_once(engine: Engine) -> None:
    """Also by another run of the job, which makes jobs of its own, when those have ended."""
    workflow, _ = started(engine, FAN)
    job = claimed(engine, SLOT)
    add(engine, workflow, job, new_members(workflow, "1.1"))
    add(engine, workflow, job, new_members(workflow, "1.1", "1.2"))
    other = Slot("worker-2", "0.0")
    assert [run(engine, SIGNED, other) for _ in range(4)] == ["m2", "m3", "n1.1", "n1.2"]
    again = new_members(workflow, "1.1", "1.2")
    assert add(engine, workflow, job, again, most=6) == "ok"
    assert not any(engine.client.redis.exists(engine.client.keys("job", one.id)) for one in again)
    finish(engine, SLOT, job)
    assert run_all(engine, DONE) == ["m4"]
    assert engine.workflows.read(workflow).members == 6
    assert_consistent(engine)


def test_number_of_a_call_that_broke_is_not_given_again(engine: Engine) -> None:
    """It had noted the name, and not yet how many members there are."""
    workflow, _ = started(engine, FAN)
    job = claimed(engine, SLOT)
    client, keys = engine.client.redis, engine.client.keys
    (lost,) = new_members(workflow, "1.1")
    client.zadd(keys("workflow-open", workflow), {"5": 1})
    client.rpush(keys("workflow-added", workflow), "1 5 1.1")
    client.hset(keys("workflow-results", workflow), "added", "1")
    client.hset(keys("workflow-members", workflow), mapping={"5": lost.id, "1.1": "5"})
    add(engine, workflow, job, new_members(workflow, "2.1"))
    assert add(engine, workflow, job, [lost]) == "ok"
    assert engine.workflows.added(workflow) == [(1, 5, "1.1"), (1, 6, "2.1")]
    assert client.exists(keys("job", lost.id))
    finish(engine, SLOT, job, SIGNED)
    run_all(engine, SIGNED)
    found = engine.workflows.read(workflow)
    assert found
    assert (found.state, found.done, found.members) == ("succeeded", 6, 6)
    assert_consistent(engine)


@pytest.mark.parametrize("why", ["stale", "ended", "full"])
def test_nothing_is_added(engine: Engine, why: str) -> None:
    workflow, _ = started(engine, FAN)
    job = claimed(engine, SLOT)
    given = replace(job, fence="9-x") if why == "stale" else job
    if why == "ended":
        engine.workflows.cancel(workflow)
    (more,) = new_members(workflow, "1.1")
    assert add(engine, workflow, given, [more], most=4) == why
    assert engine.workflows.read(workflow).members == 4
    assert not engine.client.redis.exists(engine.client.keys("job", more.id))
    finish(engine, SLOT, job)
    run_all(engine, DONE)
    assert_consistent(engine)


def test_cancel_reaches_what_was_added(engine: Engine) -> None:
    workflow, _ = started(engine, FAN)
    job = claimed(engine, SLOT)
    more = new_members(workflow, "1.1")
    add(engine, workflow, job, more)
    engine.workflows.cancel(workflow)
    assert states(engine, more) == ["cancelled"]
    finish(engine, SLOT, job)
    assert engine.workflows.read(workflow).state == "cancelled"
    assert_consistent(engine)


def test_failure_of_an_added_member_stops_what_follows(engine: Engine) -> None:
    """And its requeue goes on from there."""
    workflow, jobs = started(engine, FAN)
    job = claimed(engine, SLOT)
    more = new_members(workflow, "1.1")
    add(engine, workflow, job, more)
    finish(engine, SLOT, job)
    assert [run(engine, DONE), run(engine, DONE), run(engine, FAILED)] == ["m2", "m3", "n1.1"]
    assert states(engine, jobs[3:]) == ["cancelled"]
    engine.jobs.requeue(more[0].id)
    assert run_all(engine, DONE) == ["n1.1", "m4"]
    assert_consistent(engine)


def test_nothing_is_left_of_it(engine: Engine, clock: Clock) -> None:
    workflow, _ = started(engine, FAN)
    job = claimed(engine, SLOT)
    add(engine, workflow, job, new_members(workflow, "1.1"))
    finish(engine, SLOT, job)
    run_all(engine, DONE)
    clock.move(seconds=max(engine.options.retention.values()) + 1)
    engine.workflows.advance()
    assert engine.client.redis.keys(f"{engine.client.keys('workflow')}*") == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"workflow": "a b"}, 'workflow is "a b"'),
        ({"group": "x"}, 'group is "x"'),
        ({"feeds": "x"}, 'feeds is "x"'),
        ({"most": "x"}, 'most is "x"'),
        ({"queue": "a b"}, 'queue is "a b"'),
        ({"flow": "flow"}, "in the words of each job"),
    ],
)
def test_wrong_words_are_refused(engine: Engine, given: dict[str, str], says: str) -> None:
    workflow, _ = started(engine, FAN)
    job = claimed(engine, SLOT)
    (more,) = new_members(workflow, "1.1")
    more.queue, more.flow = given.get("queue", more.queue), given.get("flow", more.flow)
    words: dict[str, Any] = {"workflow": workflow, "id": job.id, "fence": job.fence}
    words |= {"group": 1, "feeds": 1}
    words |= {"most": 100} | {
        name: word for name, word in given.items() if name in ("most", *words)
    }
    before = everything(engine)
    with pytest.raises(QueueUnavailable, match=says):
        engine.client.run("add_members", new_jobs_words([more]), **words)
    assert everything(engine) == before
