"""Actions on all that match: the question, and the job that does it."""

import re
from typing import Any

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.test import Client

from django_jobqueue.admin.jobs import matching, rows
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.states import State
from django_jobqueue.steering import bulk
from django_jobqueue.testing import drain
from tests.admin.conftest import Seed
from tests.support.clock import Clock
from tests.support.jobs import fill
from tests.support.pages import JOBS, page_of, said
from tests.support.places import FAILED, claimed, finish

pytestmark = pytest.mark.django_db(transaction=True)  # what is enqueued waits for the commit

CHANGE = bulk.change_matching.module_path


def ask(client: Client, verb: str, query: str = "", **extra: str) -> Any:
    data = {"action": f"{verb}_selected", "_selected_action": "-", "index": 0} | extra
    return client.post(f"{JOBS}{query}", data | {"select_across": "1"}, follow=True)


def confirm(client: Client, verb: str, query: str = "", **extra: str) -> Any:
    return ask(client, verb, query, confirmed="yes", **extra)


def own_jobs(engine: Engine) -> list[str]:
    """Return the ids of the jobs that change others."""
    found = engine.inspector.page(State.QUEUED, 0, 500, newest_first=False)
    found += engine.inspector.page(State.SCHEDULED, 0, 500, newest_first=False)
    return [job.id for job in found if job.task == CHANGE]


def fail(engine: Engine, slot: Slot, many: int, queue: str = "mail") -> list[str]:
    """Let new jobs of a queue fail; return their ids."""
    made = fill(engine, many, queue)
    for _ in made:
        finish(engine, slot, claimed(engine, slot, queue), FAILED)
    return made


@pytest.fixture
def failed(engine: Engine, slot: Slot) -> list[str]:
    """150 failed jobs, more than are changed at once."""
    return fail(engine, slot, 150)


def test_before_many_are_changed_it_asks(
    admin_client: Client, engine: Engine, failed: list[str]
) -> None:
    """And says what was chosen, in words; to go back changes nothing."""
    answer = ask(admin_client, "delete", "?state=failed&time=hour")
    text = re.sub(r"\s+", " ", answer.content.decode())
    assert "Delete all jobs that match?" in text
    assert "150 jobs match." in text
    assert "<dt>State</dt><dd><bdi>failed</bdi></dd>" in text
    assert "<dt>Time</dt><dd><bdi>in the last hour</bdi></dd>" in text
    assert "over the next" not in text
    assert engine.inspector.count(State.FAILED) == 150
    assert own_jobs(engine) == []
    assert not LogEntry.objects.exists()
    assert (
        "No filter is chosen: these are all jobs." in ask(admin_client, "cancel").content.decode()
    )


def test_a_job_changes_all_that_match(
    admin_client: Client, admin_user: Any, engine: Engine, failed: list[str], clock: Clock
) -> None:
    """Its page tells how far it is; the admin's log has one entry, of who asked for it."""
    others = fill(engine, 3, "other")
    answer = confirm(admin_client, "delete", "?state=failed")
    (own,) = own_jobs(engine)
    assert answer.redirect_chain == [(page_of("job", own), 302)]
    assert said(answer) == ["A job does this in the background. Its page shows how far it is."]
    clock.move(1)
    late = fail(engine, Slot("w", "0.1"), 1)
    assert drain(queues=["default"]) == 1
    job = engine.inspector.job(own)
    assert job.state is State.SUCCEEDED
    assert b'"changed":150' in (job.result or b"").replace(b" ", b"")
    assert job.progress == (151, 151, "looked at, 150 changed")
    assert [one.id for one in engine.inspector.page(State.FAILED, 0, 9)] == late, "it came later"
    assert engine.inspector.count(State.QUEUED, ["other"]) == len(others)
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.action_flag, entry.user) == (own, DELETION, admin_user)
    assert entry.get_change_message() == "Asked for all that match. state: failed"


@pytest.mark.parametrize(
    ("verb", "state", "after"),
    [
        ("requeue", State.FAILED, State.QUEUED),
        ("cancel", State.QUEUED, State.CANCELLED),
        ("delete", State.QUEUED, None),
    ],
)
def test_each_action_walks_all_of_it(
    admin_client: Client,
    engine: Engine,
    slot: Slot,
    verb: str,
    state: State,
    after: State | None,
) -> None:
    """Through many pages of the index, out of which it takes jobs while it walks."""
    made = fill(engine, 1_200, "mail") if state is State.QUEUED else fail(engine, slot, 1_200)
    fill(engine, 30, "other")
    confirm(admin_client, verb, f"?queue=mail&state={state.value}")
    assert drain(queues=["default"]) == 1
    assert engine.inspector.count(state, ["mail"]) == 0
    assert after is None or engine.inspector.count(after, ["mail"]) == len(made)
    assert engine.inspector.count(State.QUEUED, ["other"]) == 30


