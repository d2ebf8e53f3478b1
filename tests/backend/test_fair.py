"""`fair_by` as a caller sees it: templates, results, tools for tests, what is told of a job."""

from dataclasses import replace
from typing import Any

import pytest
from django.test import override_settings

from django_jobqueue import Limit, compat, group
from django_jobqueue.compat import task_backends
from django_jobqueue.diagnosis.explanation import explain
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.prepared import Prepared
from django_jobqueue.ledger.record import job_of, row_of
from django_jobqueue.testing import captured_jobs, drain
from tests.project import keyed_tasks, tasks
from tests.support.places import next_ids, record

EAGER = {"default": {"BACKEND": "django_jobqueue.testing.EagerBackend", "OPTIONS": {}}}


def test_key_is_stored_with_the_job(engine: Engine) -> None:
    """Computed at the enqueue, and only if there is one."""
    assert record(engine, keyed_tasks.serve.enqueue("a b").id)["fair"] == "a%20b"
    many = keyed_tasks.serve.enqueue_many([(1,), {"tenant_id": None}])
    assert [record(engine, one.id)["fair"] for one in many] == ["1", "null"]
    limited = keyed_tasks.serve.using(concurrency=Limit(5, key="t:{tenant_id}")).enqueue(3)
    assert record(engine, limited.id)["fair"] == "3"
    assert record(engine, limited.id)["limits"] == "=5w:t:3"
    assert engine.inspector.job(limited.id).fair == "3"
    assert "fair" not in record(engine, tasks.noop.enqueue().id)
    assert "fair" not in record(engine, keyed_tasks.serve.using(fair_by="").enqueue(1).id)
    other = tasks.add.using(fair_by="sum:{a}").enqueue(1, 2)
    assert record(engine, other.id)["fair"] == "sum:1"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (7, "add: fair_by=7 must be a string of at most 200 characters"),
        (True, "add: fair_by=True must be a string"),
        ("x" * 201, "must be a string of at most 200 characters"),
        ("{", "add: fair_by='{' is no template: "),
        ("{a.b}", "may only have names of arguments in its braces"),
        ("{c}", "add: fair_by='{c}' names the argument 'c', which add does not have; it has: a, b"),
    ],
)
def test_bad_template_is_refused(given: Any, said: str) -> None:
    with pytest.raises(compat.InvalidTask, match=said):
        tasks.add.using(fair_by=given)


def test_template_may_name_no_secret() -> None:
    with pytest.raises(compat.InvalidTask, match=r"fair_by='\{a\}' names .* is sensitive"):
        replace(tasks.add, sensitive=("a",), fair_by="{a}")


def test_key_that_can_not_be_computed_is_an_error_of_the_enqueue(engine: Engine) -> None:
    with pytest.raises(compat.InvalidTask, match=r"serve: the argument 'tenant_id' is \[1\]"):
        keyed_tasks.serve.enqueue([1])
    with pytest.raises(
        compat.InvalidTask, match=r"'xxx.* has 201 characters; it may have 1 to 200"
    ):
        keyed_tasks.serve.enqueue("x" * 201)
    with pytest.raises(compat.InvalidTask, match="the key '' has 0 characters"):
        keyed_tasks.serve.enqueue("")
    assert engine.inspector.queues() == []


def test_tenants_take_turns(engine: Engine) -> None:
    first = keyed_tasks.serve.enqueue_many([(1, n) for n in range(3)])
    second = keyed_tasks.serve.enqueue(2)
    ids = [first[0].id, second.id, first[1].id, first[2].id]
    assert next_ids(engine, 4) == ids


def test_why_it_waits(engine: Engine) -> None:
    jobs = keyed_tasks.serve.enqueue_many([("<b>", n) for n in range(2)])
    said = "It waits for the turn of its key <b>: keys take turns, and later jobs of other keys may"
    assert not any(said in one for one in explain(engine, jobs[0].id))
    assert any(one.startswith(said) for one in explain(engine, jobs[1].id))
    assert "1 job of its queue is ahead of it." in explain(engine, jobs[1].id)


def test_members_of_a_workflow_and_schedules_have_keys(engine: Engine) -> None:
    workflow = group(keyed_tasks.serve.si(tenant, 1) for tenant in (1, 2)).enqueue()
    keys = [engine.inspector.job(job_id).fair for job_id in next_ids(engine, 2)]
    assert sorted(keys) == ["1", "2"]
    workflow.cancel()
    assert scheduled(5).fair == "5"


def scheduled(tenant: int) -> Job:
    """Return a job of a schedule, which is not stored."""
    backend: Any = task_backends["default"]
    prepared: Prepared = backend.prepare_scheduled(keyed_tasks.serve, [tenant], {}, schedule="s")
    return prepared.job


def test_row_of_the_ledger_keeps_the_key(engine: Engine) -> None:
    assert job_of(row_of(scheduled(5), "default")).fair == "5"


def test_tools_for_tests_accept_it(engine: Engine) -> None:
    with override_settings(TASKS=EAGER):
        assert keyed_tasks.serve.enqueue(1, 7).return_value == 7
    with captured_jobs() as jobs:
        keyed_tasks.serve.enqueue(1)
    assert [job.task for job in jobs] == [keyed_tasks.serve]
    results = keyed_tasks.serve.enqueue_many([(tenant, tenant) for tenant in (1, 1, 2)])
    drain()
    for result in results:
        result.refresh()
    assert [result.return_value for result in results] == [1, 1, 2]
