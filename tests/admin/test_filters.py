"""The filters and the search of the list of jobs, beside state, queue and task."""

import json
from typing import Any

import pytest
from django.test import Client

from django_jobqueue.admin.jobs import rows
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome
from tests.admin.conftest import Seed
from tests.support.clock import Clock
from tests.support.pages import JOBS, ids
from tests.support.places import Make, claimed, finish

SPILL = "tests.project.elsewhere.spill"  # its second argument is a secret


def call(*args: object, **kwargs: object) -> bytes:
    return json.dumps({"args": args, "kwargs": kwargs}, ensure_ascii=False).encode()


def test_the_jobs_of_a_tag_are_listed_in_whatever_state(
    admin_client: Client, engine: Engine, seed: Seed, make_job: Make
) -> None:
    """Exactly, those that were stored last first; and the page of a job leads there."""
    made = [seed.failed(tags=("tenant:7",)), seed.succeeded(tags=("tenant:7", "x"))]
    made.append(make_job(tags=("tenant:7",)))
    make_job(tags=("tenant:70",))
    answer = admin_client.get(JOBS, {"tag": "tenant:7"})
    assert ids(answer) == made[::-1]
    assert not answer.context["notes"]
    assert ids(admin_client.get(JOBS, {"q": "tag:tenant:7"})) == made[::-1]
    assert ids(admin_client.get(JOBS, {"tag": "tenant:7", "state": "failed"})) == made[:1]
    page = admin_client.get(f"{JOBS}{made[0]}/change/").content.decode()
    assert '?tag=tenant%3A7">tenant:7</a>' in page


def test_what_is_to_be_tried_again_is_not_only_scheduled(
    admin_client: Client, engine: Engine, seed: Seed, make_job: Make, slot: Slot
) -> None:
    retried = make_job(max_attempts=3)
    finish(engine, slot, claimed(engine, slot), RunResult(Outcome.RETRIED, delay_ms=60_000))
    seed.scheduled()
    assert ids(admin_client.get(JOBS, {"only": "retrying"})) == [retried]


def test_what_was_lost_with_a_worker_is_found(
    admin_client: Client, engine: Engine, seed: Seed, make_job: Make, slot: Slot
) -> None:
    lost, _ = make_job(), make_job()
    claimed(engine, slot)
    engine.leases.release_slot(slot, lost=True, reason="killed_9")
    assert ids(admin_client.get(JOBS, {"only": "recovered"})) == [lost]


def test_times_narrow_the_list(admin_client: Client, seed: Seed, clock: Clock) -> None:
    clock.move(-7_200)
    old = seed.failed()
    clock.move(7_200)
    new = seed.failed()
    assert ids(admin_client.get(JOBS, {"time": "hour"})) == [new]
    assert ids(admin_client.get(JOBS, {"time": "-hour"})) == [old]
    assert ids(admin_client.get(JOBS, {"time": "day", "state": "failed"})) == [new, old]


def test_end_of_a_long_run_counts(
    admin_client: Client, seed: Seed, clock: Clock, engine: Engine
) -> None:
    """A job that succeeded at once tells its end by how long it took."""
    clock.move(-7_200)
    job_id = seed.succeeded()
    clock.move(7_200)
    assert ids(admin_client.get(JOBS, {"time": "hour"})) == []
    engine.client.redis.hset(engine.client.keys("job", job_id), "took", 7_000_000)
    assert ids(admin_client.get(JOBS, {"time": "hour"})) == [job_id]


@pytest.mark.parametrize("query", ["only=x", "time=x"])
def test_unknown_values_lead_back(admin_client: Client, engine: Engine, query: str) -> None:
    assert admin_client.get(f"{JOBS}?{query}").headers["Location"] == f"{JOBS}?e=1"


