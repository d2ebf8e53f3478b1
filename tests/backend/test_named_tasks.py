"""Jobs of a task with a name of its own."""

from django_jobqueue import compat
from django_jobqueue.engine import Engine
from django_jobqueue.testing import captured_jobs, drain
from tests.project import flow_tasks as flow
from tests.project import tasks


def test_job_has_the_name_and_runs(engine: Engine) -> None:
    """As those do that were stored when the function had this path."""
    result = tasks.moved.enqueue(1)
    job = engine.inspector.job(result.id)
    assert job.task == "old_place.tasks.moved"
    job.open(engine.signer)  # the name is signed
    assert drain() == 1
    assert result.wait(30) == 2
    assert tasks.moved.get_result(result.id).task.func is tasks.moved.func
    assert compat.task_backends["default"].get_result(result.id).return_value == 2


def test_workflows_and_captures_know_it(engine: Engine) -> None:
    workflow = flow.number.s(1).then(tasks.moved.s()).enqueue()
    drain()
    assert workflow.wait(30) == 2
    with captured_jobs() as jobs:
        tasks.moved.enqueue(5)
        assert [one.return_value for one in jobs.run()] == [6]
