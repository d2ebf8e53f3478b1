"""Plain tasks, which are not asked for each option of their jobs."""

from datetime import timedelta
from typing import Any

import pytest

from django_jobqueue import Limit, Rate, Unique
from django_jobqueue.engine import Engine
from django_jobqueue.task import Task
from django_jobqueue.task_options import TaskOptions
from tests.project.tasks import noop

SAID: dict[str, Any] = {  # options that the record or payload of a job tells, each with a value
    "metadata": {"tenant": "7"},
    "tags": ["tenant:7"],
    "expires": timedelta(minutes=1),
    "unique": Unique(),
    "concurrency": Limit(1, key="k"),
    "rate": Rate("5/s", key="k"),
    "fair_by": "k",
}
# What the worker reads from the task, what `enqueue` reads of every task, or what no job has.
OTHERS = {
    "name", "priority", "queue_name", "backend", "max_attempts", "max_recoveries", "backoff",
    "retry_for", "no_retry_for", "on_commit", "durable", "atomic", "timeout", "kill_grace",
    "stop_on_lease_loss", "sensitive", "keep_latest", "refresh_after", "runnable", "form",
    "retention",
}  # fmt: skip


def test_each_option_is_known() -> None:
    """Whoever adds one decides here whether a plain task may have it."""
    assert set(TaskOptions.__annotations__) == {*SAID, *OTHERS}


@pytest.mark.parametrize("option", SAID)
def test_what_a_task_gives_its_jobs_is_asked_for(engine: Engine, option: str) -> None:
    task = noop.using(**{option: SAID[option]})
    assert isinstance(task, Task)
    assert (noop.is_plain, task.is_plain) == (True, False)
    plain, told = (engine.inspector.job(one.enqueue().id) for one in (noop, task))
    for job in (plain, told):
        job.open(engine.signer)
    names = ("metadata", "tags", "expires", "unique", "limits", "fair")
    differ = [name for name in names if getattr(plain, name) != getattr(told, name)]
    told_by = {"concurrency": "limits", "rate": "limits", "fair_by": "fair"}
    assert differ == [told_by.get(option, option)]
