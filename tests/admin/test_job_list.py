"""The list of jobs: what it shows, pages, filters, search."""

from typing import Any

import pytest
from django.test import Client

from django_jobqueue.admin.jobs import notes, rows, segments
from django_jobqueue.engine import Engine, get_engine, inspector
from django_jobqueue.engine.claims import ALL_QUEUES, Slot
from django_jobqueue.jobs.job import Job, new_id
from django_jobqueue.jobs.states import State
from tests.admin.conftest import Seed
from tests.support.clock import Clock
from tests.support.jobs import fill, new_job
from tests.support.pages import JOBS, ids
from tests.support.places import FAILED


def test_it_shows_every_state_in_the_order_of_what_happens_now(
    admin_client: Client, seed: Seed
) -> None:
    made = seed.one_of_each()
    response = admin_client.get(JOBS)
    order = ["running", "queued", "scheduled", "failed", "succeeded", "cancelled"]
    assert ids(response) == [made[state] for state in order]
    text = response.content.decode()
    for state in order:
        assert f"</span>\N{NO-BREAK SPACE}{state}</span>" in text


def test_a_row_shows_the_short_task_and_the_whole_path_as_title(
    admin_client: Client, seed: Seed
) -> None:
    seed.queued()
    text = admin_client.get(JOBS).content.decode()
    assert 'title="tests.project.tasks.noop">project.<wbr>tasks.<wbr>noop</bdi></a>' in text
    assert '<td class="field-tries">0/1</td>' in text


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("?state=failed", "7 jobs of this state were removed before their time"),
        ("?state=failed&queue=mail", "1 job of this state was removed before its time"),
        ("?state=failed&queue=mai", ""),
        ("?state=succeeded", ""),
        ("", ""),
    ],
)
def test_it_tells_of_jobs_that_are_gone_before_their_time(
    admin_client: Client, seed: Seed, query: str, told: str
) -> None:
    """As trim counts them, by state and queue."""
    client, keys = seed.engine.client.redis, seed.engine.client.keys
    client.hset(keys("totals"), "trimmed:failed:mail", 1)
    client.hset(keys("totals"), "trimmed:failed:default", 6)
    seed.one_of_each()
    text = admin_client.get(f"{JOBS}{query}").content.decode()
    assert ("before " in text and told in text) if told else "RETENTION_COUNT" not in text


def test_it_is_empty_without_jobs(admin_client: Client, engine: Engine) -> None:
    assert ids(admin_client.get(JOBS)) == []


def test_pages_go_through_all_jobs_once(admin_client: Client, seed: Seed) -> None:
    others = [seed.failed(), seed.running()]
    made = fill(seed.engine, 125)
    pages = [ids(admin_client.get(JOBS, {"p": number})) for number in (1, 2, 3)]
    assert [len(page) for page in pages] == [50, 50, 27]
    assert [row for page in pages for row in page] == [others[1], *reversed(made), others[0]]


