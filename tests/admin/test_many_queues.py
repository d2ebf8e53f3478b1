"""More queues than are looked at together: pages stay fast, and say what they leave out."""

import re
from typing import Any

import pytest
from django.test import Client

from django_jobqueue.admin import queue_actions
from django_jobqueue.engine import Engine, queue_reader
from tests.admin.conftest import Seed
from tests.support.pages import JOBS, QUEUES, act, ids, page_of, said
from tests.support.places import Make

MANY = 450


@pytest.fixture
def many(engine: Engine) -> list[str]:
    """The names of queues that hold nothing any more, until the next trim."""
    names = [f"q{number:03}" for number in range(MANY)]
    engine.client.redis.zadd(engine.client.keys("names"), dict.fromkeys(names, 0))
    return names


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many queues were looked at, by call."""
    found: list[int] = []
    counts = queue_reader.QueueReader.queue_counts

    def count(self: queue_reader.QueueReader, names: list[str]) -> Any:
        found.append(len(names))
        return counts(self, names)

    monkeypatch.setattr(queue_reader.QueueReader, "queue_counts", count)
    return found


def test_the_queues_are_paged_by_name(
    admin_client: Client, many: list[str], looked_at: list[int]
) -> None:
    pages = [ids(admin_client.get(QUEUES, {"p": number})) for number in range(1, 10)]
    assert [name for page in pages for name in page] == many
    assert looked_at == [50] * 9, "only the queues of the page are read"


def test_a_search_finds_queues_by_the_beginning_of_their_names(
    admin_client: Client, many: list[str], looked_at: list[int]
) -> None:
    assert ids(admin_client.get(QUEUES, {"q": "q12"})) == many[120:130]
    assert ids(admin_client.get(QUEUES, {"q": " q123 "})) == ["q123"]
    assert ids(admin_client.get(QUEUES, {"q": "23"})) == []
    assert ids(admin_client.get(QUEUES, {"q": "q1", "p": "1"})) == many[100:150]
    assert max(looked_at) == 50


def test_the_page_of_a_queue_reads_that_queue_alone(
    admin_client: Client, many: list[str], looked_at: list[int]
) -> None:
    assert admin_client.get(page_of("queue", "q333")).status_code == 200
    assert set(looked_at) == {1}


def test_one_action_changes_a_bounded_number_of_queues(
    admin_client: Client, engine: Engine, many: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_actions, "MOST_CHANGED", 10)
    (text,) = said(act(admin_client, "pause", ["q001"], select_across="1"))
    assert "450 queues are selected" in text
    assert not any(one.paused for one in engine.inspector.queue_stats(many))
    act(admin_client, "pause", many[:10])
    assert sum(one.paused for one in engine.inspector.queue_stats(many)) == 10


def test_the_jobs_of_some_queues_are_listed_and_the_page_says_so(
    admin_client: Client, seed: Seed, many: list[str], looked_at: list[int]
) -> None:
    """Those with jobs to claim come first."""
    late = seed.queued(queue="q444")
    hidden = seed.scheduled(queue="q443")
    response = admin_client.get(JOBS)
    assert ids(response) == [late]
    assert "There are 450 queues." in response.context["notes"][0]
    text = response.content.decode()
    assert "?queue=q444" in text
    assert "?queue=q443" not in text
    assert text.count("?queue=") == 50
    assert looked_at == [200]
    named = admin_client.get(JOBS, {"queue": "q443"})
    assert ids(named) == [hidden]
    assert "?queue=q443" in named.content.decode()
    assert len(set(re.findall(r'\?queue=([^"&]+)"', named.content.decode()))) == 51
    assert not named.context["notes"]
    assert "scheduled (1)" in named.content.decode()


def test_a_search_says_that_it_looked_at_some_queues(
    admin_client: Client, seed: Seed, many: list[str]
) -> None:
    seed.queued(queue="q444", task="x.needle")
    response = admin_client.get(JOBS, {"q": "needle"})
    assert len(ids(response)) == 1
    assert "There are 450 queues." in response.context["notes"][0]


def test_the_states_of_many_queues_are_counted_by_the_maintenance(
    admin_client: Client, seed: Seed, many: list[str]
) -> None:
    seed.queued(queue="q444")
    seed.scheduled(queue="q443")
    before = admin_client.get(JOBS)
    assert "no worker has summed them" in before.context["notes"][1]
    assert "queued (" not in before.content.decode()
    while seed.engine.queues.sum(10_000):
        pass
    after = admin_client.get(JOBS)
    assert "queued (1)" in after.content.decode()
    assert "scheduled (1)" in after.content.decode()
    assert "The states were counted" in after.context["notes"][1]


def test_the_failed_jobs_of_all_queues_are_listed(
    admin_client: Client, seed: Seed, many: list[str]
) -> None:
    """By their tasks."""
    made = {seed.failed(queue=f"q4{number}", task=f"a.t{number % 2}") for number in range(40, 44)}
    response = admin_client.get(JOBS, {"state": "failed"})
    assert set(ids(response)) == made
    assert set(ids(admin_client.get(JOBS, {"q": "t1"}))) < made


def test_few_queues_are_listed_in_full(admin_client: Client, make_job: Make) -> None:
    """And "default" is the first of them."""
    for queue in ("b", "default", "a"):
        make_job(queue=queue)
    assert ids(admin_client.get(QUEUES)) == ["default", "a", "b"]
    assert not admin_client.get(JOBS).context["notes"]
