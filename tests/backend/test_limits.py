"""Limits as a caller sees them: keys, results, tools for tests, what is told of waiting jobs."""

import io
import re
from typing import Any

import pytest
from django.core.management import call_command
from django.test import override_settings

from django_jobqueue import Limit, Rate, compat, schedule
from django_jobqueue.compat import task_backends
from django_jobqueue.diagnosis.explanation import explain
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import NoJob, Slot
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import State
from django_jobqueue.ledger.record import job_of, row_of
from django_jobqueue.testing import captured_jobs, drain
from tests.project import keyed_tasks, tasks
from tests.project.settings import OPTIONS, TASKS
from tests.support.places import claimed, finish, nothing, record

EAGER = {"default": {"BACKEND": "django_jobqueue.testing.EagerBackend", "OPTIONS": {}}}


def test_key_is_stored_with_the_job(engine: Engine) -> None:
    """Computed at the enqueue, from the arguments as they were given."""
    result = keyed_tasks.lend.enqueue("The Stranger")
    assert record(engine, result.id)["limits"] == "1w:item:The%20Stranger"
    back = keyed_tasks.give_back.enqueue(5)
    assert record(engine, back.id)["limits"] == "1w:item:5 2w:tests.project.keyed_tasks.give_back"
    own = keyed_tasks.lend.using(concurrency=Limit(3, when="skip")).enqueue(5)
    assert record(engine, own.id)["limits"] == "=3s:tests.project.keyed_tasks.lend"
    assert "limits" not in record(engine, tasks.noop.enqueue().id)
    many = keyed_tasks.lend.enqueue_many([(1,), {"item_id": 2}])
    assert [record(engine, one.id)["limits"] for one in many] == ["1w:item:1", "1w:item:2"]


def test_key_that_can_not_be_computed_is_an_error_of_the_enqueue(engine: Engine) -> None:
    with pytest.raises(compat.InvalidTask, match=r"keyed_tasks.lend: the argument 'item_id' is \["):
        keyed_tasks.lend.enqueue([5])  # type: ignore[arg-type]
    with pytest.raises(compat.InvalidTask, match="has 205 characters"):
        keyed_tasks.lend.enqueue("x" * 200)
    assert engine.inspector.queues() == []


class Other:
    """Middleware that changes an argument."""

    def enqueue(self, job: Job) -> None:
        job.args = [8]


def test_key_is_computed_after_middleware(engine: Engine) -> None:
    options = OPTIONS | {"MIDDLEWARE": [f"{__name__}.Other"]}
    with override_settings(TASKS={"default": TASKS["default"] | {"OPTIONS": options}}):
        result = keyed_tasks.lend.enqueue(7)
    assert record(engine, result.id)["limits"] == "1w:item:8"


@pytest.mark.usefixtures("declarations")
def test_schedule_has_keys(engine: Engine) -> None:
    spec = schedule("poll", keyed_tasks.lend, args=[5], every=60)
    backend: Any = task_backends["default"]
    job = backend.prepare_scheduled(spec.task, [5], {}, schedule="poll").job
    assert job.limits == ("1w:item:5",)


def test_jobs_of_two_tasks_share_a_key(engine: Engine) -> None:
    first = keyed_tasks.lend.enqueue(5)
    second = keyed_tasks.give_back.enqueue(5)
    job = claimed(engine, Slot("worker-1", "0.0"))
    assert job.id == first.id
    assert nothing(engine, Slot("worker-1", "1.0")) == NoJob()
    second.refresh()
    assert (second.state, second.status) == (State.WAITING, "READY")
    text = " ".join(second.explain())
    assert f"It waits for the key item:5, of which 1 of 1 jobs run: {first.id}." in text
    third = keyed_tasks.lend.enqueue(5)
    assert "1 job that waits for the same key comes first." in " ".join(third.explain())
    finish(engine, Slot("worker-1", "0.0"), job)
    assert drain() == 2
    second.refresh()
    assert second.return_value == "back 5"


