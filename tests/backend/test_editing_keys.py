"""Edit the arguments of a job that has keys: it keeps them, so they must fit."""

from typing import Any

import pytest

from django_jobqueue import Limit, Rate, Unique, compat
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from django_jobqueue.steering.editing import edit_and_requeue
from django_jobqueue.testing import drain
from tests.project import tasks

KEYS: list[dict[str, Any]] = [
    {"concurrency": Limit(1, key="item:{a}")},
    {"rate": Rate("1/s", key="item:{a}")},
    {"unique": Unique("a")},
    {"fair_by": "item:{a}"},
]


@pytest.mark.parametrize("given", KEYS)
def test_key_of_an_edited_job_is_that_of_its_arguments(
    engine: Engine, given: dict[str, Any]
) -> None:
    """Else it would run beside the job that holds the key of its new arguments."""
    task = tasks.add.using(**given)
    result = task.enqueue(1, 2)
    result.cancel()
    job = engine.inspector.job(result.id)
    job.open(engine.signer)
    with pytest.raises(compat.InvalidTask, match="a job keeps its keys"):
        edit_and_requeue(engine, job, task, [3, 2], {})
    assert engine.inspector.job(result.id).state is State.CANCELLED
    assert edit_and_requeue(engine, job, task, [1], {"b": 4})
    drain()
    result.refresh()
    assert result.return_value == 5
