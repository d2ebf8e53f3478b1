"""Tags: what a caller gives, and how the jobs of a tag are cancelled."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from django_jobqueue import cancel_tagged, compat, schedule, task
from django_jobqueue.compat import task_backends
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.tags import Cancelled
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import State
from django_jobqueue.testing import captured_jobs, drain
from tests.project import tasks
from tests.project.settings import OPTIONS, TASKS
from tests.support.places import claimed

EAGER = {"default": {"BACKEND": "django_jobqueue.testing.EagerBackend", "OPTIONS": {}}}
TAG = "tenant:7"


def tagged(engine: Engine, tag: str = TAG) -> list[str]:
    return engine.inspector.tags.ids(tag, 0, 100, newest_first=False)


def test_tags_of_task_and_call_are_stored_together(engine: Engine) -> None:
    """Each once, in their order."""
    mail = task(tags=["mail"])(tasks.noop.func)
    result = mail.using(tags=[TAG, "mail"]).using(tags={"urgent"}).enqueue()
    assert result.tags == ("mail", TAG, "urgent")
    assert tasks.noop.get_result(result.id).tags == result.tags
    assert tagged(engine, "mail") == tagged(engine, "urgent") == [result.id]
    assert mail.enqueue().tags == ("mail",)
    assert tasks.noop.enqueue().tags == ()


def test_enqueue_many_tags_each(engine: Engine) -> None:
    results = tasks.add.using(tags=[TAG]).enqueue_many([(n, n) for n in range(150)], spread=60)
    assert engine.inspector.tags.count(TAG) == 150
    assert results[149].tags == (TAG,)


@pytest.mark.usefixtures("declarations")
def test_schedule_tags_its_jobs(engine: Engine) -> None:
    spec = schedule("poll", tasks.noop.using(tags=[TAG]), every=60)
    backend: Any = task_backends["default"]
    job = backend.prepare_scheduled(spec.task, [], {}, schedule="poll").job
    assert job.tags == (TAG,)
    with pytest.raises(ValueError, match="Give each a name"):
        schedule("poll", tasks.noop, every=60)


class Tenant:
    """Middleware that tags each job."""

    tags: tuple[Any, ...] = (TAG,)

    def enqueue(self, job: Job) -> None:
        job.tags = (*job.tags, *self.tags)


def test_middleware_may_tag(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it adds is checked as well."""
    options = OPTIONS | {"MIDDLEWARE": [f"{__name__}.Tenant"]}
    with override_settings(TASKS={"default": TASKS["default"] | {"OPTIONS": options}}):
        result = tasks.noop.using(tags=["a"]).enqueue()
        assert result.tags == ("a", TAG)
        monkeypatch.setattr(Tenant, "tags", ("not one",))
        with pytest.raises(compat.InvalidTask, match="the tag 'not one' must be"):
            tasks.noop.enqueue()


@pytest.mark.parametrize(
    "tag", ["", " ", "a b", "a\tb", "a\n", "\x00", "x" * 65, "\ud800", "a\u00a0b", 7, None]
)
def test_bad_tag_is_refused(tag: Any) -> None:
    """At the definition, at the call and when it is to be cancelled; the error quotes it."""
    with pytest.raises(compat.InvalidTask, match="1 to 64 printable characters") as raised:
        task(tags=[tag])(tasks.noop.func)
    assert f"noop: the tag {tag!r}" in str(raised.value)
    with pytest.raises(compat.InvalidTask, match="1 to 64 printable characters"):
        tasks.noop.using(tags=["fine", tag])
    with pytest.raises(compat.InvalidTask, match="1 to 64 printable characters"):
        cancel_tagged(tag)


@pytest.mark.parametrize("tags", ["tenant", "", b"tenant", 7])
def test_what_is_no_list_is_refused(tags: Any) -> None:
    with pytest.raises(compat.InvalidTask, match=r"must be a list, such as \[\"tenant:7\"\]"):
        task(tags=tags)(tasks.noop.func)
    with pytest.raises(compat.InvalidTask, match="must be a list"):
        tasks.noop.using(tags=tags)


def test_sixth_tag_is_refused() -> None:
    """Those of task and call count together; one that is given twice counts once."""
    mail = task(tags=["a", "b", "c"])(tasks.noop.func)
    assert len(tuple(mail.using(tags=["c", "d", "e"]).tags)) == 5
    with pytest.raises(compat.InvalidTask, match="are 6: a job has at most 5"):
        mail.using(tags=["d", "e", "f"])


def test_all_of_a_tag_are_cancelled(engine: Engine) -> None:
    running = tasks.noop.using(tags=[TAG]).enqueue()
    claimed(engine, Slot("w", "0"))
    waits = tasks.noop.using(tags=[TAG]).enqueue_many([()] * 120)
    other = tasks.noop.enqueue()
    assert cancel_tagged(TAG, reason="tenant_left") == Cancelled(cancelled=120, told=1)
    waits[0].refresh()
    running.refresh()
    assert (waits[0].state, waits[0].reason) == (State.CANCELLED, "tenant_left")
    assert running.state is State.RUNNING
    assert drain() == 1
    other.refresh()
    assert other.state is State.SUCCEEDED


def test_other_alias_has_tags_of_its_own(engine: Engine) -> None:
    result = tasks.noop.using(tags=[TAG]).enqueue()
    with override_settings(TASKS=TASKS | {"other": TASKS["default"]}):
        assert cancel_tagged(TAG, backend="other") == Cancelled(0, 0)
    result.refresh()
    assert result.state is State.QUEUED


def test_command_cancels_all_of_a_tag(engine: Engine) -> None:
    tasks.noop.using(tags=[TAG]).enqueue_many([()] * 3)
    out = io.StringIO()
    call_command("jobqueue", "cancel", "--tag", TAG, "--yes", stdout=out)
    assert out.getvalue() == "3 jobs cancelled, 0 running ones told to end.\n"
    assert engine.inspector.count(State.CANCELLED) == 3


@pytest.mark.parametrize(
    "words",
    [(), ("x", "--tag", "t"), ("--tag", ""), ("--tag", "a b"), ("--tag", "t", "--queue", "mail")],
)
def test_command_takes_ids_or_a_tag(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match=r"Say which jobs|Give ids, or|1 to 64 printable"):
        call_command("jobqueue", "cancel", *words)


def test_captured_jobs_are_cancelled_by_tag() -> None:
    """Those that have run already are not."""
    with captured_jobs() as jobs:
        ran = tasks.echo.using(tags=[TAG]).enqueue(1)
        jobs.run()
        waits = tasks.echo.using(tags=[TAG, "b"]).enqueue(2)
        other = tasks.echo.using(tags=["b"]).enqueue(3)
        assert cancel_tagged(TAG) == Cancelled(1, 0)
    assert waits.state is State.CANCELLED
    assert [result.id for result in jobs.run()] == [other.id]
    assert jobs.by_id[ran.id].state is State.SUCCEEDED


def test_eager_jobs_have_tags_too() -> None:
    with override_settings(TASKS=EAGER):
        assert tasks.echo.using(tags=[TAG]).enqueue(1).tags == (TAG,)
        assert cancel_tagged(TAG) == Cancelled(0, 0)
