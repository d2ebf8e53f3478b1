"""The demo as its user meets it: started by its command, seen in a browser, killed, stopped."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from demo.driver import TESTPROJECT, Demo, Student, eventually, gone
from tests.support.browser import Chromium

SAMPLES = TESTPROJECT / "homework/static/homework/samples"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    """Start demos; they are stopped afterwards."""
    started: list[Demo] = []

    def start(**environment: str) -> Demo:
        started.append(Demo(tmp_path / "data", **environment))
        return started[-1].ready()

    yield start
    for demo in started:
        demo.close()


@pytest.fixture
def browser(chromium: Chromium) -> Iterator[Any]:
    with chromium.in_use():
        yield chromium.browser


def note_errors(complaints: list[str], said: Any) -> None:
    """Note what the browser's console reports as an error, such as a breach of the CSP."""
    if said.type == "error":
        complaints.append(f"{said.text} at {said.location}")


def log_in(page: Any, name: str) -> None:
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", name)
    page.click("main button, input[type=submit]")


@pytest.mark.e2e
def test_homework_is_handed_in_graded_mailed_and_its_job_shown(
    start: Callable[..., Demo], browser: Any
) -> None:
    demo = start(DEMO_SECONDS_PER_QUESTION="0.4")
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", partial(note_errors, complaints))

    page.goto(f"{demo.url}/homework/assignments/computing-basics/")
    log_in(page, "student")
    page.set_input_files("input[type=file]", SAMPLES / "middling.txt")
    page.click("text=Hand in")
    promise = page.text_content(".job-request-promise", timeout=30_000)
    assert promise.startswith("We’ll e-mail you at student@demo.example when it is done.")
    page.goto(f"{demo.url}/mailbox/")  # who saw the result gets no mail

    eventually(demo.mails)
    page.reload()
    link = page.get_attribute("article a", "href")
    page.click("text=Log out")
    page.goto(link)  # as from a mailbox elsewhere: the link alone opens nothing
    log_in(page, "student")
    assert "9.5 of 15 points" in page.text_content(".job-request-result")
    page.click("text=Log out")

    page.goto(f"{demo.url}/admin/django_jobqueue/job/")
    log_in(page, "admin")
    page.wait_for_selector("#result_list")
    assert "grade_homework" in page.text_content("#result_list")
    assert "send_mail" in page.text_content("#result_list")
    assert complaints == []


@pytest.mark.e2e
def test_a_page_shows_the_result_by_itself(start: Callable[..., Demo], browser: Any) -> None:
    """A stranger asks the library for a scan, and watches; the next one has it at once."""
    demo = start(DEMO_SECONDS_PER_PAGE="0.3", DEMO_MAIL_DELAY="1")
    page = browser.new_page()
    request_scan(page, demo)
    page.evaluate("window.sameDocument = true")
    page.wait_for_function("document.querySelector('main progress').value > 2", timeout=30_000)
    page.wait_for_selector(".job-request-download", timeout=30_000)
    assert page.evaluate("window.sameDocument"), "the page was not loaded anew"
    request_scan(page, demo)
    assert page.query_selector("main progress") is None, "it is there at once"
    with page.expect_download() as download:
        page.click(".job-request-download")
    assert download.value.suggested_filename == "walden-3.txt"


def request_scan(page: Any, demo: Demo) -> None:
    page.goto(f"{demo.url}/library/")
    page.select_option("select", "Walden")
    page.fill("input[name=chapter]", "3")
    page.fill("input[name=address]", "reader@example.com")
    page.click("main button")
    page.wait_for_selector(".job-request", timeout=30_000)


@pytest.mark.e2e
def test_a_page_is_checked(start: Callable[..., Demo], browser: Any) -> None:
    demo = start()
    page = browser.new_page()
    for path, verdict in {"/": "✓ The page is all right.", "/no/such/": "✗ Not all right."}.items():
        page.goto(f"{demo.url}/pages/")
        page.fill("input[name=path]", path)
        page.click("main button")
        page.wait_for_selector(f"text={verdict}", timeout=30_000)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_and_the_data_stay(
    start: Callable[..., Demo], signum: signal.Signals
) -> None:
    demo = start(DEMO_SECONDS_PER_QUESTION="0.4")
    student = Student(demo.url)
    student.hand_in(SAMPLES / "poor.csv")
    eventually(lambda: ("homework.tasks.grade_homework", "running") in demo.jobs())
    family = demo.family()
    assert len(family) >= 6, "demo, Redis server, web server, supervisor, slot, scheduler"
    demo.signal(signum)
    assert demo.wait() == 0
    assert gone(family)
    assert demo.request()["result_text"].startswith("1 of 15"), "a warm stop lets the job end"
    start()
    eventually(demo.mails)


def test_nothing_outlives_a_killed_demo(start: Callable[..., Demo]) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("Only Linux tells a process that its parent was killed.")
    demo = start()
    family = demo.family()
    demo.signal(signal.SIGKILL)
    demo.wait()
    eventually(lambda: gone(family))


def test_homework_is_graded_after_its_worker_was_killed(start: Callable[..., Demo]) -> None:
    # Long enough for a report of progress after one that took too long, and so was not stored.
    demo = start(DEMO_SECONDS_PER_QUESTION="0.6", DEMO_LEASE="3")
    student = Student(demo.url)
    page = student.hand_in(SAMPLES / "middling.txt")
    eventually(lambda: (student.status(page)["progress"] or {"current": 0})["current"] >= 2)
    os.kill(demo.worker_pid(), signal.SIGKILL)
    assert demo.request()["state"] == "open"
    assert demo.worker_pid(start=2) != demo.worker_pid()
    eventually(demo.mails)
    assert demo.request()["result_text"].startswith("9.5 of 15")
    wait_for_jobs(demo)
    assert len(demo.mails()) == 1


def test_pages_are_watched_by_a_schedule(start: Callable[..., Demo]) -> None:
    """The demo's scheduler fires, and is started again when it was killed."""
    demo = start(DEMO_WATCH_SECONDS="2")
    scheduler = int(demo.until(r"^scheduler: pid (\d+)")[1])
    demo.until(r"^scheduler: .*Fired schedule=watch-pages .* late=\d", 2)
    eventually(lambda: ("pages.tasks.watch_pages", "succeeded") in demo.jobs())
    os.kill(scheduler, signal.SIGKILL)
    assert int(demo.until(r"^scheduler: pid (\d+)", 2)[1]) != scheduler
    demo.until(r"^scheduler: .*Fired schedule=watch-pages ", 4)


def wait_for_jobs(demo: Demo) -> None:
    """Wait until every job has succeeded."""
    eventually(lambda: {state for _, state in demo.jobs()} == {"succeeded"})
