"""The template tag `{% job_requests %}`."""

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from django_jobqueue.engine import Engine
from django_jobqueue.requests.models import JobRequest
from django_jobqueue.testing import drain
from tests.project import asked_tasks

from .conftest import ask

TAG = Template("{% load django_jobqueue_requests %}{% job_requests %}")


def bell(user: object) -> str:
    request = RequestFactory().get("/")
    request.user = user  # type: ignore[assignment]
    return TAG.render(Context({"request": request}))


def test_it_counts_what_goes_on_and_what_is_new(engine: Engine, ada: User, client: Client) -> None:
    row = ask(ada, asked_tasks.say, title="<first>")
    drain()
    ask(ada, asked_tasks.say, title="second")
    text = bell(ada)
    assert "1 in progress" in text
    assert "<strong>1 new result</strong>" in text
    assert "&lt;first&gt;" in text
    client.get(f"/requests/{row.public_id}/")
    text = bell(ada)
    assert "1 in progress" in text
    assert "new result" not in text


def test_it_costs_one_query(engine: Engine, ada: User) -> None:
    ask(ada, asked_tasks.say), ask(ada, asked_tasks.say)
    with CaptureQueriesContext(connection) as captured:
        bell(ada)
    assert len(captured) == 1


@pytest.mark.parametrize("context", [{}, {"user": AnonymousUser()}])
def test_without_a_user_there_is_none(context: dict[str, object]) -> None:
    assert TAG.render(Context(context)).strip() == ""


def test_it_shows_ones_own_only(engine: Engine, ada: User, bob: User) -> None:
    ask(ada, asked_tasks.say)
    assert bell(bob).strip() == ""
    assert JobRequest.objects.count() == 1


def test_it_takes_the_user_of_the_context_too(engine: Engine, ada: User) -> None:
    ask(ada, asked_tasks.say)
    assert "1 in progress" in TAG.render(Context({"user": ada}))
