"""The admin when Redis is away: pages that say so."""

from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.job import new_id
from tests.admin.conftest import Seed
from tests.project.tasks import noop
from tests.support.pages import JOBS, QUEUES, SCHEDULES, WORKERS, ids, page_of, said
from tests.support.schedule_rows import row_of


@pytest.fixture
def redis_away(settings: Any) -> None:
    entry = settings.TASKS["default"]
    settings.TASKS = {"default": entry | {"OPTIONS": {"URL": "unix:///no/such/socket"}}}


@pytest.mark.parametrize("url", [JOBS, QUEUES, WORKERS, f"{JOBS}?q=x", f"{JOBS}?state=failed"])
def test_a_list_is_empty_and_says_why(admin_client: Client, redis_away: None, url: str) -> None:
    response = admin_client.get(url)
    assert ids(response) == []
    (message,) = said(response)
    assert "/no/such/socket" in message
    assert escape(message) in response.content.decode()


@pytest.mark.parametrize("view", ["change", "delete", "history"])
def test_a_page_leads_to_the_list_that_says_why(
    admin_client: Client, redis_away: None, view: str
) -> None:
    response = admin_client.get(page_of("job", new_id(), view), follow=True)
    assert response.redirect_chain[0][0] == JOBS
    (message,) = said(response)
    assert "/no/such/socket" in message


@pytest.mark.parametrize(
    ("url", "action", "chosen"),
    [
        (JOBS, "requeue_selected", new_id()),
        (JOBS, "delete_selected", new_id()),
        (QUEUES, "pause_selected", "default"),
    ],
    ids=["requeue", "delete", "pause"],
)
def test_an_action_says_why_it_did_nothing(
    admin_client: Client, redis_away: None, url: str, action: str, chosen: str
) -> None:
    data = {"action": action, "_selected_action": chosen, "index": 0, "post": "yes"}
    response = admin_client.post(url, data, follow=True)
    assert response.status_code == 200
    assert any("/no/such/socket" in message for message in said(response))


def test_nobody_is_asked_whether_to_delete_what_could_not_be_read(
    admin_client: Client, redis_away: None
) -> None:
    data = {"action": "delete_selected", "_selected_action": new_id(), "index": 0}
    response = admin_client.post(JOBS, data, follow=True)
    assert response.redirect_chain[0][0] == JOBS
    assert "/no/such/socket" in said(response)[0]


def test_a_button_says_why_it_did_nothing(admin_client: Client, redis_away: None) -> None:
    response = admin_client.post(page_of("job", new_id(), "cancel"), follow=True)
    assert "/no/such/socket" in said(response)[0]


def test_the_index_of_the_admin_stands(admin_client: Client, redis_away: None) -> None:
    assert admin_client.get("/admin/").status_code == 200


def test_without_a_queue_in_the_settings_the_list_says_so(
    admin_client: Client, settings: Any
) -> None:
    settings.TASKS = {}
    assert "No entry of TASKS" in said(admin_client.get(JOBS))[0]


def test_schedules_are_shown_changed_and_deleted(
    admin_client: Client, redis_away: None, declarations: None
) -> None:
    """They stand in the database; only what became of them is not known."""
    row = row_of("sum")
    response = admin_client.get(SCHEDULES)
    assert list(map(str, ids(response))) == [str(row.pk)]
    assert response.context["notes"] == []  # nobody knows whether a scheduler is there
    (message,) = said(response)
    assert "/no/such/socket" in message
    page = admin_client.get(page_of("schedule", str(row.pk)))
    assert page.status_code == 200
    assert len(page.context["fires"]) == 5
    chosen = {"_selected_action": row.pk, "index": 0}
    done = admin_client.post(SCHEDULES, chosen | {"action": "disable_selected"}, follow=True)
    assert "1 schedule disabled." in said(done)
    url = page_of("schedule", str(row.pk), "delete")
    assert admin_client.post(url, {"post": "yes"}).status_code == 302
    assert ids(admin_client.get(SCHEDULES)) == []


def test_a_schedule_is_not_run_without_redis(admin_client: Client, redis_away: None) -> None:
    row = row_of("sum")
    answer = admin_client.post(page_of("schedule", str(row.pk), "run"), follow=True)
    assert any("“sum” was not run" in text and "/no/such" in text for text in said(answer))


def test_the_pages_of_another_alias_stand(
    admin_client: Client, engine: Engine, seed: Seed, settings: Any
) -> None:
    """One server of two is away; what stands on the other is shown."""
    seed.queued()
    here = settings.TASKS["default"]
    away = here | {"OPTIONS": {"URL": "unix:///no/such/socket"}}
    seed.engine.leases.renew("worker-1", {"host": "mill", "pid": 1, "started_at": 1})
    settings.TASKS = {"default": here, "archive": away}
    for page in (page_of("queue", "default_2Fdefault"), page_of("worker", "worker-1")):
        assert admin_client.get(page).status_code == 200
    assert "/no/such/socket" in said(admin_client.get(QUEUES))[0]
    settings.TASKS = {"default": here, "archive": here}
    job = noop.using(backend="archive", on_commit=False).enqueue().id
    settings.TASKS = {"default": away, "archive": here}
    assert admin_client.get(page_of("job", job)).status_code == 200
    missing = admin_client.get(page_of("job", new_id()), follow=True)
    assert "/no/such/socket" in said(missing)[0]
