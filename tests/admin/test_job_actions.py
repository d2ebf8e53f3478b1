"""What can be done to jobs: by whom, to which, and what is said and logged of it."""

from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.test import Client

from django_jobqueue.admin.jobs import actions
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.states import State
from tests.admin.conftest import Seed
from tests.support.jobs import fill
from tests.support.pages import JOBS, offered, page_of, said

VERBS = [("requeue", State.FAILED, State.QUEUED), ("cancel", State.QUEUED, State.CANCELLED)]


def act(client: Client, verb: str, chosen: list[str], query: str = "", **extra: Any) -> Any:
    data = {"action": f"{verb}_selected", "_selected_action": chosen, "index": 0} | extra
    return client.post(f"{JOBS}{query}", data, follow=True)


def state_of(engine: Engine, job_id: str) -> State:
    return engine.inspector.job(job_id).state


@pytest.mark.parametrize(("verb", "before", "after"), VERBS)
def test_an_action_moves_the_selected_jobs(
    staff: Any, seed: Seed, engine: Engine, verb: str, before: State, after: State
) -> None:
    chosen = [getattr(seed, before)() for _ in range(2)]
    client = staff("view_job", f"{verb}_job")
    past = {"requeue": "requeued", "cancel": "cancelled"}[verb]
    assert said(act(client, verb, chosen)) == [f"2 jobs {past}."]
    assert [state_of(engine, job_id) for job_id in chosen] == [after, after]
    entries = LogEntry.objects.order_by("object_id")
    assert [entry.object_id for entry in entries] == sorted(chosen)
    assert {entry.action_flag for entry in entries} == {CHANGE}
    assert {entry.user.username for entry in entries} == {"anna"}
    assert {entry.get_change_message() for entry in entries} == {f"{past.capitalize()}."}


@pytest.mark.parametrize(("verb", "before", "after"), VERBS)
def test_a_button_moves_one_job(
    staff: Any, seed: Seed, engine: Engine, verb: str, before: State, after: State
) -> None:
    job_id = getattr(seed, before)()
    client = staff("view_job", f"{verb}_job")
    response = client.post(page_of("job", job_id, verb), follow=True)
    assert response.redirect_chain == [(page_of("job", job_id), 302)]
    assert state_of(engine, job_id) is after
    assert LogEntry.objects.get().object_id == job_id


@pytest.mark.parametrize(("verb", "before", "after"), VERBS)
def test_without_the_permission_nothing_moves(
    staff: Any, seed: Seed, engine: Engine, verb: str, before: State, after: State
) -> None:
    job_id = getattr(seed, before)()
    client = staff("view_job", "delete_job", "view_payload")
    act(client, verb, [job_id])
    assert client.post(page_of("job", job_id, verb)).status_code == 403
    assert state_of(engine, job_id) is before
    assert not LogEntry.objects.exists()


def test_a_button_needs_the_permission_to_view_too(staff: Any, seed: Seed, engine: Engine) -> None:
    job_id = seed.queued()
    assert staff("cancel_job").post(page_of("job", job_id, "cancel")).status_code == 403
    assert state_of(engine, job_id) is State.QUEUED


def test_each_permission_offers_its_action(staff: Any, seed: Seed) -> None:
    seed.queued()
    client = staff("view_job", "cancel_job")
    assert offered(client.get(JOBS)) == ["cancel_selected", "export_csv", "export_json"]


def test_who_may_only_look_is_offered_no_action(staff: Any, seed: Seed) -> None:
    seed.queued()
    """But to take home what the list shows."""
    assert offered(staff("view_job").get(JOBS)) == ["export_csv", "export_json"]


def test_it_says_which_jobs_did_not_move_and_why(
    admin_client: Client, seed: Seed, engine: Engine
) -> None:
    chosen = [seed.failed(), seed.failed(), seed.running(), seed.queued(), new_id()]
    assert said(act(admin_client, "requeue", chosen)) == [
        "2 jobs requeued.",
        "1 job was not requeued (state: queued).",
        "1 job was not requeued (state: running).",
        "1 job no longer exists.",
    ]
    assert LogEntry.objects.count() == 2


def test_a_job_that_left_the_filtered_list_is_named_by_its_state(
    admin_client: Client, seed: Seed
) -> None:
    chosen = [seed.running(), seed.failed()]  # the first was on the list of the failed ones before
    assert said(act(admin_client, "requeue", chosen, "?state=failed")) == [
        "1 job requeued.",
        "1 job was not requeued (state: running).",
    ]


def test_a_running_job_is_told_to_end(admin_client: Client, seed: Seed, engine: Engine) -> None:
    """It still runs; the page shows what was asked of it, and the log who asked."""
    job_id = seed.running()
    assert said(act(admin_client, "cancel", [job_id, seed.queued()])) == [
        "1 job cancelled.",
        "1 running job was told to end.",
    ]
    assert engine.inspector.job(job_id).cancelling
    assert "is to end" in admin_client.get(page_of("job", job_id)).content.decode()
    assert [entry.get_change_message() for entry in LogEntry.objects.filter(object_id=job_id)] == [
        "Told to end."
    ]


def test_a_scheduled_job_runs_now_when_requeued(admin_client: Client, seed: Seed) -> None:
    job_id = seed.scheduled()
    admin_client.post(page_of("job", job_id, "requeue"))
    assert state_of(seed.engine, job_id) is State.QUEUED


