"""A quick job is answered at once, a slow one with where to look: real processes, real waiting."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.processes import AT_ONCE, PATIENCE, seconds_of, takes_less_than
from tests.support.site import Site, Visitor

JSON = {"Accept": "application/json"}


def test_a_quick_job_is_answered_with_its_result(site: Site) -> None:
    site.worker()
    ada = Visitor(site, "ada")
    answer = ada.post("/ask/say/", {"text": "hello"}, **JSON, Prefer="wait=5")
    assert answer.status == 200
    assert (answer.json()["done"], answer.json()["result"]["text"]) == (True, "hello")
    assert answer.headers["Preference-Applied"] == "wait=5"
    answer = ada.post("/ask/say/", {"text": "again"})
    assert answer.status == 303
    page = ada.get(answer.headers["Location"]).text
    assert "again" in page
    assert "e-mail you" not in page  # there it is


def test_a_quick_failure_is_answered_too(site: Site) -> None:
    """The row is written before Redis says that the job is final."""
    site.worker()
    answer = Visitor(site, "ada").post("/ask/fail/", {}, **JSON, Prefer="wait=5")
    assert (answer.status, answer.json()["done"]) == (200, True)
    assert answer.json()["error"]["code"] == "failed"


def test_a_slow_job_is_answered_with_where_to_look(site: Site, folder: Path) -> None:
    site.worker()
    ada = Visitor(site, "ada")
    begun = time.monotonic()
    answer = ada.post("/ask/step/", {"folder": str(folder), "steps": "1"}, **JSON)
    assert answer.status == 202
    assert time.monotonic() - begun >= 1.5
    assert answer.json()["done"] is False
    url = answer.headers["Location"]
    begun = time.monotonic()
    assert ada.get(url, **JSON).json()["state"] == "running"
    assert ada.get(url, **JSON, Prefer="wait=1").json()["done"] is False
    assert time.monotonic() - begun >= 1
    (folder / "1").touch()
    assert ada.get(url, **JSON, Prefer="wait=5").json()["result"]["text"] == "All steps are done."


def test_who_prefers_not_to_wait_does_not(start_site: Callable[..., Site]) -> None:
    """There is no worker, so whoever waits waits long."""
    ada = Visitor(start_site(TEST_REQUESTS=json.dumps({"WAIT_FOR": 5})), "ada")

    def ask() -> None:
        answer = ada.post("/ask/say/", {"text": "x"}, **JSON, Prefer="respond-async")
        assert answer.status == 202
        assert answer.headers["Preference-Applied"] == "respond-async"

    takes_less_than(AT_ONCE, lambda: seconds_of(ask))


def test_nobody_waits_longer_than_five_seconds(site: Site) -> None:
    begun = time.monotonic()
    answer = Visitor(site, "ada").post("/ask/say/", {"text": "x"}, **JSON, Prefer="wait=3600")
    assert (answer.status, answer.headers["Preference-Applied"]) == (202, None)
    assert 5 <= time.monotonic() - begun < PATIENCE


def test_few_wait_at_once(start_site: Callable[..., Site]) -> None:
    """The third one is answered while the two places are taken."""
    site = start_site(TEST_REQUESTS=json.dumps({"WAITERS": 2, "SUBMISSIONS_PER_MINUTE": 100}))
    people = [Visitor(site, "ada") for _ in range(3)]

    def ask(person: Visitor) -> float:
        begun = time.monotonic()
        assert person.post("/ask/say/", {"text": "x"}, **JSON, Prefer="wait=5").status == 202
        return time.monotonic() - begun

    def quickest_of_three() -> float:
        with ThreadPoolExecutor(3) as threads:
            first, *others = sorted(threads.map(ask, people))
        assert min(others) >= 5
        return first

    takes_less_than(5, quickest_of_three)
