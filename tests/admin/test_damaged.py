"""Whatever stands in Redis is shown and can be got rid of: nothing there makes a page an error."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client

from django_jobqueue.engine import Engine
from django_jobqueue.engine.keys import INDEXES, KINDS
from django_jobqueue.jobs.states import State
from tests.admin.conftest import Seed
from tests.support.pages import JOBS, QUEUES, SCHEDULES, WORKERS, ids, page_of
from tests.support.schedule_rows import row_of

ODD = b"\xff/\xc3 <b>"
SHOWN = r"\xff/\xc3 <b>"  # what stands on a page for it


@pytest.fixture
def redis(engine: Engine) -> Iterator[Any]:
    """The client of a server that is emptied, because nobody could repair it."""
    yield engine.client.redis
    engine.client.redis.flushall()


def all_pages(client: Client, *extra: str) -> None:
    for url in ("/admin/", JOBS, f"{JOBS}?q=noop", QUEUES, WORKERS, SCHEDULES, *extra):
        assert client.get(url).status_code == 200, url
    for state in State:
        assert client.get(JOBS, {"state": state.value}).status_code == 200, state


@pytest.mark.parametrize("index", INDEXES)
def test_an_id_that_is_no_text_is_no_error(
    admin_client: Client, seed: Seed, redis: Any, index: str
) -> None:
    """Without a record there is nothing to list."""
    seed.queued()
    redis.zadd(seed.engine.client.keys(index, "default"), {b"\xff": -1})
    all_pages(admin_client)


def test_a_job_whose_name_is_no_text_is_shown_and_deleted(
    admin_client: Client, seed: Seed, redis: Any
) -> None:
    keys, job_id = seed.engine.client.keys, seed.failed()
    for kind in ("job", "attempts"):
        redis.rename(keys(kind, job_id), keys.prefix.encode() + kind.encode() + b":" + ODD)
    for kind, name in (("failed", "default"), ("failed-of", "tests.project.tasks.noop")):
        redis.zrem(keys(kind, name), job_id)
        redis.zadd(keys(kind, name), {ODD: 1})
    assert ids(admin_client.get(JOBS, {"state": "failed"})) == [SHOWN]
    page = page_of("job", quote(SHOWN))
    assert "\\xff/\\xc3 &lt;b&gt;" in admin_client.get(page).content.decode()
    requeued = admin_client.post(page_of("job", quote(SHOWN), "requeue"), follow=True)
    assert "1 job requeued." in requeued.content.decode()
    deleted = admin_client.post(page_of("job", quote(SHOWN), "delete"), {"post": "yes"})
    assert deleted.status_code == 302
    assert admin_client.get(page, follow=True).redirect_chain
    assert ODD not in b"".join(redis.keys("*"))


def test_a_queue_whose_name_is_no_text_is_shown_and_paused(
    admin_client: Client, seed: Seed, redis: Any
) -> None:
    seed.queued()
    keys = seed.engine.client.keys
    redis.zadd(keys("names"), {ODD: 0})
    redis.zadd(keys.prefix.encode() + b"queued:" + ODD, {ODD: 1})
    assert ids(admin_client.get(QUEUES)) == ["default", SHOWN]
    data = {"action": "pause_selected", "_selected_action": SHOWN, "index": 0}
    assert "1 queue paused." in admin_client.post(QUEUES, data, follow=True).content.decode()
    assert redis.hget(keys("meta"), b"paused:" + ODD).endswith(b" admin")
    all_pages(admin_client, page_of("queue", quote(SHOWN)), f"{JOBS}?queue=%5Cxff")


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_of_another_type_is_no_error(
    admin_client: Client, seed: Seed, redis: Any, kind: str
) -> None:
    """It is shown as if nothing stood there."""
    keys, job_id = seed.engine.client.keys, seed.failed()
    running = seed.running()
    seed.engine.leases.renew("worker-1", {"host": "mill"})
    row = row_of("sum")
    names = {"job id": job_id, "queue": "default", "worker id": "worker-1", "name": "sum"}
    key = keys(kind, names.get(KINDS[kind].of, "x")) if KINDS[kind].of else keys(kind)
    redis.delete(key)
    if KINDS[kind].type == "STRING":
        redis.rpush(key, b"\xff")
    else:
        redis.set(key, b"\xff")
    all_pages(admin_client, page_of("schedule", str(row.pk)))
    for one in (job_id, running):
        assert admin_client.get(page_of("job", one), follow=True).status_code == 200


@pytest.mark.parametrize("value", [b"", b"\xff", b"a", b"a b", b"a b \xff", b"a b c \xff d"])
def test_a_value_with_too_few_words_is_no_error(
    admin_client: Client, seed: Seed, redis: Any, value: bytes
) -> None:
    """Of a slot, of a worker, of a run, of progress and of the log."""
    keys, job_id = seed.engine.client.keys, seed.running()
    seed.engine.leases.renew("worker-1", {"host": "mill"})
    redis.hset(keys("slots", "worker-1"), "0.0", value)
    for name in (b"host", b"pid", b"queues", b"started_at", b"seen_at", b"\xff"):
        redis.hset(keys("worker", "worker-1"), name, value)
    for kind in ("attempts", "log"):
        redis.rpush(keys(kind, job_id), value)
    redis.set(keys("progress", job_id), value)
    assert ids(admin_client.get(WORKERS)) == ["worker-1"]
    all_pages(admin_client, page_of("worker", "worker-1"), page_of("job", job_id))


@pytest.mark.parametrize(
    "number", [b"-1", b"1e400", b"inf", b"9" * 17, b"9" * 400, b"9" * 5000, b"-" + b"9" * 14]
)
def test_a_number_that_is_none_is_no_error(
    admin_client: Client, seed: Seed, redis: Any, number: bytes
) -> None:
    """Of a record, of a worker, of a run, of progress, of the counters, and as a score."""
    keys, job_id, due = seed.engine.client.keys, seed.running(), seed.scheduled()
    head = seed.queued()
    seed.engine.leases.renew("worker-1", {"host": "mill"})
    row = row_of("sum")
    for one in (job_id, due, head):
        for name in redis.hkeys(keys("job", one)):
            if name not in (b"state", b"queue", b"task"):
                redis.hset(keys("job", one), name, number)
    for name in (b"pid", b"processes", b"threads", b"started_at", b"seen_at"):
        redis.hset(keys("worker", "worker-1"), name, number)
    for name in (b"nominal", b"fired_at", b"fired", b"missed", b"missed_at"):
        redis.hset(keys("schedule", "sum"), name, number)
    redis.rpush(keys("attempts", job_id), b"%b 1-f w %b %b failed -" % (number, number, number))
    redis.set(keys("progress", job_id), b"%b %b x" % (number, number))
    redis.zadd(keys("scheduled", "default"), {due: "inf"})
    redis.zadd(keys("schedulers"), {"x": "inf"})
    all_pages(admin_client, page_of("worker", "worker-1"), page_of("schedule", str(row.pk)))
    for one in (job_id, due, head):
        assert admin_client.get(page_of("job", one)).status_code == 200


@pytest.mark.parametrize(
    "query",
    ["state__exact=x", "state=x", "priority=1", "id__in=", "alias__exact=x", "p=x", "p=99", "o=x"],
)
def test_an_odd_address_is_no_error(admin_client: Client, seed: Seed, query: str) -> None:
    """The list says nothing of it, or is shown without it."""
    seed.queued()
    assert admin_client.get(f"{JOBS}?{query}", follow=True).status_code == 200
