"""The worker list: which live, and what they run."""

import json
import re
import threading
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.job import Job as Snapshot
from django_jobqueue.steering import workers
from tests.admin.conftest import Seed
from tests.support.pages import WORKERS, ids, offered, page_of, said
from tests.support.places import REAP
from tests.support.processes import until

INFO: dict[str, str | int] = {
    "host": "mill",
    "pid": 4711,
    "queues": "default mail",
    "processes": 2,
    "threads": 2,
    "version": "0.1",
    "started_at": 1_700_000_000_000,
}


def test_it_shows_a_worker_with_the_jobs_it_runs(admin_client: Client, seed: Seed) -> None:
    job_id = seed.running()
    seed.engine.leases.renew("worker-1", INFO)
    response = admin_client.get(WORKERS)
    assert ids(response) == ["worker-1"]
    text = response.content.decode()
    assert f'<a href="{page_of("job", job_id)}">' in text
    assert '<td class="field-slots">1/4</td>' in text
    assert "default, mail" in text
    assert "</span> live</td>" in text


def test_of_many_jobs_it_names_the_first(admin_client: Client, seed: Seed) -> None:
    jobs = [seed.running() for _ in range(7)]
    seed.engine.leases.renew("worker-1", INFO)
    text = admin_client.get(WORKERS).content.decode()
    assert sum(page_of("job", one) in text for one in jobs) == 5
    assert "and 2 more" in text


def test_it_shows_weights(admin_client: Client, engine: Engine) -> None:
    engine.leases.renew("worker-1", INFO | {"weights": "5 1"})
    engine.leases.renew("worker-2", INFO | {"weights": "5"})  # damaged
    text = admin_client.get(WORKERS).content.decode()
    assert text.count("default:5, mail:1") == 1
    assert text.count("default, mail") == 1


def test_a_dead_worker_runs_nothing_that_was_recovered(admin_client: Client, seed: Seed) -> None:
    """Its slots' notes stay, whatever became of the job."""
    engine, (lost, held) = seed.engine, (seed.running(), seed.running())
    engine.leases.renew("worker-1", INFO)
    client, keys = engine.client.redis, engine.client.keys
    client.zadd(keys("leases", "default"), {lost: 1})  # its lease has ended
    engine.queues.reap(**REAP)
    text = admin_client.get(WORKERS).content.decode()
    assert page_of("job", held) in text
    assert page_of("job", lost) not in text
    assert '<td class="field-slots">1/4</td>' in text
    claimed = engine.claims.claim(Slot("worker-2", "1.1"), ["default"])
    assert isinstance(claimed, Snapshot)
    assert claimed.id == lost
    assert page_of("job", lost) not in admin_client.get(WORKERS).content.decode()
    engine.leases.renew("worker-2", INFO)
    assert page_of("job", lost) in admin_client.get(WORKERS).content.decode()


def test_a_worker_has_a_page(admin_client: Client, engine: Engine) -> None:
    engine.leases.renew("worker-1", INFO)
    text = admin_client.get(page_of("worker", "worker-1")).content.decode()
    assert "4711" in text
    assert "mill" in text
    assert admin_client.get(page_of("worker", "worker-1", "history")).status_code == 200


def test_the_page_of_a_running_job_links_to_its_worker(admin_client: Client, seed: Seed) -> None:
    text = admin_client.get(page_of("job", seed.running())).content.decode()
    assert f'<a href="{page_of("worker", "worker-1")}">worker-1</a>' in text


def test_it_tells_a_worker_that_stops_and_one_that_is_not_seen(
    admin_client: Client, engine: Engine
) -> None:
    engine.leases.renew("worker-1", INFO | {"stopping": 1})
    engine.leases.renew("worker-2", INFO)
    client, keys = engine.client.redis, engine.client.keys
    seen = int(client.zscore(keys("workers"), "worker-2") or 0) - 90_000
    client.zadd(keys("workers"), {"worker-2": seen})
    client.hset(keys("worker", "worker-2"), "seen_at", seen)
    text = admin_client.get(WORKERS).content.decode()
    assert "</span> stopping</td>" in text
    assert re.search(
        "</span> unseen for 1\N{NO-BREAK SPACE}min 3[0-9]\N{NO-BREAK SPACE}s</span></td>", text
    )


@pytest.mark.parametrize(
    ("lease", "said"), [(30, "unseen for 1\N{NO-BREAK SPACE}min"), (180, "live")]
)
def test_worker_with_a_long_lease_is_seen_less_often(
    admin_client: Client, engine: Engine, settings, lease: int, said: str
) -> None:
    """It renews three times per lease, and is healthy in between."""
    default = settings.TASKS["default"]
    options = default["OPTIONS"] | {"LEASE": lease}
    settings.TASKS = {"default": default | {"OPTIONS": options}}
    engine.leases.renew("worker-1", INFO)
    client, keys = engine.client.redis, engine.client.keys
    seen = int(client.zscore(keys("workers"), "worker-1") or 0) - 90_000
    client.hset(keys("worker", "worker-1"), "seen_at", seen)
    assert f"</span> {said}" in admin_client.get(WORKERS).content.decode()


