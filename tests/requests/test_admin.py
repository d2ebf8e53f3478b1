"""The admin of requests: what it shows, what it does, and who may."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from django_jobqueue.requests.models import JobRequest
from django_jobqueue.testing import drain
from tests.project import asked_tasks
from tests.support.pages import said

from .conftest import ask

LIST = "/admin/django_jobqueue_requests/jobrequest/"


@pytest.fixture
def staff(transactional_db: None) -> Callable[..., Client]:
    """Log in a staff user who has the given permissions, and no other."""

    def client_of(*codenames: str) -> Client:
        user = User.objects.create_user("anna", password="secret", is_staff=True)
        found = Permission.objects.filter(codename__in=codenames)
        assert len(found) == len(codenames)
        user.user_permissions.set(found)
        client = Client()
        client.force_login(user)
        return client

    return client_of


VIEW = "view_jobrequest"


def url(row: JobRequest, view: str = "change") -> str:
    return reverse(f"admin:django_jobqueue_requests_jobrequest_{view}", args=[row.pk])


def test_the_list_shows_who_what_and_how_it_stands(
    engine: Engine, asked: JobRequest, staff: Callable[..., Client]
) -> None:
    Client().post("/ask/anonymous/", {"text": "x", "email": "eve@example.com"})
    client = staff(VIEW)
    page = client.get(LIST).content.decode()
    for text in ("Say it", "ada", "eve@example.com", "in progress", str(asked.job_id)):
        assert text in page
    for query in ("ada", "eve@", "Say", str(asked.public_id), str(asked.job_id)):
        assert client.get(LIST, {"q": query}).context["cl"].result_count >= 1, query
    assert client.get(LIST, {"q": "nobody"}).context["cl"].result_count == 0
    assert client.get(LIST, {"state__exact": "failed"}).context["cl"].result_count == 0


def test_the_list_tells_of_an_anonymous_person_what_is_known(
    asked: JobRequest, ada: User, admin_client: Client
) -> None:
    """The address, else the IP address; a user who is deleted leaves neither."""
    for known in ({"address": "eve@example.com", "ip": "192.0.2.1"}, {"ip": "2001:db8::"}):
        JobRequest.objects.create(title="Anything", task="a.b", **known)
    ada.delete()
    column = admin_client.get(LIST).context["cl"].model_admin.who
    said = [column(row) for row in JobRequest.objects.filter(owner=None).order_by("pk")]
    assert said == ["unknown", "eve@example.com", "2001:db8::"]


def test_a_page_shows_all_of_a_request(
    engine: Engine, ada: User, staff: Callable[..., Client]
) -> None:
    row = ask(ada, asked_tasks.grade, 100, ["<b>Bea</b>"])
    drain()
    page = staff(VIEW).get(url(row)).content.decode()
    assert "99 of 100 done" in page
    assert "&lt;b&gt;Bea&lt;/b&gt;" in page
    assert "ada@example.com" in page
    assert "<button" not in page.partition('id="content"')[2]  # no permission, no button


def test_requests_and_jobs_lead_to_each_other(
    engine: Engine, asked: JobRequest, staff: Callable[..., Client]
) -> None:
    client = staff(VIEW, "view_job")
    job_page = reverse("admin:django_jobqueue_job_change", args=[str(asked.job_id)])
    assert f'href="{job_page}"' in client.get(url(asked)).content.decode()
    assert f'href="{url(asked)}"' in client.get(job_page).content.decode()


def test_a_job_shows_no_requests_to_who_may_not_see_them(
    engine: Engine, asked: JobRequest, staff: Callable[..., Client]
) -> None:
    job_page = reverse("admin:django_jobqueue_job_change", args=[str(asked.job_id)])
    assert "Say it" not in staff("view_job").get(job_page).content.decode()


def test_nobody_adds_or_changes_requests(admin_client: Client, asked: JobRequest) -> None:
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(url(asked), {"title": "x"}).status_code == 403


@pytest.mark.parametrize("action", ["cancel", "retry", "resend"])
def test_an_action_needs_its_permission_and_a_post(
    engine: Engine, asked: JobRequest, staff: Callable[..., Client], action: str
) -> None:
    client = staff(VIEW)
    assert client.post(url(asked, action)).status_code == 403
    assert client.get(url(asked, action)).status_code == 405
    client.post(LIST, {"action": f"{action}_selected", "_selected_action": [asked.pk], "index": 0})
    asked.refresh_from_db()
    assert asked.state == "open"
    assert engine.inspector.count(State.QUEUED) == 1
    assert not LogEntry.objects.exists()


def test_a_request_is_cancelled_and_tried_again_from_its_page(
    engine: Engine, asked: JobRequest, staff: Callable[..., Client]
) -> None:
    client = staff(VIEW, "cancel_jobrequest", "retry_jobrequest")
    assert f'action="{url(asked, "cancel")}"' in client.get(url(asked)).content.decode()
    answer = client.post(url(asked, "cancel"), follow=True)
    assert said(answer) == ["1 request is being cancelled."]
    assert f'action="{url(asked, "retry")}"' in answer.content.decode()
    asked.refresh_from_db()
    assert asked.state == "cancelled"
    assert said(client.post(url(asked, "retry"), follow=True)) == ["1 request is tried again."]
    asked.refresh_from_db()
    assert asked.state == "open"
    assert [str(entry.get_change_message()) for entry in LogEntry.objects.order_by("pk")] == [
        "Cancelled.",
        "Tried again.",
    ]


def test_selected_requests_are_cancelled_and_others_named(
    engine: Engine, ada: User, done: JobRequest, staff: Callable[..., Client]
) -> None:
    rows = [ask(ada, asked_tasks.say) for _ in range(2)]
    client = staff(VIEW, "cancel_jobrequest")
    chosen = [row.pk for row in (*rows, done)]
    answer = client.post(
        LIST, {"action": "cancel_selected", "_selected_action": chosen, "index": 0}, follow=True
    )
    assert said(answer) == ["2 requests are being cancelled.", "1 request had ended."]
    assert engine.inspector.count(State.CANCELLED) == 2


def test_the_list_costs_the_same_for_many_rows(
    engine: Engine, ada: User, staff: Callable[..., Client], django_assert_max_num_queries: Any
) -> None:
    for _ in range(10):
        ask(ada, asked_tasks.say, notify=False)
    client = staff(VIEW)
    with django_assert_max_num_queries(12):
        client.get(LIST)
