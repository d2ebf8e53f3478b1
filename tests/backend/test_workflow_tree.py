"""A workflow as lines, for people."""

from django_jobqueue.diagnosis import workflow_tree
from django_jobqueue.diagnosis.workflow_tree import Line, Tree, read_tree
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.job import Job
from tests.support.flows import CHAIN, EVENTS, FAN, run, stage, started
from tests.support.places import DONE, FAILED, Make


def tree_of(engine: Engine, job: Job) -> Tree:
    found = read_tree(engine, engine.inspector.job(job.id))
    assert found is not None
    return found


def said(lines: list[Line]) -> list[str]:
    return [
        f"{'  ' * one.depth}{one.member.number}" if one.member
        else f"{'  ' * one.depth}+{one.more} ({one.failed})" for one in lines
    ]  # fmt: skip


def test_a_chain_is_no_deeper_than_its_end(engine: Engine) -> None:
    _, jobs = started(engine, CHAIN)
    found = tree_of(engine, jobs[1])
    assert said(found.lines) == ["1", "2", "3"]
    assert (said(found.parents), said(found.children), found.own) == (["1"], ["3"], 2)


def test_what_runs_side_by_side_is_indented(engine: Engine) -> None:
    """Two chains, then what waits for both: each chain in one piece."""
    shape = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 0)]
    _, jobs = started(engine, shape)
    assert said(tree_of(engine, jobs[4]).lines) == ["  1", "  3", "  2", "  4", "5"]


def test_states_are_told(engine: Engine) -> None:
    _, jobs = started(engine, FAN, EVENTS)
    run(engine, DONE)
    run(engine, FAILED)
    found = tree_of(engine, jobs[3])
    states = [one.member.state for one in found.lines if one.member]
    assert states == ["succeeded", "failed", "queued", "cancelled"]
    assert found.record.failed == 2


def test_a_callback_has_the_workflow_too(engine: Engine) -> None:
    _, jobs = started(engine, CHAIN, EVENTS)
    found = tree_of(engine, jobs[-1])
    assert (found.own, said(found.lines), found.parents) == (0, ["1", "2", "3"], [])


def test_of_many_side_by_side_the_failed_and_the_own_are_shown(engine: Engine) -> None:
    shape = [(0, 1)] * 30 + [(1, 0)]
    _, jobs = started(engine, shape, if_failed="continue")
    for result in (DONE, FAILED):
        run(engine, result)
    found = tree_of(engine, jobs[24])
    expected = ["1", *map(str, range(2, 10)), "25"]
    assert said(found.lines) == [*(f"  {n}" for n in expected), "  +20 (0)", "31"]
    assert said(tree_of(engine, jobs[30]).parents)[-1] == "+20 (0)"


def test_others_of_very_many_are_counted(engine: Engine) -> None:
    """Those around the job are read."""
    _, jobs = started(engine, [(n, n + 1) for n in range(99)] + [(99, 0)])
    assert len(tree_of(engine, jobs[0]).lines) == 100
    workflow, jobs = stage(engine, [(0, 0)] * 700)
    found = tree_of(engine, jobs[650])
    assert said(found.lines)[-2:] == ["+490 (0)", "+200 (0)"]
    assert "651" in said(found.lines)
    assert found.record.id == workflow


def test_long_lines_are_cut_at_their_beginning(engine: Engine) -> None:
    _, jobs = started(engine, [(n, n + 1) for n in range(149)] + [(149, 0)])
    lines = tree_of(engine, jobs[0]).lines
    assert len(lines) == workflow_tree.MOST_LINES + 1
    assert said(lines)[-2:] == ["150", "+50 (0)"]


def test_a_job_without_a_workflow_has_no_tree(engine: Engine, make_job: Make) -> None:
    assert read_tree(engine, engine.inspector.job(make_job())) is None
    gone = Job("x", "a.b")
    gone.flow = "01a22169-79df-7404-a47e-19415db0d200 1 0"
    assert read_tree(engine, gone) is None


def test_damaged_steps_end(engine: Engine) -> None:
    """A step that feeds itself."""
    workflow, jobs = started(engine, CHAIN)
    for job, flow in zip(jobs, ("1 2", "2 1", "3 0"), strict=True):
        engine.client.redis.hset(engine.client.keys("job", job.id), "flow", f"{workflow} {flow}")
    assert len(tree_of(engine, jobs[2]).lines) <= 4
    for job, feeds in zip(jobs, (1, 2, 0), strict=True):  # as it was
        flow = f"{workflow} {jobs.index(job) + 1} {feeds}"
        engine.client.redis.hset(engine.client.keys("job", job.id), "flow", flow)
