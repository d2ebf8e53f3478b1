"""Run a task from the admin: who may, the form, what is enqueued, and the copy of a job."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client

from django_jobqueue import task
from django_jobqueue.compat import InvalidTask
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import State
from tests.admin.conftest import Seed
from tests.project import run_tasks
from tests.support.pages import JOBS, page_of, said

pytestmark = pytest.mark.django_db(transaction=True)

ADD = f"{JOBS}add/"
ORDER = run_tasks.order.module_path
GREET = run_tasks.greet.module_path
DISMISS = run_tasks.dismiss.module_path
FULL = {
    "arg_name": "Zoë <b>",
    "arg_many": "3",
    "arg_price": "1.50",
    "arg_size": '"l"',
    "arg_way": '"van"',
    "arg_day": "2030-03-01",
    "arg_at": "2030-03-01T12:00:00",
    "arg_weight": "2.5",
    "arg_more": '{"x": [1]}',
    "arg_password": "s3cret",
}


def run(client: Client, path: str, form: dict[str, str], **query: str) -> Any:
    return client.post(ADD, form, query_params={"task": path, **query}, follow=True)


def fields(response: Any) -> dict[str, Any]:
    return dict(response.context["form"].fields)


def newest(engine: Engine) -> Job:
    (job,) = engine.inspector.page(State.QUEUED, 0, 1)
    whole = engine.inspector.job(job.id)
    whole.open(engine.signer)
    return whole


def test_a_form_of_the_signature_enqueues_a_job(
    admin_client: Client, engine: Engine, settings: Any
) -> None:
    """Each value as JSON: a date in ISO 8601, a Decimal as its digits."""
    settings.TIME_ZONE = "UTC"
    answer = run(admin_client, ORDER, FULL)
    assert said(answer) == ["The job is enqueued."]
    job = newest(engine)
    assert answer.redirect_chain == [(page_of("job", job.id), 302)]
    assert (job.task, job.queue, job.args) == (ORDER, "default", [])
    assert job.kwargs == {
        "name": "Zoë <b>",
        "many": 3,
        "price": "1.50",
        "size": "l",
        "way": "van",
        "day": "2030-03-01",
        "at": "2030-03-01T12:00:00+00:00",
        "gift": False,
        "weight": 2.5,
        "more": {"x": [1]},
        "password": "s3cret",
    }
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.action_flag) == (job.id, ADDITION)


def test_what_is_left_empty_has_its_default(admin_client: Client, engine: Engine) -> None:
    needed = {name: FULL[name] for name in ("arg_name", "arg_many", "arg_price", "arg_size")}
    run(admin_client, ORDER, needed)
    kwargs = newest(engine).kwargs
    assert (kwargs["day"], kwargs["more"], kwargs["password"]) == (None, None, "")
    assert not {"weight", "way"} & kwargs.keys()


def test_wrong_values_are_told_and_nothing_runs(admin_client: Client, engine: Engine) -> None:
    wrong = {"arg_many": "x", "arg_size": '"xl"', "arg_more": "{", "arg_price": ""}
    answer = run(admin_client, ORDER, FULL | wrong)
    assert set(answer.context["form"].errors) == set(wrong)
    assert engine.inspector.count(State.QUEUED) == 0
    assert "Zoë &lt;b&gt;" in answer.content.decode(), "what was typed stays"


def test_queue_priority_and_time_are_of_this_job(admin_client: Client, engine: Engine) -> None:
    options = {"option_queue": "mail", "option_priority": "7"}
    run(admin_client, ORDER, FULL | options)
    (job,) = engine.inspector.page(State.QUEUED, 0, 1, queues=["mail"])
    assert job.priority == 7
    run(admin_client, ORDER, FULL | {"option_time": "2100-01-01T00:00"})
    assert engine.inspector.count(State.SCHEDULED) == 1
    answer = run(admin_client, ORDER, FULL | {"option_queue": "no such name"})
    assert "no such name" in str(answer.context["form"].non_field_errors())


def test_a_row_is_chosen_by_its_key(admin_client: Client, admin_user: Any, engine: Engine) -> None:
    """With the look-up of the admin; further arguments are JSON."""
    page = admin_client.get(ADD, {"task": GREET}).content.decode()
    assert 'class="related-lookup"' in page
    zelda = User.objects.create_user("zelda")
    wrong = run(admin_client, GREET, {"arg_user": str(zelda.pk), "arg_words": "{"})
    assert "zelda" not in wrong.content.decode(), "who may run a task may not see all names"
    more = {"arg_others": "[1, 2]", "arg_words": '{"a": "b"}'}
    run(admin_client, GREET, {"arg_user": str(admin_user.pk)} | more)
    job = newest(engine)
    assert (job.args, job.kwargs) == ([admin_user.pk, 1, 2], {"a": "b"})
    answer = run(admin_client, GREET, {"arg_user": "99999", "arg_others": "{}", "arg_words": "[]"})
    assert set(answer.context["form"].errors) == {"arg_user", "arg_others", "arg_words"}


def test_the_tasks_that_allow_it_are_offered(admin_client: Client, engine: Engine) -> None:
    page = admin_client.get(ADD).content.decode()
    assert ORDER in page
    assert run_tasks.closed.module_path not in page
    assert ADD in admin_client.get(JOBS).content.decode()


@pytest.mark.parametrize("path", [run_tasks.closed.module_path, "os.system", "gone.task"])
def test_no_other_task_runs(admin_client: Client, engine: Engine, path: str) -> None:
    assert admin_client.get(ADD, {"task": path}).status_code == 403
    assert run(admin_client, path, {"arg_name": "x"}).status_code == 403
    assert engine.inspector.count(State.QUEUED) == 0


def test_to_run_takes_its_permission(staff: Any, engine: Engine) -> None:
    client = staff("view_job", "requeue_job", "view_payload")
    assert client.get(ADD).status_code == 403
    assert run(client, ORDER, FULL).status_code == 403
    assert ADD not in client.get(JOBS).content.decode()
    assert engine.inspector.count(State.QUEUED) == 0


def test_a_task_may_take_one_more(staff: Any, engine: Engine) -> None:
    client = staff("view_job", "run_job")
    assert DISMISS not in client.get(ADD).content.decode()
    assert run(client, DISMISS, {"arg_user": "1"}).status_code == 403
    user = User.objects.get()
    user.user_permissions.add(Permission.objects.get(codename="delete_user"))
    assert said(run(client, DISMISS, {"arg_user": "1"})) == ["The job is enqueued."]


def test_a_job_is_run_again_as_a_new_one(
    admin_client: Client, engine: Engine, make_job: Callable[..., str]
) -> None:
    """The form has what it was called with; what is changed is of the new job alone."""
    call = {"args": ["Ada", 3], "kwargs": {"price": "1.50", "size": "s", "more": [1]}}
    old = make_job(task=ORDER, data=json.dumps(call).encode())
    page = admin_client.get(page_of("job", old)).content.decode()
    assert f"?task={ORDER}&amp;from={old}" in page
    form = admin_client.get(ADD, {"task": ORDER, "from": old}).context["form"]
    initial = {name: form[name].value() for name in form.fields}
    assert initial["arg_name"] == "Ada"
    assert initial["arg_size"] == '"s"'
    assert json.loads(initial["arg_more"]) == [1]
    run(admin_client, ORDER, FULL, **{"from": old})
    assert newest(engine).kwargs["name"] == "Zoë <b>"
    assert engine.inspector.job(old).payload != newest(engine).payload


def test_secrets_of_the_old_job_are_kept_unseen(
    staff: Any, engine: Engine, make_job: Callable[..., str]
) -> None:
    call = {"args": [], "kwargs": {"password": "s3cret", "more": {"api_key": "k-1"}}}
    old = make_job(task=ORDER, data=json.dumps(call | {"args": ["Ada", 3, "1", "s"]}).encode())
    client = staff("view_job", "run_job", "view_payload")
    page = client.get(ADD, {"task": ORDER, "from": old}).content.decode()
    assert "s3cret" not in page
    assert "k-1" not in page
    kept = FULL | {"arg_password": "", "arg_more": ""}
    run(client, ORDER, kept, **{"from": old})
    kwargs = newest(engine).kwargs
    assert (kwargs["password"], kwargs["more"]) == ("s3cret", {"api_key": "k-1"})


def test_without_the_permission_to_see_them_no_arguments_are_copied(
    staff: Any, engine: Engine, make_job: Callable[..., str]
) -> None:
    old = make_job(task=DISMISS, data=b'{"args":[4711],"kwargs":{}}')
    client = staff("view_job", "run_job")
    assert "4711" not in client.get(ADD, {"task": ORDER, "from": old}).content.decode()
    assert "&amp;from=" not in client.get(page_of("job", old)).content.decode()


def test_redis_is_away(admin_client: Client, settings: Any) -> None:
    entry = settings.TASKS["default"]
    settings.TASKS = {
        "default": entry | {"OPTIONS": {"URL": "unix:///no/such/socket", "STORE_IN_TESTS": True}}
    }
    assert "/no/such/socket" in run(admin_client, ORDER, FULL).content.decode()


@pytest.mark.parametrize("wrong", ["", "codename", "app.", 1, None])
def test_runnable_is_checked_at_the_definition(wrong: Any) -> None:
    with pytest.raises(InvalidTask, match=r'must be True, False or a permission, such as "app'):
        task(runnable=wrong)(seed_of)


def seed_of(seed: Seed) -> None:
    """Be a function."""


def test_a_form_of_its_own_gives_the_arguments(admin_client: Client, engine: Engine) -> None:
    """What it makes of its data; with queue, priority and time beside it."""
    path = run_tasks.book.module_path
    page = admin_client.get(ADD, query_params={"task": path}).content.decode()
    assert "Which day" in page
    assert 'name="option_queue"' in page
    form = {"day": "2030-03-01", "seats": "3", "option_queue": "mail", "option_priority": "7"}
    assert said(run(admin_client, path, form)) == ["The job is enqueued."]
    (job,) = engine.inspector.page(State.QUEUED, 0, 1)
    job = engine.inspector.job(job.id)
    job.open(engine.signer)
    assert (job.args, job.kwargs) == ([], {"day": "2030-03-01", "seats": 3})
    assert (job.queue, job.priority) == ("mail", 7)
    wrong = run(admin_client, path, form | {"seats": "5", "option_priority": "101"})
    assert wrong.content.decode().count("less than or equal to") == 2


def test_its_clean_data_are_the_arguments(admin_client: Client, engine: Engine) -> None:
    path = run_tasks.send.module_path
    run(admin_client, path, {"name": "Zoë", "token": "s3cret"})
    job = newest(engine)
    assert job.kwargs == {"name": "Zoë", "token": "s3cret"}
    again = admin_client.get(ADD, query_params={"task": path, "from": job.id}).content.decode()
    assert 'value="Zoë"' in again
    assert 'value="s3cret"' in again


def test_a_form_of_its_own_gets_no_secrets(staff: Any, engine: Engine) -> None:
    path = run_tasks.send.module_path
    client = staff("view_job", "run_job", "view_payload")
    run(client, path, {"name": "Zoë", "token": "s3cret"})
    again = client.get(ADD, query_params={"task": path, "from": newest(engine).id}).content.decode()
    assert 'value="Zoë"' in again
    assert "s3cret" not in again


def test_a_form_that_is_not_there_is_told(admin_client: Client) -> None:
    path = run_tasks.lost.module_path
    page = admin_client.get(ADD, query_params={"task": path}).content.decode()
    assert "form=&#x27;tests.project.run_tasks.nowhere&#x27;" in page
    assert "<form" not in page.partition('class="messagelist"')[2].partition("</main>")[0]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"runnable": True, "form": 7}, "form=7 must be a form class"),
        ({"runnable": True, "form": "my form"}, "form='my form' must be"),
        ({"runnable": True, "form": Job}, "must be a form class"),
        ({"form": run_tasks.ParcelForm}, "add runnable=True"),
    ],
)
def test_what_can_be_no_form_is_refused(given: Any, says: str) -> None:
    with pytest.raises(InvalidTask, match=says):
        task(**given)(_never)


def _never() -> None:
    """Be no task."""