def test_what_the_list_does_not_show_is_changed_too(
    admin_client: Client, engine: Engine, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search looks at a window; the job looks at all."""
    monkeypatch.setattr(rows, "WINDOW", 4)
    for number in range(10):
        seed.failed(exception="app.Odd" if number % 2 else "app.Even")
    query = "?state=failed&exception=app.Odd"
    answer = ask(admin_client, "requeue", query)
    assert "More may match than the list shows" in answer.content.decode()
    confirm(admin_client, "requeue", query)
    drain(queues=["default"])
    left = engine.inspector.page(State.FAILED, 0, 50)
    assert len([job for job in left if job.task != CHANGE]) == 5


def test_a_requeue_is_spread_over_time(
    admin_client: Client, engine: Engine, failed: list[str], clock: Clock
) -> None:
    """By jobs that each take their part; a tag holds them together."""
    assert (
        "over the next 30 minutes" in ask(admin_client, "requeue", "?state=failed").content.decode()
    )
    answer = confirm(admin_client, "requeue", "?state=failed", spread="1800")
    parts = own_jobs(engine)
    assert len(parts) == bulk.PARTS
    (tag,) = {tag for job in engine.inspector.jobs(parts) for tag in job.tags}
    assert answer.redirect_chain[0][0] == f"{JOBS}?tag={tag.replace(':', '%3A')}"
    drain(queues=["default"])
    first = 150 - engine.inspector.count(State.FAILED)
    assert 0 < first < 30, "a twentieth, about"
    clock.move(1_801)
    engine.queues.promote()
    drain(queues=["default"])
    assert engine.inspector.count(State.FAILED) == 0
    runs = engine.inspector.job(failed[0]).runs
    assert [run.outcome for run in runs].count("requeued") == 1


def test_a_repeated_run_changes_no_job_twice(
    admin_client: Client, engine: Engine, slot: Slot, failed: list[str], clock: Clock
) -> None:
    """What was requeued and has failed again is left alone."""
    confirm(admin_client, "requeue", "?state=failed")
    (own,) = own_jobs(engine)
    drain(queues=["default"])
    clock.move(1)
    for _ in range(5):
        finish(engine, slot, claimed(engine, slot, "mail"), FAILED)
    again = {one.id for one in engine.inspector.page(State.FAILED, 0, 9)}
    engine.jobs.requeue(own)
    drain(queues=["default"])
    assert {one.id for one in engine.inspector.page(State.FAILED, 0, 9)} == again
    assert len(again) == 5
    assert {
        [run.outcome for run in engine.inspector.job(one).runs].count("requeued") for one in failed
    } == {1}


@pytest.mark.parametrize("verb", ["requeue", "cancel", "delete", "run_now"])
def test_without_the_permission_nothing_starts(
    staff: Any, engine: Engine, failed: list[str], verb: str
) -> None:
    """Also not by a form that was made by hand."""
    client = staff("view_job", "view_payload")
    confirm(client, verb, "?state=failed")
    assert own_jobs(engine) == []
    assert engine.inspector.count(State.FAILED) == 150
    assert not LogEntry.objects.exists()


def test_few_changed_jobs_have_entries_of_their_own(
    admin_client: Client, engine: Engine, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "MANY", 1)
    made = [seed.scheduled() for _ in range(3)]
    confirm(admin_client, "run_now", "?state=scheduled")
    drain(queues=["none"])
    (own,) = own_jobs(engine)
    claimed: Any = engine.claims.claim(Slot("w", "0.0"), ["default"])
    assert claimed.id == own, "it comes before the jobs that it changes"
    engine.leases.release_slot(Slot("w", "0.0"), lost=False, reason="")
    drain(queues=["default"])
    entries = LogEntry.objects.exclude(object_id=own)
    assert {entry.object_id for entry in entries} == {*made}
    assert {entry.get_change_message() for entry in entries} == {"Run now."}


def test_redis_is_away(admin_client: Client, settings: Any) -> None:
    entry = settings.TASKS["default"]
    settings.TASKS = {"default": entry | {"OPTIONS": {"URL": "unix:///no/such/socket"}}}
    assert "/no/such/socket" in said(confirm(admin_client, "cancel"))[0]


def test_the_priority_of_selected_jobs_is_changed(staff: Any, engine: Engine, seed: Seed) -> None:
    """After a question for the number; a wrong one is asked for again."""
    failed, queued = seed.failed(), seed.queued()
    client = staff("view_job", "edit_job")
    form = {"action": "prioritize_selected", "_selected_action": [queued, failed], "index": 0}
    page = client.post(JOBS, form).content.decode()
    assert "Selected jobs: 2." in page
    assert page.count('name="_selected_action"') == 2
    wrong = client.post(JOBS, form | {"priority": "101"}).content.decode()
    assert "less than or equal to 100" in wrong
    answer = client.post(JOBS, form | {"priority": "7"}, follow=True)
    assert said(answer) == [
        "The priority of 1 job was changed.",
        "The priority of 1 job was not changed (state: failed).",
    ]
    assert engine.inspector.job(queued).priority == 7
    assert LogEntry.objects.get().get_change_message() == "Priority changed."


def test_the_priority_of_all_that_match_is_changed(admin_client: Client, engine: Engine) -> None:
    made = fill(engine, 130, "mail")
    query = "?queue=mail&state=queued"
    assert "Selected jobs: 130." in ask(admin_client, "prioritize", query).content.decode()
    confirm(admin_client, "prioritize", query, priority="-5")
    drain(queues=["default"])
    jobs = engine.inspector.page(State.QUEUED, 0, 200, queues=["mail"], newest_first=False)
    assert [job.id for job in jobs] == made
    assert {job.priority for job in jobs} == {-5}


def test_selected_jobs_are_moved(staff: Any, engine: Engine, seed: Seed) -> None:
    """After a question for the queue; a name that none can have is asked for again."""
    failed, queued = seed.failed(), seed.queued()
    client = staff("view_job", "edit_job")
    form = {"action": "move_selected", "_selected_action": [queued, failed], "index": 0}
    assert "Selected jobs: 2." in client.post(JOBS, form).content.decode()
    wrong = client.post(JOBS, form | {"queue": "my queue"}).content.decode()
    assert "A queue can&#x27;t be named “my queue”" in wrong
    answer = client.post(JOBS, form | {"queue": "mail"}, follow=True)
    assert said(answer) == ["1 job moved.", "1 job was not moved (state: failed)."]
    assert engine.inspector.job(queued).queue == "mail"
    assert LogEntry.objects.get().get_change_message() == "Moved to the queue mail."


def test_all_that_match_are_moved(admin_client: Client, engine: Engine) -> None:
    made = fill(engine, 130, "mail")
    query = "?queue=mail&state=queued"
    assert "Move all jobs that match to another queue?" in confirmed(
        admin_client, "move", query, queue="b" * 64
    )
    confirm(admin_client, "move", query, queue="b" * 64)
    drain(queues=["default"])
    jobs = engine.inspector.page(State.QUEUED, 0, 200, queues=["b" * 64], newest_first=False)
    assert {job.id for job in jobs} == {*made}
    assert engine.inspector.count(State.QUEUED, queues=["mail"]) == 0


def confirmed(client: Client, verb: str, query: str, **extra: str) -> str:
    """Return the question that comes once it is said what the jobs are to get."""
    return str(ask(client, verb, query, **extra).content.decode())


@pytest.mark.parametrize("queue", ["elsewhere", "my queue"])
def test_queue_that_is_not_allowed_is_refused(
    admin_client: Client, engine: Engine, seed: Seed, settings: Any, queue: str
) -> None:
    job_id = seed.queued()
    settings.TASKS = {"default": settings.TASKS["default"] | {"QUEUES": ["default", "mail"]}}
    page = admin_client.post(page_of("job", job_id, "move"), {"queue": queue})
    assert queue in page.content.decode()
    assert engine.inspector.job(job_id).queue == "default"


def test_one_job_is_moved_from_its_page(staff: Any, engine: Engine, seed: Seed) -> None:
    job_id, client = seed.queued(), staff("view_job", "edit_job")
    url = page_of("job", job_id, "move")
    assert f'href="{url}">Move</a>' in client.get(page_of("job", job_id)).content.decode()
    assert 'name="queue"' in client.get(url).content.decode()
    answer = client.post(url, {"queue": "mail"}, follow=True)
    assert said(answer) == ["1 job moved."]
    assert answer.redirect_chain[-1][0] == page_of("job", job_id)
    assert engine.inspector.job(job_id).queue == "mail"


@pytest.mark.parametrize("state", ["running", "failed"])
def test_job_that_does_not_wait_has_no_button_to_move(staff: Any, seed: Seed, state: str) -> None:
    job_id = getattr(seed, state)()
    client = staff("view_job", "edit_job")
    page = client.get(page_of("job", job_id)).content.decode()
    assert page_of("job", job_id, "move") not in page
    answer = client.post(page_of("job", job_id, "move"), {"queue": "mail"}, follow=True)
    assert said(answer) == [f"1 job was not moved (state: {state})."]


def test_who_may_not_edit_may_not_move(staff: Any, engine: Engine, seed: Seed) -> None:
    job_id, client = seed.queued(), staff("view_job", "cancel_job", "requeue_job")
    url = page_of("job", job_id, "move")
    assert url not in client.get(page_of("job", job_id)).content.decode()
    assert client.get(url).status_code == 403
    assert client.post(url, {"queue": "mail"}).status_code == 403
    assert engine.inspector.job(job_id).queue == "default"
