"""To look at a page writes nothing, neither into the database nor into Redis."""

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client

from django_jobqueue import schedule
from django_jobqueue.engine import Engine
from django_jobqueue.engine.inspector import Inspector
from django_jobqueue.jobs.signing import Signer
from django_jobqueue.models import Job, Queue, Schedule, Worker
from tests.admin.conftest import Seed
from tests.project.tasks import noop
from tests.support.pages import FAILURES, JOBS, QUEUES, SCHEDULES, TASKS, WORKERS, page_of
from tests.support.schedule_rows import row_of

pytestmark = pytest.mark.usefixtures("declarations")

LISTS = {Job: JOBS, Queue: QUEUES, Worker: WORKERS, Schedule: SCHEDULES}


def refuse_writes(execute: Any, sql: str, *rest: Any) -> Any:
    assert re.match(r"\s*(SELECT|SAVEPOINT|RELEASE|PRAGMA)", sql) or "django_session" in sql, sql
    return execute(sql, *rest)


def stored(engine: Engine) -> dict[Any, Any]:
    client = engine.client.redis
    return {key: client.dump(key) for key in client.keys("*")}


def test_no_page_writes_on_get(admin_client: Client, seed: Seed, engine: Engine) -> None:
    """Also not a schedule that the code declares and that nobody has entered yet."""
    schedule("nightly", noop, every=60)
    row = str(Schedule.objects.create(name="sum", task=noop.module_path, every_seconds=60).pk)
    made = seed.one_of_each()
    engine.leases.renew("worker-1", {"host": "mill", "pid": 1, "started_at": 1})
    urls = ["/admin/", "/admin/django_jobqueue/", JOBS, QUEUES, WORKERS, SCHEDULES]
    urls += [f"{QUEUES}overview/", FAILURES, TASKS]
    urls += [f"{JOBS}?state=failed&order=oldest", f"{JOBS}?q=tasks.noop", f"{SCHEDULES}?q=sum"]
    urls += [f"{JOBS}?task=tests.project.tasks.noop", f"{SCHEDULES}add/"]
    for model, pk in (
        *(("job", job_id) for job_id in made.values()),
        ("queue", "default"),
        ("worker", "worker-1"),
        ("schedule", row),
    ):
        urls += [page_of(model, pk), page_of(model, pk, "history"), page_of(model, pk, "delete")]
    urls += [page_of("job", made["failed"], action) for action in ("requeue", "cancel")]
    urls += [page_of("schedule", row, "run")]
    before = stored(engine)
    with connection.execute_wrapper(refuse_writes):
        codes = {admin_client.get(url).status_code for url in urls}
    assert codes == {200, 403, 405}  # 403: nobody deletes a queue; 405: a button needs POST
    assert stored(engine) == before


def test_the_page_of_a_job_verifies_its_signature_once(
    staff: Any, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = seed.succeeded(data=b'{"args":[1],"kwargs":{}}', result=b'{"token":1}')
    client, seen, verify = staff("view_job", "view_payload"), [], Signer.verify

    def count(self: Signer, *given: Any) -> bytes:
        seen.append(given)
        return verify(self, *given)

    monkeypatch.setattr(Signer, "verify", count)
    assert client.get(page_of("job", job_id)).status_code == 200
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("action", "state"), [("requeue", "failed"), ("cancel", "queued"), ("delete", "failed")]
)
def test_an_action_on_one_job_reads_its_small_fields_only(
    admin_client: Client, seed: Seed, monkeypatch: pytest.MonkeyPatch, action: str, state: str
) -> None:
    """Neither its arguments and result, nor its tracebacks."""
    job_id = getattr(seed, state)()
    with monkeypatch.context() as patch:
        patch.setattr(Inspector, "job", lambda *_: pytest.fail("all of the job was read"))
        answer = admin_client.post(page_of("job", job_id, action), {"post": "yes"})
    assert answer.status_code == 302
    assert LogEntry.objects.get().object_id == job_id


@pytest.mark.parametrize("url", LISTS.values())
@pytest.mark.usefixtures("engine")
def test_an_address_narrows_a_list_only_by_its_filters(staff: Any, url: str) -> None:
    """Else who may only look could guess the fields that the list and the pages do not show."""
    row_of("sum", args=["S3cret"], kwargs={"login": {"password": "Zebra"}}, queue="mail")
    client = staff("view_job", "view_queue", "view_worker", "view_schedule")
    fields = [field.name for model in LISTS for field in model._meta.fields]
    lookups = ["", "__exact", "__contains", "__regex", "__gt", "__isnull", "__in"]
    lookups += ["__0__startswith", "__login__password__startswith"]
    names = {f"{field}{lookup}" for field in {*fields, "pk"} for lookup in lookups}
    names -= {"alias", "state", "queue", "task"}  # filters of the list of jobs, as "tag" and others
    for name in sorted(names):
        answer = client.get(url, {name: "(" if name.endswith("regex") else "1"})
        assert (answer.status_code, answer.headers.get("Location")) == (302, f"{url}?e=1"), name


def test_fields_are_no_filters_of_the_list_of_schedules(staff: Any) -> None:
    client = staff("view_schedule")
    for name in ("alias", "queue", "task", "args"):
        assert client.get(SCHEDULES, {name: "S"}).status_code == 302, name