def test_explanation_knows_the_number_of_today(engine: Engine) -> None:
    """Not the one with which the job was stored; and it names five holders at most."""
    wide = keyed_tasks.lend.using(concurrency=Limit(7, key="k"))
    ids = [wide.enqueue(5).id for _ in range(8)]
    for number in range(7):
        claimed(engine, Slot("worker-1", f"{number}.0"))
    nothing(engine, Slot("worker-1", "7.0"))
    text = explain(engine, ids[7])[0]
    assert text.startswith("It waits for the key k, of which 7 of 7 jobs run: ")
    assert text.endswith(f"{ids[4]}, ….")
    keyed_tasks.lend.enqueue(5)
    claimed(engine, Slot("worker-1", "7.0"))
    waits = keyed_tasks.lend.enqueue(5)
    nothing(engine, Slot("worker-1", "8.0"))
    engine.limits.set_limits({waits.task.module_path: "2w"})
    assert "of which 1 of 2 jobs run" in explain(engine, waits.id)[0]
    engine.limits.set_limits({waits.task.module_path: ""})
    assert "of which 1 of – jobs run" in explain(engine, waits.id)[0]


def test_explanation_of_a_limited_queue(engine: Engine) -> None:
    engine.client.run("set_limits", queues="default 1 ")
    tasks.noop.enqueue()
    claimed(engine, Slot("worker-1", "0.0"))
    text = " ".join(tasks.noop.enqueue().explain())
    assert "The queue default runs 1 jobs, as many as it may (LIMITS)." in text
    engine.client.redis.hset(engine.client.keys("meta"), "limits", "default")
    assert "LIMITS" not in " ".join(tasks.noop.enqueue().explain())


@pytest.mark.django_db
def test_waiting_jobs_are_counted_and_listed(engine: Engine) -> None:
    for _ in range(3):
        keyed_tasks.lend.using(on_commit=False).enqueue(5)
    claimed(engine, Slot("worker-1", "0.0"))
    nothing(engine, Slot("worker-1", "1.0"))
    (stats,) = engine.inspector.queue_stats()
    assert stats.counts[State.WAITING] == 2
    out = io.StringIO()
    call_command("jobqueue", "status", stdout=out)
    assert "2 waiting" in out.getvalue()
    out = io.StringIO()
    call_command("jobqueue", "list", "--state", "waiting", stdout=out)
    assert out.getvalue().count("keyed_tasks.lend") == 2


def test_drain_runs_what_waits(engine: Engine) -> None:
    """One after the other, as a worker does."""
    results = keyed_tasks.lend.enqueue_many([(5,)] * 10)
    assert drain() == 10
    assert keyed_tasks.lend.get_result(results[9].id).return_value == "lent 5"


@override_settings(TASKS=EAGER)
def test_eager_backend_runs_at_once() -> None:
    """Nothing runs beside it; keys are checked all the same."""
    assert keyed_tasks.lend.enqueue(5).return_value == "lent 5"
    with pytest.raises(compat.InvalidTask, match="has 205 characters"):
        keyed_tasks.lend.enqueue("x" * 200)


def test_captured_jobs_have_their_limits() -> None:
    with captured_jobs() as jobs:
        keyed_tasks.lend.using(concurrency=Limit(9)).enqueue(5)
    assert jobs[0].task.concurrency == (Limit(9),)


def test_explanation_of_a_rate(engine: Engine) -> None:
    slow = keyed_tasks.lend.using(concurrency=[], rate=Rate("1/h"))
    slow.enqueue(5)
    waits = slow.enqueue(5)
    assert drain() == 1
    text = " ".join(waits.explain())
    path = waits.task.module_path
    assert text.startswith(f"It waits for the rate of the key {path}: the next job starts at ")
    assert re.search(r"\(in (59 min|1 h) ", text)  # by how soon it is looked at
    waits.refresh()
    assert waits.state is State.WAITING


def test_durable_job_keeps_its_limits() -> None:
    """When a worker stores it again."""
    words = ("1w:item:7", "100r60000.10:api")
    row = row_of(Job("0190a5b2-7c3d-7abc-8def-000000000000", "a.b", limits=words), "default")
    assert job_of(row).limits == words
    assert (
        job_of(row_of(Job("0190a5b2-7c3d-7abc-8def-000000000000", "a.b"), "default")).limits == ()
    )
