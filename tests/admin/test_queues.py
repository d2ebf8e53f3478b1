"""The queue list: counts, links, pause and resume."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.test import Client

from django_jobqueue.engine import Engine, get_engine
from django_jobqueue.jobs.states import State
from django_jobqueue.steering.bulk import QUEUE
from django_jobqueue.testing import drain
from embedded.server import EmbeddedServer
from tests.admin.conftest import Seed
from tests.project.tasks import noop
from tests.support.pages import JOBS, QUEUES, act, ids, offered, page_of, said


def test_it_counts_each_state_and_links_to_the_jobs(admin_client: Client, seed: Seed) -> None:
    seed.one_of_each()
    response = admin_client.get(QUEUES)
    assert ids(response) == ["default"]
    text = response.content.decode()
    for state in ("queued", "running", "scheduled", "succeeded", "failed", "cancelled"):
        link = f'{JOBS}?state={state}&amp;queue=default" aria-label="1 {state} in default">1</a>'
        assert link in text
    assert '<td class="field-waiting">0</td>' in text


def test_it_shows_how_long_the_oldest_job_waits(
    admin_client: Client, engine: Engine, seed: Seed
) -> None:
    job_id = seed.queued()
    key = engine.client.keys("job", job_id)
    engine.client.redis.hincrby(key, "enqueued_at", -3_600_000)
    assert (
        '<td class="field-oldest"><bdi>1\N{NO-BREAK SPACE}h 0\N{NO-BREAK SPACE}min</bdi></td>'
        in admin_client.get(QUEUES).content.decode()
    )


@pytest.mark.parametrize(("action", "paused"), [("pause", True), ("resume", False)])
def test_pause_and_resume(
    staff: Any, engine: Engine, seed: Seed, action: str, paused: bool
) -> None:
    seed.queued()
    if not paused:
        engine.queues.pause("default")
    client = staff("view_queue", "pause_queue")
    assert said(act(client, action, ["default"])) == [f"1 queue {action}d."]
    assert engine.inspector.queue_stats()[0].paused is paused
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.get_change_message()) == ("default", f"{action.capitalize()}d.")
    word = "paused by anna at " if paused else "no live worker serves it</span>"
    assert f"</span> {word}" in client.get(QUEUES).content.decode()


def test_it_says_which_queues_nobody_serves(
    admin_client: Client, engine: Engine, seed: Seed
) -> None:
    """Whether workers live or not: they may serve others."""
    record: dict[str, Any] = {
        "host": "mill",
        "pid": 1,
        "processes": 1,
        "threads": 1,
        "queues": "default",
    }
    engine.leases.renew("w9", record)
    for queue in ("default", "mail"):
        seed.queued(queue=queue)
    text = admin_client.get(QUEUES).content.decode()
    assert re.findall(r"</span> (active|no live worker serves it)<", text) == [
        "active",
        "no live worker serves it",
    ]
    page = admin_client.get(page_of("queue", "mail")).content.decode()
    assert "no live worker serves it" in page


def test_queue_of_ended_jobs_needs_no_worker(admin_client: Client, seed: Seed) -> None:
    """That nobody serves it is said, but not as a failure."""
    seed.queued(queue="mail")
    assert "jobqueue-failed" in admin_client.get(QUEUES).content.decode()
    seed.engine.jobs.cancel(seed.engine.inspector.page(State.QUEUED, 0, 9)[0].id)
    text = admin_client.get(QUEUES).content.decode()
    assert "no live worker serves it" in text
    assert "jobqueue-failed" not in text


def test_pausing_twice_is_no_news(admin_client: Client, engine: Engine, seed: Seed) -> None:
    seed.queued()
    engine.queues.pause("default")
    assert said(act(admin_client, "pause", ["default"])) == ["0 queues paused."]
    assert not LogEntry.objects.exists()


def test_all_queues_are_paused_at_once(admin_client: Client, engine: Engine, seed: Seed) -> None:
    seed.queued()
    seed.queued(queue="mail")
    act(admin_client, "pause", ["mail"], select_across="1")
    assert all(stats.paused for stats in engine.inspector.queue_stats())


def test_who_may_only_look_can_pause_nothing(staff: Any, engine: Engine, seed: Seed) -> None:
    seed.queued()
    client = staff("view_queue")
    assert offered(client.get(QUEUES)) == []
    act(client, "pause", ["default"])
    assert not engine.inspector.queue_stats()[0].paused


def test_no_one_can_delete_a_queue(admin_client: Client, seed: Seed) -> None:
    seed.queued()
    assert offered(admin_client.get(QUEUES)) == [
        "pause_selected",
        "resume_selected",
        "empty_selected",
    ]


def test_looking_pauses_nothing(admin_client: Client, engine: Engine, seed: Seed) -> None:
    seed.queued()
    admin_client.get(QUEUES, {"action": "pause_selected", "_selected_action": "default"})
    assert not engine.inspector.queue_stats()[0].paused


def test_a_queue_has_a_page_and_a_history(admin_client: Client, seed: Seed) -> None:
    seed.queued(queue="mail")
    assert ">1</a>" in admin_client.get(page_of("queue", "mail")).content.decode()
    assert admin_client.get(page_of("queue", "mail", "history")).status_code == 200
    missing = admin_client.get(page_of("queue", "none"), follow=True)
    assert "doesn’t exist" in missing.content.decode()


def test_with_two_aliases_a_queue_is_named_with_its_own(
    admin_client: Client, engine: Engine, seed: Seed, settings: Any
) -> None:
    seed.queued()
    settings.TASKS = settings.TASKS | {"archive": settings.TASKS["default"]}
    response = admin_client.get(QUEUES)
    assert ids(response) == ["default/default"]
    assert f"{JOBS}?state=queued&amp;queue=default&amp;alias=default" in response.content.decode()
    assert admin_client.get(page_of("queue", "default_2Fdefault")).status_code == 200
    act(admin_client, "pause", ["default/default"])
    assert engine.inspector.queue_stats()[0].paused


def test_what_was_done_before_a_fault_is_counted_and_logged(
    admin_client: Client, engine: Engine, seed: Seed, settings: Any, tmp_path: Path
) -> None:
    """Two aliases, and the second one's server refuses all writes."""
    seed.queued()
    entry = settings.TASKS["default"]
    with EmbeddedServer(tmp_path, socket=tmp_path / "redis.sock"):
        options = {"URL": f"unix://{tmp_path}/redis.sock?db=0", "STORE_IN_TESTS": True}
        settings.TASKS = settings.TASKS | {"archive": entry | {"OPTIONS": options}}
        noop.using(backend="archive", on_commit=False).enqueue()
        client = get_engine("archive").client.redis
        client.config_set("min-replicas-to-write", 1)
        response = act(admin_client, "pause", ["default/default", "archive/default"])
    assert any("min-replicas-to-write" in text for text in said(response))
    assert "1 queue paused." in said(response)
    assert get_engine("default").inspector.queue_stats()[0].paused
    assert [entry.object_id for entry in LogEntry.objects.all()] == ["default/default"]


