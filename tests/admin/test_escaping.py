"""Nothing that stands in Redis becomes markup or template code in the admin."""

import json
from typing import Any
from urllib.parse import quote as percent

import pytest
from django.contrib.admin import ModelAdmin, site
from django.contrib.admin.utils import quote
from django.contrib.auth.models import AnonymousUser
from django.test import Client, RequestFactory
from django.utils.html import escape

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome
from django_jobqueue.models import Queue
from tests.admin.conftest import Seed
from tests.admin.hostile import EVIL, SPACELESS, assert_harmless
from tests.support.pages import JOBS, QUEUES, WORKERS, ids, page_of


def store_by_hand(engine: Engine, data: bytes) -> str:
    """Write a job with names that no script takes; return its id."""
    client, keys, job_id = engine.client.redis, engine.client.keys, new_id()
    client.set(keys("payload", job_id), engine.signer.sign(job_id, EVIL, data))
    record: dict[Any, Any] = {"state": "queued", "queue": SPACELESS, "task": EVIL, "enqueued_at": 1}
    client.hset(keys("job", job_id), mapping=record)
    client.zadd(keys("queued", SPACELESS), {job_id: 1})
    for sets in ("names", "work"):
        client.zadd(keys(sets), {SPACELESS: 0})
    return job_id


def evil_jobs(seed: Seed) -> list[str]:
    """Return a failed, a succeeded and a running job whose every text is hostile."""
    engine, made = seed.engine, []
    data = json.dumps({"args": [EVIL], "kwargs": {EVIL: EVIL}}).encode()
    ends = [
        RunResult(Outcome.FAILED, reason=EVIL, exception=SPACELESS, traceback=f"</pre>{EVIL}"),
        RunResult(Outcome.SUCCEEDED, value=json.dumps({EVIL: [EVIL]}).encode()),
        None,
    ]
    for number, end in enumerate(ends):
        slot = Slot(SPACELESS, f"0.{number}")
        job_id = store_by_hand(engine, data)
        claimed: Any = engine.claims.claim(slot, [SPACELESS])
        assert claimed.id == job_id
        if end is None:
            engine.jobs.progress(job_id, claimed.fence, 1, 2, EVIL)
            engine.jobs.log(job_id, claimed.fence, EVIL)
        else:
            engine.claims.finish(slot, claimed, end, [])
        made.append(job_id)
    return made


@pytest.mark.parametrize("text", [EVIL, "key-of-a-row", "name-of-a-row", r"\1 \g<0>"])
def test_the_box_of_a_row_is_the_one_that_django_makes(text: str, rf: RequestFactory) -> None:
    """Also for rows whose key or name is what stands for them in its markup."""
    request = rf.get("/")
    request.user = AnonymousUser()
    shared: Any = site.get_model_admin(Queue)
    mine = shared.for_request(request)
    for row in (Queue(pk=text, name=text), Queue(pk=f"{text}2", name=text)):
        box = mine.action_checkbox(row)
        assert box == shared.action_checkbox(row) == ModelAdmin.action_checkbox(shared, row)
        assert escape(row.pk) in box


def test_a_hostile_job_is_shown_as_text(admin_client: Client, seed: Seed) -> None:
    made = evil_jobs(seed)
    for query in ({}, {"state": "failed"}, {"q": "img"}, {"state": "failed", "task": EVIL}):
        response = admin_client.get(JOBS, query)
        assert ids(response)
        assert_harmless(response)
    for job_id in made:
        assert_harmless(admin_client.get(page_of("job", job_id)))
    assert_harmless(admin_client.get(page_of("job", made[0], "delete")))


def test_hostile_names_of_queues_and_workers_are_shown_as_text(
    admin_client: Client, seed: Seed
) -> None:
    evil_jobs(seed)
    info: dict[str, str | int] = dict.fromkeys(("host", "queues", "version"), EVIL)
    seed.engine.leases.renew(SPACELESS, info)
    assert_harmless(admin_client.get(QUEUES))
    assert_harmless(admin_client.get(WORKERS))
    for model, url in (("queue", QUEUES), ("worker", WORKERS)):
        (key,) = ids(admin_client.get(url))
        assert_harmless(admin_client.get(f"{url}{percent(quote(key))}/change/"))
        assert model in url
    data = {"action": "pause_selected", "_selected_action": SPACELESS, "index": 0}
    admin_client.post(QUEUES, data)
    assert_harmless(admin_client.get("/admin/"))  # the log of recent actions


def test_what_the_address_says_is_shown_as_text(admin_client: Client, engine: Engine) -> None:
    for query in ({"q": EVIL}, {"queue": EVIL}, {"task": EVIL, "state": "failed"}):
        assert_harmless(admin_client.get(JOBS, query))


def test_the_messages_of_an_action_are_text(admin_client: Client, engine: Engine) -> None:
    data = {"action": "requeue_selected", "_selected_action": [EVIL], "index": 0}
    response = admin_client.post(JOBS, data, follow=True)
    assert "<img src=x" not in response.content.decode()