def test_words_are_found_in_arguments(admin_client: Client, seed: Seed) -> None:
    """Short ones, which stand in the record, and long ones, in any case."""
    short = seed.queued(data=call("Zoë"))
    long = seed.queued(data=call("x" * 100, name="Ada ZOË"))
    seed.queued(data=call("other"))
    assert ids(admin_client.get(JOBS, {"q": "zoë"})) == [long, short]
    assert ids(admin_client.get(JOBS, {"q": "ada zoë"})) == [long]
    assert ids(admin_client.get(JOBS, {"q": "zoë noop"})) == [long, short], "path and arguments"


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (call("Straße"), "STRASSE"),  # as it is folded
        (rb'{"args":["Stra\u00dfe"],"kwargs":{}}', "straße"),  # as another client writes it
        (call(order=4711), '"order": 4711}'),  # as the page shows it
        (call("a", 1, "b/c-d"), "1, b/c-d"),
        (call("snake_case@x.org", r"c:\d"), r"snake_case@x.org c:\\d"),
        (b'{"args":[1e2],"kwargs":{}}', "100.0"),  # as it is read
        (call("x" * 200, "far"), "far"),  # apart from the record
    ],
)
def test_words_are_found_however_they_are_stored(
    admin_client: Client, make_job: Make, stored: bytes, words: str
) -> None:
    job_id = make_job(task=SPILL, data=stored)
    make_job(task=SPILL, data=call("other"))
    assert ids(admin_client.get(JOBS, {"q": words})) == [job_id]


def test_a_search_reads_the_records_of_what_it_finds(
    admin_client: Client, engine: Engine, make_job: Make
) -> None:
    """Of the other jobs only the fields in which it looks."""
    for _ in range(200):
        make_job(data=call("other"))
    found = make_job(data=call("needle"))
    server = engine.client.redis
    searches: list[tuple[dict[str, str], list[str]]]
    searches = [({"q": "needle"}, [found]), ({"q": "nowhere"}, []), ({"only": "retrying"}, [])]
    for where, wanted in searches:
        server.config_resetstat()
        assert ids(admin_client.get(JOBS, where)) == wanted
        calls = server.info("commandstats")
        assert calls["cmdstat_hgetall"]["calls"] < 20
        assert "cmdstat_lrange" not in calls  # none of them has run


def test_words_are_found_in_exceptions(admin_client: Client, seed: Seed) -> None:
    said = "Traceback\n  File secret.py\napp.Bad: no such sheet"
    failed = seed.failed(exception="app.Bad", traceback=said)
    seed.failed()
    for words in ("app.bad", "such sheet"):
        assert ids(admin_client.get(JOBS, {"q": words})) == [failed], words
        assert ids(admin_client.get(JOBS, {"q": words, "state": "failed"})) == [failed], words
    assert ids(admin_client.get(JOBS, {"q": "secret.py"})) == [], "the frames are not searched"


def test_nobody_finds_what_they_may_not_read(staff: Any, seed: Seed) -> None:
    """Else a search would tell arguments and secrets, letter by letter."""
    job = seed.failed(
        task=SPILL,
        data=call(50, "4711", note="hello"),
        exception="app.Bad",
        traceback="app.Bad: of Zoë",
    )
    client = staff("view_job")
    found = {word: ids(client.get(JOBS, {"q": word})) for word in ("hello", "zoë", "4711")}
    assert found == {"hello": [], "zoë": [], "4711": []}
    assert ids(client.get(JOBS, {"q": "app.bad"})) == [job]


def test_secrets_are_found_by_who_may_see_them(
    staff: Any, admin_client: Client, seed: Seed
) -> None:
    job = seed.failed(task=SPILL, data=call(50, "4711", note="hello"))
    client = staff("view_job", "view_payload")
    assert ids(client.get(JOBS, {"q": "hello"})) == [job]
    assert ids(client.get(JOBS, {"q": "4711"})) == []
    assert ids(admin_client.get(JOBS, {"q": "4711"})) == [job]


def test_arguments_that_nobody_signed_are_not_searched(
    admin_client: Client, engine: Engine, seed: Seed
) -> None:
    job = seed.queued()
    key = engine.client.keys("job", job)
    kept: Any = engine.client.redis.hget(key, "payload")
    engine.client.redis.hset(key, "payload", b"1.forged." + call("needle"))
    assert ids(admin_client.get(JOBS, {"q": "needle"})) == []
    engine.client.redis.hset(key, "payload", kept)


def test_a_filter_says_how_far_it_looked(
    admin_client: Client, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "WINDOW", 2)
    for _ in range(3):
        seed.failed(exception="app.Bad")
    answer = admin_client.get(JOBS, {"state": "failed", "exception": "app.Bad"})
    assert len(ids(answer)) == 2
    assert "2 of 3" in answer.context["notes"][0]


def test_unknown_counts_are_not_zero(admin_client: Client, settings: Any) -> None:
    entry = settings.TASKS["default"]
    settings.TASKS = {"default": entry | {"OPTIONS": {"URL": "unix:///no/such/socket"}}}
    text = admin_client.get(JOBS).content.decode()
    assert "queued (" not in text
    assert "0 jobs" not in text
