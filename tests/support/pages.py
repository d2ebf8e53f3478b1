"""What a test reads of a page of the admin."""

from typing import Any

from django.test import Client
from django.urls import reverse

JOBS = "/admin/django_jobqueue/job/"
QUEUES = "/admin/django_jobqueue/queue/"
WORKERS = "/admin/django_jobqueue/worker/"
SCHEDULES = "/admin/django_jobqueue/schedule/"
FAILURES = f"{JOBS}failures/"
TASKS = f"{JOBS}tasks/"


def page_of(model: str, pk: str, view: str = "change") -> str:
    return reverse(f"admin:django_jobqueue_{model}_{view}", args=[pk])


def ids(response: Any) -> list[str]:
    """Return the primary keys of the rows on a list."""
    assert response.status_code == 200, response
    return [row.pk for row in response.context["cl"].result_list]


def said(response: Any) -> list[str]:
    """Return the messages on a page."""
    return [str(message) for message in response.context["messages"]]


def offered(response: Any) -> list[str]:
    """Return the names of the actions that a list offers."""
    form = response.context["action_form"]
    return [name for name, _ in form.fields["action"].choices if name] if form else []


def act(client: Client, action: str, chosen: list[str], **extra: Any) -> Any:
    """Choose an action of the queues' page for some of them."""
    data = {"action": f"{action}_selected", "_selected_action": chosen, "index": 0} | extra
    return client.post(QUEUES, data, follow=True)