def test_only_the_rows_of_a_page_are_read(
    admin_client: Client, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(engine, 150)
    read: list[int] = []
    jobs = inspector.Inspector.jobs

    def count(self: inspector.Inspector, ids: list[str]) -> Any:
        read.append(len(ids))
        return jobs(self, ids)

    monkeypatch.setattr(inspector.Inspector, "jobs", count)
    admin_client.get(JOBS, {"p": 2})
    assert read == [50]


@pytest.mark.parametrize("query", ["state=lost", "task__icontains=x", "colour=red"])
def test_nonsense_in_the_address_leads_back_to_the_list(
    admin_client: Client, seed: Seed, query: str
) -> None:
    seed.queued()
    response = admin_client.get(f"{JOBS}?{query}")
    assert response.status_code == 302
    assert response.headers["Location"] == f"{JOBS}?e=1"


def test_oldest_first_shows_what_is_claimed_next(admin_client: Client, engine: Engine) -> None:
    made = fill(engine, 75)
    assert ids(admin_client.get(JOBS, {"order": "oldest"})) == made[:50]
    assert ids(admin_client.get(JOBS, {"order": "oldest", "p": "2"})) == made[50:]


def test_filters_by_state_and_queue(admin_client: Client, seed: Seed) -> None:
    made = {queue: seed.failed(queue=queue) for queue in ("default", "mail")}
    waiting = seed.queued(queue="mail")
    assert set(ids(admin_client.get(JOBS, {"state": "failed"}))) == set(made.values())
    assert ids(admin_client.get(JOBS, {"queue": "mail"})) == [waiting, made["mail"]]
    assert ids(admin_client.get(JOBS, {"queue": "mail", "state": "failed"})) == [made["mail"]]
    assert ids(admin_client.get(JOBS, {"queue": "no-such"})) == []


def test_the_filters_offer_queues_and_count_states(admin_client: Client, seed: Seed) -> None:
    seed.failed(queue="mail")
    seed.queued()
    text = admin_client.get(JOBS).content.decode()
    assert "failed (1)" in text
    assert "queued (1)" in text
    assert "?queue=mail" in text
    assert "waiting (" not in text, "nothing can wait yet"


def test_the_failed_jobs_of_a_task_are_exact(admin_client: Client, seed: Seed) -> None:
    seed.failed(task="a.one")
    wanted = [seed.failed(task="a.two") for _ in range(3)]
    response = admin_client.get(JOBS, {"state": "failed", "task": "a.two"})
    assert set(ids(response)) == set(wanted)
    assert "a.one" in response.content.decode(), "the other task is offered"
    assert not response.context["notes"]


def test_a_task_within_a_queue_is_searched_for(admin_client: Client, seed: Seed) -> None:
    wanted = seed.failed(task="a.two", queue="mail")
    seed.failed(task="a.two")
    response = admin_client.get(JOBS, {"state": "failed", "task": "a.two", "queue": "mail"})
    assert ids(response) == [wanted]


def test_a_whole_id_finds_its_job_whatever_the_filters(admin_client: Client, seed: Seed) -> None:
    made = seed.one_of_each()
    response = admin_client.get(JOBS, {"q": f" {made['failed'].upper()} ", "state": "queued"})
    assert ids(response) == [made["failed"]]
    assert ids(admin_client.get(JOBS, {"q": new_id()})) == []


def test_a_search_finds_parts_of_the_path_and_of_the_id(admin_client: Client, seed: Seed) -> None:
    letter = seed.queued(task="mail.tasks.send_letter")
    parcel = seed.queued(task="mail.tasks.send_parcel")
    seed.queued(task="pages.tasks.fetch")
    assert ids(admin_client.get(JOBS, {"q": "Send"})) == [parcel, letter]
    assert ids(admin_client.get(JOBS, {"q": "mail letter"})) == [letter]
    assert ids(admin_client.get(JOBS, {"q": letter[24:34]})) == [letter]
    assert len(ids(admin_client.get(JOBS, {"q": "  "}))) == 3


def test_a_search_says_how_far_it_looked(
    admin_client: Client, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "WINDOW", 20)
    seed.failed(task="x.needle")
    fill(seed.engine, 30)
    response = admin_client.get(JOBS, {"q": "needle"})
    assert len(ids(response)) == 1, "each state has its share of the window"
    (note,) = response.context["notes"]
    assert "20 of 31" in note
    assert note in response.content.decode()
    assert not admin_client.get(JOBS, {"q": "needle", "state": "failed"}).context["notes"]


def test_over_several_queues_the_list_ends_and_says_so(
    admin_client: Client, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "MERGE_DEPTH", 70)
    monkeypatch.setattr(notes, "MERGE_DEPTH", 70)
    monkeypatch.setattr(inspector, "MERGE_DEPTH", 70)
    default, mail = fill(engine, 50), fill(engine, 40, "mail")
    response = admin_client.get(JOBS, {"p": 2})
    assert len(ids(response)) == 20
    assert "70" in response.context["notes"][0]
    assert "90" in response.context["notes"][0]
    one = admin_client.get(JOBS, {"queue": "default"})
    assert ids(one) == default[::-1]
    assert not one.context["notes"]
    assert len(mail) == 40


@pytest.fixture
def buried(engine: Engine, slot: Slot, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Failed jobs of one task, and so many newer ones of another that no window reaches them."""
    monkeypatch.setattr(rows, "WINDOW", 200)
    old = fail_all(engine, slot, fill(engine, 75, "mail", task="mail.tasks.send_invoice"))
    fail_all(engine, slot, fill(engine, 300, "pages", task="pages.tasks.fetch"))
    return old


def fail_all(engine: Engine, slot: Slot, made: list[str]) -> list[str]:
    """Run jobs that were made, which all fail; return their ids, newest first."""
    found = engine.claims.claim(slot, [ALL_QUEUES])
    while isinstance(found, Job):
        _, _, found = engine.claims.finish(slot, found, FAILED, [ALL_QUEUES])
    # Of jobs that end in the same millisecond, the one with the higher id comes first.
    newest = engine.inspector.page(State.FAILED, 0, len(made))
    assert {job.id for job in newest} == {*made}
    return [job.id for job in newest]


def test_failed_jobs_are_found_behind_any_number_of_newer_ones(
    admin_client: Client, buried: list[str]
) -> None:
    """By the filter and by a search; each page is exact."""
    first = admin_client.get(JOBS, {"state": "failed"})
    assert "task=mail.tasks.send_invoice" in first.content.decode(), "it is offered"
    for query in ({"q": "Send_Inv"}, {"q": "mail send"}, {"task": "mail.tasks.send_invoice"}):
        pages = [admin_client.get(JOBS, {"state": "failed", "p": p, **query}) for p in (1, 2)]
        assert [row for page in pages for row in ids(page)] == buried, query
        assert not pages[0].context["notes"], query
    oldest = admin_client.get(JOBS, {"state": "failed", "q": "send", "order": "oldest"})
    assert ids(oldest) == buried[::-1][:50]


def test_a_search_of_all_states_finds_failed_jobs_behind_newer_ones(
    admin_client: Client, buried: list[str]
) -> None:
    assert ids(admin_client.get(JOBS, {"q": "send_invoice"})) == buried[:50]
    assert ids(admin_client.get(JOBS, {"task": "mail.tasks.send_invoice"})) == buried[:50]


def test_a_search_of_a_queue_finds_failed_jobs_behind_newer_ones(
    admin_client: Client, engine: Engine, slot: Slot, buried: list[str]
) -> None:
    """The window is of the queue or of the task, whichever has fewer."""
    (odd,) = fail_all(engine, slot, fill(engine, 1, "pages", task="mail.tasks.send_invoice"))
    where = {"state": "failed", "queue": "pages"}
    fail_all(engine, slot, fill(engine, 1, "pages", task="pages.tasks.fetch"))
    assert ids(admin_client.get(JOBS, where | {"q": "invoice"})) == [odd]
    assert ids(admin_client.get(JOBS, where | {"task": "mail.tasks.send_invoice"})) == [odd]


def test_a_search_for_failed_jobs_of_several_tasks_merges_them(
    admin_client: Client, seed: Seed, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for task in ("a.one", "b.two", "a.one"):
        clock.move(1)
        made.append(seed.failed(task=task))
    seed.failed(task="c.three")
    assert ids(admin_client.get(JOBS, {"state": "failed", "q": "o"})) == made[::-1]
    for module in (notes, segments, inspector):
        monkeypatch.setattr(module, "MERGE_DEPTH", 2)
    response = admin_client.get(JOBS, {"state": "failed", "q": "o"})
    assert ids(response) == made[:0:-1]
    assert "only 2 jobs of a state are listed, and there are 3" in response.context["notes"][0]


def test_a_part_of_the_id_finds_failed_jobs_too(admin_client: Client, seed: Seed) -> None:
    """It is in no task's path."""
    wanted, _ = seed.failed(task="x.y"), seed.failed(task="x.y")
    assert ids(admin_client.get(JOBS, {"state": "failed", "q": wanted[24:34]})) == [wanted]
    with_task = {"state": "failed", "task": "x.y", "q": wanted[24:34]}
    assert ids(admin_client.get(JOBS, with_task)) == [wanted]


def test_the_tasks_that_failed_last_are_offered(
    admin_client: Client, seed: Seed, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (notes, inspector):
        monkeypatch.setattr(module, "MOST_TASKS", 2)
    for task in ("a.old", "a.mid"):
        seed.failed(task=task)
        clock.move(1)
    assert not admin_client.get(JOBS, {"state": "failed"}).context["notes"]
    seed.failed(task="a.new")
    response = admin_client.get(JOBS, {"state": "failed"})
    text = response.content.decode()
    assert ("task=a.new" in text, "task=a.mid" in text, "task=a.old" in text) == (1, 1, 0)
    (note,) = response.context["notes"]
    assert "3 tasks have failed jobs. Only the 2 that failed last" in note
    assert len(ids(admin_client.get(JOBS, {"state": "failed", "task": "a.old"}))) == 1


def test_with_two_aliases_one_is_shown_at_a_time(
    admin_client: Client, seed: Seed, settings: Any
) -> None:
    here = seed.queued()
    settings.TASKS = settings.TASKS | {"archive": settings.TASKS["default"]}
    there = new_id()
    get_engine("archive").jobs.enqueue([new_job(there, "default", "a.b", b"-")])
    first = admin_client.get(JOBS)
    assert ids(first) == [here]
    assert '<td class="field-alias">default</td>' in first.content.decode()
    assert ids(admin_client.get(JOBS, {"alias": "archive"})) == [there]
    assert ids(admin_client.get(JOBS, {"q": there})) == [there]
    assert admin_client.get(f"{JOBS}{there}/change/").status_code == 200
    assert admin_client.get(JOBS, {"alias": "none"}).status_code == 302


def test_with_one_alias_there_is_no_word_of_it(admin_client: Client, seed: Seed) -> None:
    seed.queued()
    assert "alias" not in admin_client.get(JOBS).content.decode()


def test_the_list_needs_the_permission_to_view(staff: Any, seed: Seed) -> None:
    assert staff().get(JOBS).status_code == 403
