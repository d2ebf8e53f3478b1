"""Chromium, with all its complaints noted: also those about breaches of the project's policy."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # It loads these two pages of its own with each window, which costs more than a page of ours.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup",
]
opened: list[Any] = []  # the pages of the test that runs


class Browser:
    """Pages of one site, each with cookies of its own."""

    def __init__(self, chromium: Any, url: str) -> None:
        self._chromium = chromium
        self._url = url
        self.complaints: list[str] = []  # of the consoles

    def page(self, **given: Any) -> Any:
        """Open an empty page; see `new_context` of playwright for what may be given."""
        page = self._chromium.new_context(base_url=self._url, **given).new_page()
        page.set_default_timeout(60_000)  # ms
        opened.append(page)
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def _note(self, said: Any) -> None:
        if said.type in {"error", "warning"} and "/favicon.ico" not in said.location["url"]:
            self.complaints.append(f"{said.text} at {said.location}")


class Chromium:
    """A browser that the tests of a process share, for its start costs more than many pages."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser
        self._loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Let its calls work, and close all of its pages at the end.

        It has an event loop, which waits between two calls, and yet is the one that runs. Django
        refuses its ORM to a thread with a loop: between two uses it is not to be seen.
        """
        asyncio._set_running_loop(self._loop)
        try:
            yield
        finally:
            opened.clear()
            for context in self.browser.contexts:
                context.close()
            asyncio._set_running_loop(None)

    @contextmanager
    def at(self, url: str) -> Iterator[Browser]:
        """Give pages of a site; complaints of the consoles fail the test at the end."""
        found = Browser(self.browser, url)
        with self.in_use():
            yield found
        assert found.complaints == []


@contextmanager
def launched() -> Iterator[Chromium]:
    """Start Chromium; without one the test is skipped, in CI it fails."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        text = "No Chromium on this machine: apt install chromium, to run the browser tests."
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where there is a browser

    with sync_playwright() as playwright:
        chromium = Chromium(playwright.chromium.launch(executable_path=path, args=QUIET))
        yield chromium
        with chromium.in_use():
            chromium.browser.close()


def choose(page: Any, action: str, *, rows: int = 0) -> None:
    """Choose an action for the first rows of a list, or for all that match."""
    page.wait_for_load_state()  # till then its scripts do not see what is checked
    for number in range(rows):
        page.locator("input.action-select").nth(number).check()
    if not rows:
        page.check("#action-toggle")
        page.get_by_text("Select all").click()
    page.select_option("select[name=action]", action)
    page.click("button[name=index]")


def answer(page: Any) -> None:
    page.locator("form.jobqueue-question input[type=submit]").click()


def what_was_seen() -> str:
    """Return the addresses and texts of the pages that the test has open."""
    return "\n\n".join(f"{page.url}\n{_text_of(page)}" for page in opened)


def _text_of(page: Any) -> str:
    try:
        return str(page.inner_text("body", timeout=5000))
    except Exception as error:  # the page may be what is broken
        return str(error)


def log_in(page: Any, url: str, name: str = "admin") -> None:
    """Log in on the page to which an address leads, and wait for what comes after it.

    A script that listens to what a test does listens from the load on; and a page that comes late
    would take the place of the one that the test opens next.
    """
    page.goto(url)
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", "password")
    with page.expect_event("load"):
        page.click("input[type=submit]")


def violations(page: Any) -> list[str]:
    """Return what axe finds wrong with a page."""
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415

    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]]