@pytest.mark.django_db(transaction=True)
def test_a_queue_is_emptied_after_a_question(staff: Any, engine: Engine, seed: Seed) -> None:
    """What runs, waits for its time or has ended stays; the admin's log has an entry."""
    for _ in range(2):
        kept = {seed.running(queue="mail"), seed.failed(queue="mail")}
    kept |= {seed.scheduled(queue="mail"), seed.queued(queue="other")}
    for _ in range(3):
        seed.queued(queue="mail")
    client = staff("view_queue", "empty_queue", "view_job")
    url = page_of("queue", "mail", "empty")
    question = client.post(url).content.decode()
    assert "3 jobs wait in these queues." in question
    assert engine.inspector.count(State.QUEUED, ["mail"]) == 3
    answer = client.post(url, {"confirmed": "yes"}, follow=True)
    assert said(answer) == ["A job does this in the background. Its page shows how far it is."]
    assert "change_matching" in answer.content.decode()
    drain(queues=["default"])
    assert engine.inspector.count(State.QUEUED, ["mail"]) == 0
    assert len(engine.inspector.jobs(kept)) == len(kept)
    entry = LogEntry.objects.get(content_type__model="queue")
    assert (entry.object_id, entry.action_flag) == ("mail", DELETION)


def test_several_queues_are_emptied(
    admin_client: Client, engine: Engine, seed: Seed, transactional_db: None
) -> None:
    for queue in ("a", "b", "c"):
        seed.queued(queue=queue)
    assert "2 jobs wait" in act(admin_client, "empty", ["a", "b"]).content.decode()
    act(admin_client, "empty", ["a", "b"], confirmed="yes")
    drain(queues=["default"])
    assert [engine.inspector.count(State.QUEUED, [name]) for name in "abc"] == [0, 0, 1]


def test_a_paused_queue_is_emptied_by_another(
    admin_client: Client, engine: Engine, seed: Seed, transactional_db: None
) -> None:
    """The job that does it must be claimed."""
    engine.leases.renew("w", {"host": "mill", "pid": 1, "queues": "mail *"})
    seed.queued()
    engine.queues.pause("default")
    act(admin_client, "empty", ["default"], confirmed="yes")
    assert engine.inspector.count(State.QUEUED, ["mail"]) == 1
    engine.queues.pause("mail")
    act(admin_client, "empty", ["default"], confirmed="yes")
    assert engine.inspector.count(State.QUEUED, [QUEUE]) == 1


@pytest.mark.parametrize("verb", ["pause", "resume", "empty"])
def test_without_the_permission_a_queue_stays(
    staff: Any, engine: Engine, seed: Seed, verb: str
) -> None:
    """By no form that was made by hand; and looking is no change."""
    seed.queued()
    client = staff("view_queue", "view_job", "delete_job", "cancel_job")
    url = page_of("queue", "default", verb)
    assert client.get(url).status_code == 405
    assert client.post(url, {"confirmed": "yes"}).status_code == 403
    act(client, verb, ["default"], confirmed="yes")
    assert engine.inspector.count(State.QUEUED) == 1
    assert not engine.inspector.queue_stats()[0].paused
    assert not LogEntry.objects.exists()
    assert (
        "<form"
        not in client.get(page_of("queue", "default"))
        .content.decode()
        .partition('class="object-tools"')[2]
        .partition("</ul>")[0]
    )


def test_the_page_of_a_queue_pauses_and_resumes_it(staff: Any, engine: Engine, seed: Seed) -> None:
    seed.queued()
    client = staff("view_queue", "pause_queue")
    for verb, other, paused in (("pause", "resume", True), ("resume", "pause", False)):
        page = client.get(page_of("queue", "default")).content.decode()
        assert f'action="{page_of("queue", "default", verb)}"' in page
        assert f'action="{page_of("queue", "default", other)}"' not in page
        answer = client.post(page_of("queue", "default", verb), follow=True)
        assert said(answer) == [f"1 queue {verb}d."]
        assert engine.inspector.queue_stats()[0].paused is paused
