"""The demo as its user meets it: started by its command, seen in a browser, killed, stopped."""

import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from demo.driver import TESTPROJECT, Demo, Student, eventually, gone

SAMPLES = TESTPROJECT / "homework" / "samples"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


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
def browser() -> Iterator[Any]:
    """Chromium; without one the test is skipped, in CI it fails."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        message = "No Chromium on this machine: apt install chromium, to run the browser tests."
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where there is a browser

    quiet = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-component-update"]
    quiet += ["--disable-background-networking", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=quiet)
        yield browser
        browser.close()


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
    demo = start(DEMO_SECONDS_PER_QUESTION="0.1")
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", partial(note_errors, complaints))

    page.goto(f"{demo.url}/homework/assignments/computing-basics/")
    log_in(page, "student")
    page.set_input_files("input[type=file]", SAMPLES / "middling.txt")
    page.click("text=Hand in")
    promise = page.text_content(".promise", timeout=30_000)
    assert promise == "You will get an e-mail when your homework has been graded."
    page.wait_for_selector(".mark", timeout=30_000)  # The page fetches it by itself.
    assert "9.50 of 15 points" in " ".join(page.text_content(".mark").split())

    eventually(demo.mails)
    page.click("nav >> text=Mailbox")
    assert "9.50 of 15 points" in page.text_content("article")
    page.click("text=Log out")

    page.goto(f"{demo.url}/admin/django_jobqueue/job/")
    log_in(page, "admin")
    page.wait_for_selector("#result_list")
    assert "grade_submission" in page.text_content("#result_list")
    assert "mail_mark" in page.text_content("#result_list")
    assert complaints == []


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
    demo = start(DEMO_SECONDS_PER_QUESTION="0.1")
    student = Student(demo.url)
    student.hand_in(SAMPLES / "poor.csv")
    eventually(lambda: ("homework.tasks.grade_submission", "running") in demo.jobs())
    family = demo.family()
    assert len(family) >= 6, "demo, Redis server, web server, supervisor, slot, scheduler"
    demo.signal(signum)
    assert demo.wait() == 0
    assert gone(family)
    assert demo.submission()["mark"] == 1, "a warm stop lets the running job end"
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
    eventually(lambda: (student.status(page)["current"] or 0) >= 2)
    os.kill(demo.worker_pid(), signal.SIGKILL)
    assert demo.submission()["mark"] is None
    assert demo.worker_pid(start=2) != demo.worker_pid()
    eventually(demo.mails)
    assert demo.submission()["mark"] == 9.5
    wait_for_jobs(demo)
    assert len(demo.mails()) == 1


def test_one_mail_is_sent_when_the_worker_is_killed_after_enqueueing_it(
    start: Callable[..., Demo], tmp_path: Path
) -> None:
    code = """
        from config.settings import *
        INSTALLED_APPS = [*INSTALLED_APPS, "held.Held"]
        """
    (tmp_path / "held_settings.py").write_text(textwrap.dedent(code))
    code = """
        import os, time
        from pathlib import Path
        from django.apps import AppConfig

        MARK = Path(os.environ["HELD"])

        class Held(AppConfig):
            name = "held"
            label = "held"
            path = str(MARK.parent)

            def ready(self):
                from django_jobqueue.compat import signals
                signals.task_enqueued.connect(hold, weak=False)

        def hold(task_result, **others):
            if task_result.task.name == "mail_mark" and not MARK.exists():
                MARK.touch()
                time.sleep(60)
        """
    (tmp_path / "held.py").write_text(textwrap.dedent(code))
    mark = tmp_path / "mail-is-enqueued"
    environment = {"PYTHONPATH": str(tmp_path), "DJANGO_SETTINGS_MODULE": "held_settings"}
    demo = start(HELD=str(mark), DEMO_SECONDS_PER_QUESTION="0", DEMO_LEASE="3", **environment)
    student = Student(demo.url)
    page = student.hand_in(SAMPLES / "excellent.csv")
    eventually(mark.exists)
    os.kill(demo.worker_pid(), signal.SIGKILL)
    eventually(demo.mails)
    assert student.status(page)["done"]
    wait_for_jobs(demo)
    assert [task for task, _ in demo.jobs()].count("homework.tasks.mail_mark") == 2
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