def test_all_matching_means_those_of_the_filter(
    admin_client: Client, seed: Seed, engine: Engine
) -> None:
    failed = [seed.failed() for _ in range(3)]
    kept = seed.succeeded()
    answer = act(admin_client, "requeue", [failed[0]], "?state=failed", select_across="1")
    assert said(answer) == ["3 jobs requeued."]
    assert {state_of(engine, job_id) for job_id in failed} == {State.QUEUED}
    assert state_of(engine, kept) is State.SUCCEEDED


def test_a_few_that_match_are_changed_at_once(admin_client: Client, engine: Engine) -> None:
    """Each with its entry."""
    made = fill(engine, 100)
    assert said(act(admin_client, "cancel", made[:1], select_across="1")) == ["100 jobs cancelled."]
    assert LogEntry.objects.count() == 100


def test_many_entries_are_one(admin_client: Client, engine: Engine) -> None:
    """The page of recent actions would hold nothing else."""
    made = fill(engine, 101)
    assert said(act(admin_client, "cancel", made)) == ["101 jobs cancelled."]
    entry = LogEntry.objects.get()
    assert (entry.object_repr, entry.object_id) == ("101 jobs cancelled.", None)
    admin_client.get("/admin/")


@pytest.mark.parametrize("verb", ["requeue", "cancel", "delete"])
def test_too_many_by_hand_are_refused(
    admin_client: Client, engine: Engine, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr(actions, "INLINE", 20)
    made = fill(engine, 21)
    (message,) = said(act(admin_client, verb, made))
    assert message.startswith("21 jobs are selected by hand, and an action changes at most 20")
    assert engine.inspector.count(State.QUEUED) == 21


def test_as_many_are_deleted_as_a_form_may_have_fields(
    admin_client: Client, engine: Engine, settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 30
    fill(engine, 21)
    assert "at most 20" in said(act(admin_client, "delete", ["-"], select_across="1"))[0]


def test_delete_asks_first_and_leaves_what_runs(staff: Any, seed: Seed, engine: Engine) -> None:
    done, running = seed.failed(), seed.running()
    client = staff("view_job", "delete_job")
    question = act(client, "delete", [done, running])
    assert "Are you sure" in question.content.decode()
    assert state_of(engine, done) is State.FAILED
    answer = act(client, "delete", [done, running], post="yes")
    assert said(answer) == ["1 job deleted.", "1 job was not deleted (state: running)."]
    assert engine.inspector.jobs([done]) == []
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.action_flag) == (done, DELETION)


def test_delete_needs_its_permission(staff: Any, seed: Seed, engine: Engine) -> None:
    job_id = seed.failed()
    client = staff("view_job", "requeue_job", "cancel_job")
    act(client, "delete", [job_id], post="yes")
    assert client.post(page_of("job", job_id, "delete"), {"post": "yes"}).status_code == 403
    assert state_of(engine, job_id) is State.FAILED


def test_the_page_of_a_job_deletes_it_after_a_question(
    admin_client: Client, seed: Seed, engine: Engine
) -> None:
    job_id = seed.failed()
    url = page_of("job", job_id, "delete")
    assert "Are you sure" in admin_client.get(url).content.decode()
    filters = "?_changelist_filters=state%3Dfailed"
    answer = admin_client.post(f"{url}{filters}", {"post": "yes"}, follow=True)
    assert answer.redirect_chain == [(f"{JOBS}?state=failed", 302)]
    assert "was deleted successfully" in said(answer)[0]
    assert engine.inspector.jobs([job_id]) == []
    assert LogEntry.objects.get().action_flag == DELETION


def test_a_job_that_began_to_run_meanwhile_is_neither_deleted_nor_logged(
    admin_client: Client, seed: Seed, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = seed.running()
    monkeypatch.setattr(
        actions.JobActionsMixin, "has_delete_permission", lambda *_: True
    )  # as it was a moment ago
    answer = admin_client.post(page_of("job", job_id, "delete"), {"post": "yes"}, follow=True)
    assert said(answer) == ["1 job was not deleted (state: running)."]
    assert state_of(engine, job_id) is State.RUNNING
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("verb", ["requeue", "cancel", "delete"])
def test_looking_changes_nothing(
    admin_client: Client, seed: Seed, engine: Engine, verb: str
) -> None:
    made = seed.one_of_each()
    for job_id in made.values():
        code = admin_client.get(page_of("job", job_id, verb)).status_code
        assert code in ({200, 403} if verb == "delete" else {405})
        act(admin_client, verb, [])  # an action on nothing
        admin_client.get(JOBS, {"action": f"{verb}_selected", "_selected_action": job_id})
    assert {state: state_of(engine, job_id) for state, job_id in made.items()} == {
        state: State(state) for state in made
    }


@pytest.mark.parametrize("verb", ["requeue", "cancel"])
def test_a_button_needs_the_token_against_forgery(
    admin_user: Any, seed: Seed, engine: Engine, verb: str
) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    job_id = seed.scheduled()
    assert client.post(page_of("job", job_id, verb)).status_code == 403
    assert state_of(engine, job_id) is State.SCHEDULED


def test_a_button_for_a_job_that_is_gone_says_so(admin_client: Client, engine: Engine) -> None:
    answer = admin_client.post(page_of("job", new_id(), "cancel"), follow=True)
    assert "There is no job" in said(answer)[0]