def test_what_is_wrong_with_a_worker_stands_out(admin_client: Client, engine: Engine) -> None:
    engine.leases.renew("worker-1", INFO | {"fault": "slot 0.0 is <stuck>"})
    text = admin_client.get(WORKERS).content.decode()
    mark = '<span class="jobqueue-failed"><span aria-hidden="true">✖</span>'
    assert f"{mark} slot 0.0 is &lt;stuck&gt;</span></td>" in text


def test_a_worker_is_not_deleted(admin_client: Client, engine: Engine) -> None:
    engine.leases.renew("worker-1", INFO)
    assert offered(admin_client.get(WORKERS)) == ["quiet_selected", "stop_selected"]
    url = page_of("worker", "worker-1", "delete")
    assert admin_client.post(url, {"post": "yes"}).status_code == 403


def test_the_list_needs_the_permission_to_view(staff: Any, engine: Engine) -> None:
    assert staff("view_job").get(WORKERS).status_code == 403


def told(engine: Engine, worker: str = "worker-1") -> set[str]:
    return set(engine.leases.renew(worker, INFO).told)


@pytest.mark.parametrize("word", ["quiet", "stop"])
def test_a_worker_is_told_after_a_question(staff: Any, engine: Engine, word: str) -> None:
    engine.leases.renew("worker-1", INFO)
    client = staff("view_worker", "manage_workers")
    url = page_of("worker", "worker-1", word)
    assert f'action="{url}"' in client.get(page_of("worker", "worker-1")).content.decode()
    assert client.get(url).status_code == 405
    asked = client.post(url).content.decode()
    assert "worker-1" in asked
    assert told(engine) == set()
    form = {"action": f"{word}_selected", "_selected_action": ["worker-1"], "confirmed": "yes"}
    assert all(f'name="{name}"' in asked for name in form)
    answer = client.post(WORKERS, form | {"index": "0"}, follow=True)
    assert "1 worker was told to" in said(answer)[0]
    assert told(engine) == {word}
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.get_change_message()[:7]) == ("worker-1", "Told to")


def test_a_worker_that_has_gone_meanwhile_is_not_told(admin_client: Client, engine: Engine) -> None:
    form = {"action": "stop_selected", "_selected_action": ["worker-1"], "confirmed": "yes"}
    engine.leases.renew("worker-2", INFO)
    answer = admin_client.post(WORKERS, form | {"index": "0"}, follow=True)
    assert said(answer) == ["0 workers were told to stop."]
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("view", ["quiet", "stop", "stacks"])
def test_who_may_only_look_tells_nothing(staff: Any, engine: Engine, view: str) -> None:
    engine.leases.renew("worker-1", INFO)
    engine.leases.store_stacks("worker-1", '{"0.0": "File x, line 1 in secret"}')
    client = staff("view_worker")
    url = page_of("worker", "worker-1", view)
    page = client.get(page_of("worker", "worker-1")).content.decode()
    assert url not in page
    assert "secret" not in page
    assert client.post(url, {"confirmed": "yes"}).status_code == 403
    form = {"action": f"{view}_selected", "_selected_action": ["worker-1"], "confirmed": "yes"}
    client.post(WORKERS, form | {"index": "0"})
    assert told(engine) == set()


def test_it_shows_where_the_slots_are(admin_client: Client, seed: Seed) -> None:
    job_id = seed.running()
    seed.engine.leases.renew("worker-1", INFO | {"memory": 3 << 20, "jobs": 1234})
    page = admin_client.get(page_of("worker", "worker-1")).content.decode()
    assert page_of("job", job_id) in page
    assert "Where it was" not in page
    stacks = {"0.0": 'File "<b>.py", line 1 in run\x07', "0.1": None}
    seed.engine.leases.store_stacks("worker-1", json.dumps(stacks))
    page = admin_client.get(page_of("worker", "worker-1")).content.decode()
    assert "File &quot;&lt;b&gt;.py&quot;, line 1 in run\\x07" in page
    assert "Its process has not answered" in page
    assert "3 MiB" in page
    assert "1,234" in page


def test_the_page_waits_for_the_answer(
    admin_client: Client, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If none comes it says so."""
    engine.leases.renew("worker-1", INFO)
    url = page_of("worker", "worker-1", "stacks")

    def answer() -> None:
        until(lambda: "stacks" in told(engine))
        engine.leases.store_stacks("worker-1", '{"0.0": "File a, line 1 in here"}')

    thread = threading.Thread(target=answer)
    thread.start()
    assert "line 1 in here" in admin_client.post(url, follow=True).content.decode()
    thread.join()
    monkeypatch.setattr(workers, "ANSWER_WITHIN", 0.0)
    assert said(admin_client.post(url, follow=True)) == [
        "The worker has not answered: it is gone, or can't reach Redis."
    ]


def test_a_quiet_worker_says_so(admin_client: Client, engine: Engine) -> None:
    engine.leases.renew("worker-1", INFO | {"quiet": 1})
    assert "</span> quiet</td>" in admin_client.get(WORKERS).content.decode()
    page = admin_client.get(page_of("worker", "worker-1")).content.decode()
    assert page_of("worker", "worker-1", "quiet") not in page
    assert page_of("worker", "worker-1", "stop") in page
