"""Edit the arguments of a job: who may, what it does, and what the history tells."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.job import Job, new_id
from django_jobqueue.jobs.states import State
from django_jobqueue.steering import bulk
from tests.admin.conftest import Seed
from tests.project import run_tasks
from tests.support import payloads
from tests.support.pages import JOBS, page_of, said

CLOSED = run_tasks.closed.module_path
DISMISS = run_tasks.dismiss.module_path
INVITE = run_tasks.invite.module_path
ORDER = run_tasks.order.module_path
PLAN = run_tasks.plan.module_path
CALL = b'{"args":["Ada <b>"],"kwargs":{}}'
ALL = ("view_job", "edit_job", "view_payload", "requeue_job")


def opened(engine: Engine, job_id: str) -> Job:
    job = engine.inspector.job(job_id)
    job.open(engine.signer)
    return job


def edit(client: Client, job_id: str, **form: str) -> Any:
    return client.post(page_of("job", job_id, "edit"), form, follow=True)


def test_a_failed_job_runs_again_with_other_arguments(
    staff: Any, engine: Engine, seed: Seed
) -> None:
    """Signed anew; the history has the difference, and the runs are kept."""
    job_id = seed.failed(task=CLOSED, data=CALL)
    client = staff(*ALL)
    page = client.get(page_of("job", job_id)).content.decode()
    assert f'href="{page_of("job", job_id, "edit")}">Edit and requeue</a>' in page
    form = client.get(page_of("job", job_id, "edit"))
    assert 'value="Ada &lt;b&gt;"' in form.content.decode()
    answer = edit(client, job_id, arg_name="Bea")
    assert answer.redirect_chain == [(page_of("job", job_id), 302)]
    assert said(answer) == ["Edited: name"]
    job = opened(engine, job_id)
    assert (job.state, job.args, job.kwargs) == (State.QUEUED, [], {"name": "Bea"})
    assert [run.outcome for run in job.runs] == ["failed", "requeued"]
    entry = LogEntry.objects.get()
    assert entry.object_id == job_id
    assert entry.change_message == 'Edited: name\nname: "Ada <b>" → "Bea"'
    history = client.get(page_of("job", job_id, "history")).content.decode()
    assert "Ada &lt;b&gt;" in history


@pytest.mark.parametrize("state", ["queued", "scheduled"])
def test_a_waiting_job_keeps_its_place(staff: Any, engine: Engine, seed: Seed, state: str) -> None:
    job_id = getattr(seed, state)(task=CLOSED, data=CALL)
    client = staff("view_job", "edit_job", "view_payload")
    assert ">Edit</a>" in client.get(page_of("job", job_id)).content.decode()
    edit(client, job_id, arg_name="Bea")
    job = opened(engine, job_id)
    assert (job.state, job.kwargs) == (State(state), {"name": "Bea"})


def test_metadata_stay(staff: Any, engine: Engine, seed: Seed) -> None:
    data = b'{"args":["Ada"],"kwargs":{},"metadata":{"tenant":"7"}}'
    job_id = seed.failed(task=CLOSED, data=data)
    edit(staff(*ALL), job_id, arg_name="Bea")
    assert opened(engine, job_id).metadata == {"tenant": "7"}


@pytest.mark.parametrize("lacking", ALL)
def test_each_permission_is_needed(staff: Any, engine: Engine, seed: Seed, lacking: str) -> None:
    job_id = seed.failed(task=CLOSED, data=CALL)
    client = staff(*(name for name in ALL if name != lacking))
    assert client.get(page_of("job", job_id, "edit")).status_code == 403
    assert edit(client, job_id, arg_name="Bea").status_code == 403
    assert opened(engine, job_id).args == ["Ada <b>"]
    assert not LogEntry.objects.exists()


def test_a_running_job_is_not_edited(staff: Any, engine: Engine, seed: Seed) -> None:
    job_id = seed.running(task=CLOSED, data=CALL)
    client = staff(*ALL)
    assert page_of("job", job_id, "edit") not in client.get(page_of("job", job_id)).content.decode()
    assert edit(client, job_id, arg_name="Bea").status_code == 403


def test_a_job_that_starts_meanwhile_keeps_its_arguments(
    staff: Any, engine: Engine, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = seed.queued(task=CLOSED, data=CALL)
    client = staff(*ALL)
    plain = engine.edits.__class__.edit

    def late(self: Any, *given: Any) -> bool:
        engine.claims.claim(seed.slot, ["default"])
        return plain(self, *given)

    monkeypatch.setattr(engine.edits.__class__, "edit", late)
    answer = edit(client, job_id, arg_name="Bea")
    assert "It has begun to run" in answer.content.decode()
    assert opened(engine, job_id).args == ["Ada <b>"]
    assert not LogEntry.objects.exists()


def test_who_may_see_secrets_keeps_them_too(
    staff: Any, engine: Engine, make_job: Callable[..., str]
) -> None:
    """A password field shows nothing, so an empty one does not mean that the secret is to go."""
    call = {"args": ["Ada", 3, "1", "s"], "kwargs": {"password": "s3cret"}}
    job_id = make_job(task=ORDER, data=json.dumps(call).encode())
    client = staff(*ALL, "view_sensitive")
    assert "s3cret" not in client.get(page_of("job", job_id, "edit")).content.decode()
    form = {"arg_name": "Ada", "arg_many": "4", "arg_price": "1", "arg_size": '"s"'}
    edit(client, job_id, **form)
    assert opened(engine, job_id).kwargs["password"] == "s3cret"


@pytest.mark.parametrize(
    ("task", "args"), [(ORDER, ["Ada", 3, "1", "s"]), (PLAN, ["Ada"])], ids=["order", "plan"]
)
def test_arguments_that_keep_their_defaults_are_no_change(
    staff: Any, make_job: Callable[..., str], task: str, args: list[object]
) -> None:
    """The form sends them all, the job had only the first ones; names are in their order."""
    job_id = make_job(task=task, data=json.dumps({"args": args, "kwargs": {}}).encode())
    client = staff(*ALL)
    shown = client.get(page_of("job", job_id, "edit")).context["form"]
    form = {one.html_name: one.value() for one in shown if one.value() not in (None, False)}
    assert len(form) > len(args)
    answer = edit(client, job_id, **form | {"arg_name": "Bea", "arg_many": "4"})
    assert said(answer) == ["Edited: name, many"]


@pytest.mark.parametrize("more", [(), ("view_sensitive",)])
def test_what_is_only_called_like_a_secret_is_kept(
    staff: Any, engine: Engine, make_job: Callable[..., str], more: tuple[str, ...]
) -> None:
    """A box and a choice show what they had; a choice that is hidden has an empty one."""
    call = {"args": [None], "kwargs": {"private": True, "token_kind": "app"}}
    job_id = make_job(task=INVITE, data=json.dumps(call).encode())
    client = staff(*ALL, *more)
    page = client.get(page_of("job", job_id, "edit"))
    form = {field.html_name: field.value() for field in page.context["form"]}
    assert form == {
        "arg_name": None,
        "arg_private": True,
        "arg_token_kind": '"app"' if more else None,
    }
    assert '<option value="" selected>' in page.content.decode() or more
    edit(client, job_id, arg_name="", arg_private="on", arg_token_kind=form["arg_token_kind"] or "")
    job = opened(engine, job_id)
    assert [*job.args, *job.kwargs.values()] == [None, True, "app"]
    edit(client, job_id, arg_name="Ada", arg_token_kind=form["arg_token_kind"] or "")
    job = opened(engine, job_id)
    assert [*job.args, *job.kwargs.values()] == ["Ada", False, "app"]


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb\rc\n", "\n\n", "one line"])
def test_a_text_keeps_its_lines(
    staff: Any, engine: Engine, make_job: Callable[..., str], text: str
) -> None:
    """A browser sends each end of a line as CR and LF, and from a field of one line none."""
    job_id = make_job(task=CLOSED, data=json.dumps({"args": [text], "kwargs": {}}).encode())
    client = staff(*ALL)
    has_area = "<textarea" in client.get(page_of("job", job_id, "edit")).content.decode()
    assert has_area == (text != "one line")
    sent = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    edit(client, job_id, arg_name=sent)
    job = opened(engine, job_id)
    assert [*job.args, *job.kwargs.values()] == [text]
    edit(client, job_id, arg_name=f"{sent}\r\nmore")
    job = opened(engine, job_id)
    assert [*job.args, *job.kwargs.values()] == [f"{sent}\nmore".replace("\r\n", "\n")]


def test_secrets_are_kept_and_nowhere_told(
    staff: Any, engine: Engine, make_job: Callable[..., str]
) -> None:
    call = {"args": ["Ada", 3, "1", "s"], "kwargs": {"password": "s3cret"}}
    job_id = make_job(task=ORDER, data=json.dumps(call).encode())
    client = staff(*ALL)
    assert "s3cret" not in client.get(page_of("job", job_id, "edit")).content.decode()
    form = {"arg_name": "Ada", "arg_many": "4", "arg_price": "1", "arg_size": '"s"'}
    edit(client, job_id, **form)
    kwargs = opened(engine, job_id).kwargs
    assert (kwargs["password"], kwargs["many"]) == ("s3cret", 4)
    edit(client, job_id, **form, arg_password="0ther")
    assert opened(engine, job_id).kwargs["password"] == "0ther"
    told = " ".join(LogEntry.objects.values_list("change_message", flat=True))
    assert "many: 3 → 4" in told
    assert "password: " in told
    assert not {"s3cret", "0ther"} & set(told.replace('"', " ").split())


def test_the_history_tells_arguments_only_to_who_may_see_them(
    admin_client: Client, staff: Any, engine: Engine, seed: Seed
) -> None:
    job_id = seed.failed(task=CLOSED, data=CALL)
    edit(admin_client, job_id, arg_name="Bea")
    history = staff("view_job").get(page_of("job", job_id, "history")).content.decode()
    assert "Edited: name" in history
    assert "→" not in history
    assert "Ada &lt;b&gt;" not in history


def test_wrong_arguments_are_told(staff: Any, engine: Engine, seed: Seed) -> None:
    job_id = seed.failed(task=DISMISS, data=b'{"args":[1],"kwargs":{}}')
    answer = edit(staff(*ALL), job_id, arg_user="x")
    assert answer.context["form"].errors
    assert opened(engine, job_id).args == [1]


@pytest.mark.parametrize("data", [b'{"args":[1,2,3],"kwargs":{}}', b"7"])
def test_a_call_that_does_not_fit_leads_back(staff: Any, seed: Seed, data: bytes) -> None:
    job_id = seed.failed(task=DISMISS, data=data)
    answer = staff(*ALL).get(page_of("job", job_id, "edit"), follow=True)
    assert answer.redirect_chain == [(page_of("job", job_id), 302)]
    assert said(answer)


def test_what_nobody_signed_is_not_edited(staff: Any, engine: Engine, seed: Seed) -> None:
    job_id = seed.failed(task=CLOSED, data=CALL)
    kept = payloads.read(engine, job_id)
    payloads.put(engine, job_id, b"1.forged." + CALL)
    answer = edit(staff(*ALL), job_id, arg_name="Bea")
    assert answer.redirect_chain == [(JOBS, 302)]
    assert said(answer)
    assert payloads.read(engine, job_id) == b"1.forged." + CALL
    payloads.put(engine, job_id, kept)


def test_a_job_that_is_gone_is_told(admin_client: Client, engine: Engine) -> None:
    answer = edit(admin_client, new_id(), arg_name="Bea")
    assert "There is no such job any more." in said(answer)


def test_jobs_of_the_package_itself_are_not_edited(staff: Any, engine: Engine, seed: Seed) -> None:
    """Else who may edit could do what takes other permissions, such as to delete all that match."""
    path = bulk.change_matching.module_path
    data = b'{"args":["requeue",{},1,0,1],"kwargs":{}}'
    job_id = seed.failed(task=path, data=data)
    client = staff(*ALL)
    assert page_of("job", job_id, "edit") not in client.get(page_of("job", job_id)).content.decode()
    assert edit(client, job_id, arg_action="delete").status_code == 403
    assert opened(engine, job_id).args[0] == "requeue"
