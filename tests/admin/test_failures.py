"""The pages of failures and tasks: what failed with what, and how long jobs wait and run."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from django_jobqueue.admin.display import whole_task
from django_jobqueue.engine import Engine, endings, failures
from django_jobqueue.engine.endings import read_endings
from django_jobqueue.jobs.states import State
from tests.admin.conftest import TASK, Seed
from tests.admin.hostile import EVIL, SPACELESS, assert_harmless
from tests.support.clock import Clock
from tests.support.pages import FAILURES, JOBS, TASKS, ids, said


def show(client: Client, url: str, **query: str) -> str:
    answer = client.get(url, query)
    assert answer.status_code == 200
    return answer.content.decode()


def groups(text: str) -> list[tuple[str, str]]:
    """Return exception and number of each group."""
    names = re.findall(r'<h2 id="group-\d+"><bdi>(.*?)</bdi>', text)
    counts = re.findall(r'aria-label="([\d,]+) failed jobs of ', text)
    return list(zip(names, counts, strict=True))


def test_failures_are_grouped_by_task_and_exception(admin_client: Client, seed: Seed) -> None:
    """The largest first, with a traceback and a link to the latest job."""
    for exception in ("app.Bad", "app.Bad", "app.Worse"):
        latest = seed.failed(exception=exception, traceback=f"Trace of {exception}")
    seed.failed(exception="app.Bad", task="a.other")
    text = show(admin_client, FAILURES)
    assert groups(text) == [("app.Bad", "2"), ("app.Bad", "1"), ("app.Worse", "1")]
    assert "Trace of app.Worse</pre>" in text
    assert f"/job/{latest}/change/" in text
    assert groups(show(admin_client, FAILURES, task="a.other")) == [("app.Bad", "1")]


def test_a_group_leads_to_its_jobs(admin_client: Client, seed: Seed) -> None:
    wanted = [seed.failed(exception="app.Bad") for _ in range(2)]
    seed.failed(exception="app.Worse")
    seed.failed(exception="app.Bad", task="a.other")
    where = {"state": "failed", "task": TASK, "exception": "app.Bad"}
    assert set(ids(admin_client.get(JOBS, where))) == set(wanted)
    text = show(admin_client, FAILURES)
    assert f"?task={TASK}&amp;exception=app.Bad&amp;state=failed" in text


def test_jobs_that_failed_without_an_exception_are_a_group(
    admin_client: Client, seed: Seed
) -> None:
    lost = seed.failed(exception="", traceback="")
    seed.failed()
    assert ("no exception: its process was lost", "1") in groups(show(admin_client, FAILURES))
    where = {"state": "failed", "task": TASK, "exception": "-"}
    assert ids(admin_client.get(JOBS, where)) == [lost]


def test_a_group_is_requeued_or_deleted_whole(
    admin_client: Client, seed: Seed, engine: Engine
) -> None:
    """By the buttons, which choose the action of the list for all that match."""
    for _ in range(3):
        seed.failed(exception="app.Bad")
    kept = seed.failed(exception="app.Worse")
    text = show(admin_client, FAILURES)
    url = re.findall(r'<form method="post" action="(.*?)"', text)[0].replace("&amp;", "&")
    form = {"select_across": "1", "_selected_action": "-", "index": "0"}
    assert all(f'name="{name}" value="{value}"' in text for name, value in form.items())
    done = admin_client.post(url, form | {"action": "requeue_selected"}, follow=True)
    assert said(done) == ["3 jobs requeued."]
    assert engine.inspector.job(kept).state is State.FAILED


def test_who_may_only_look_gets_no_button_and_no_traceback(staff: Any, seed: Seed) -> None:
    seed.failed(exception="app.Bad", traceback="Trace of Zoë")
    client = staff("view_job")
    text = show(client, FAILURES)
    assert groups(text) == [("app.Bad", "1")]
    assert "Zoë" not in text
    assert "<form" not in text.partition('id="content"')[2]
    assert client.post(FAILURES).status_code == 405


@pytest.mark.parametrize("url", [FAILURES, TASKS])
def test_the_pages_take_the_permission_to_view_jobs(
    staff: Callable[..., Client], engine: Engine, url: str
) -> None:
    assert staff("view_queue").get(url).status_code == 403
    assert Client().get(url).status_code == 302


def test_it_says_how_far_it_looked(
    admin_client: Client, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "MOST", 4)
    for task in ("a.b", "a.b", "a.b", "a.c"):
        seed.failed(task=task)
    text = show(admin_client, FAILURES)
    assert "These are the newest 2 failed jobs of each task, 3 of 4." in text
    assert "newest" not in show(admin_client, FAILURES, task="a.b")


def test_many_tasks_share_the_window() -> None:
    assert [failures.window_of(tasks) for tasks in (0, 1, 5, 20, 500)] == [
        2_000,
        2_000,
        2_000,
        500,
        20,
    ]


def test_hostile_names_are_text(admin_client: Client, seed: Seed) -> None:
    seed.failed(exception=SPACELESS, traceback=f"</pre>{EVIL}", task=SPACELESS)
    assert_harmless(admin_client.get(FAILURES))
    assert_harmless(admin_client.get(FAILURES, {"task": SPACELESS}))
    assert_harmless(admin_client.get(TASKS))


def test_tasks_show_their_times_and_failures(
    admin_client: Client, seed: Seed, clock: Clock
) -> None:
    for _ in range(3):
        seed.succeeded()
    seed.failed()
    text = show(admin_client, TASKS)
    row = text[text.index(f">{whole_task(TASK)}<") :]
    row = row[: row.index("</tr>")]
    assert ">4<" in row
    assert row.count("\N{NO-BREAK SPACE}ms</bdi>") + row.count("\N{NO-BREAK SPACE}s</bdi>") == 4
    assert f'aria-label="1 failed jobs of {TASK}"' in row
    assert "Runs and times are of the 4 jobs that ended last" in text


def test_tasks_of_the_code_are_there_before_they_run(admin_client: Client, engine: Engine) -> None:
    assert whole_task(TASK) in show(admin_client, TASKS)


@pytest.mark.parametrize("url", [FAILURES, TASKS])
def test_redis_is_away(admin_client: Client, settings: Any, url: str) -> None:
    entry = settings.TASKS["default"]
    settings.TASKS = {"default": entry | {"OPTIONS": {"URL": "unix:///no/such/socket"}}}
    text = show(admin_client, url)
    assert "/no/such/socket" in text
    assert "No job has failed" not in text


def test_each_alias_has_its_page(admin_client: Client, seed: Seed, settings: Any) -> None:
    seed.failed(exception="app.Bad")
    settings.TASKS = settings.TASKS | {"archive": settings.TASKS["default"]}
    assert groups(show(admin_client, FAILURES)) == [("app.Bad", "1")]
    assert groups(show(admin_client, FAILURES, alias="archive")) == []


def test_the_latest_ends_of_all_queues_are_merged(
    engine: Engine, seed: Seed, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page, from one queue that has most of them too."""
    monkeypatch.setattr(endings, "PAGE", 3)
    made = []
    for number in range(12):
        clock.move(1)
        end = seed.failed if number % 2 else seed.succeeded
        made.append(end(queue="mail" if number in (2, 7) else "default"))
    engine.client.redis.hset(engine.client.keys("job", made[4]), "took", 7000)
    found = read_endings(engine.client, ["default", "mail", "empty"], 10)
    whole = [engine.inspector.job(one) for one in made[:1:-1]]
    assert [(one.id, one.finished_at) for one in found] == [(w.id, w.finished_at) for w in whole]
    assert all(job.task == TASK and job.finished_at for job in found)
