"""The pages of requests in a real browser, on a real site with a real worker."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import Browser, Chromium, violations
from tests.support.site import Site

pytestmark = pytest.mark.e2e

PICTURES = os.environ.get("TEST_PICTURES", "")  # a folder: pictures of the pages are kept there


@pytest.fixture
def site(start_site: Callable[..., Site]) -> Site:
    """A site whose mails are due after the test: their jobs don't get between those it asks for."""
    return start_site(TEST_REQUESTS=json.dumps({"MAIL_DELAY": 3600}))


@pytest.fixture
def browser(chromium: Chromium, site: Site) -> Iterator[Browser]:
    with chromium.at(site.url) as browser:
        yield browser


def log_in(page: Any, name: str) -> Any:
    page.goto("/login/")
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", name)
    page.click("input[type=submit]")
    page.wait_for_url("**/requests/")
    return page


def ask(page: Any, folder: Path, steps: int) -> None:
    """Ask for a slow task and come to its page."""
    page.goto("/ask/step/")
    page.fill("input[name=folder]", str(folder))
    page.fill("input[name=steps]", str(steps))
    page.click("button")
    page.wait_for_url("**/requests/*/**")


def until_text(page: Any, selector: str, text: str) -> None:
    page.locator(selector, has_text=text).wait_for()


def picture(page: Any, name: str) -> None:
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)


def test_progress_moves_to_its_end_without_reloading(
    browser: Browser, site: Site, folder: Path
) -> None:
    site.worker()
    page = log_in(browser.page(), "ada")
    ask(page, folder, 3)
    page.evaluate("window.isTheSame = true")
    until_text(page, ".job-requests-said", "is on its way")
    assert page.locator("[data-job-request-symbol]").text_content() == ""
    # A site may have its bell on this page too.
    bell = '<details class="job-requests-bell"><summary>1 in progress</summary></details>'
    page.evaluate("bell => document.body.insertAdjacentHTML('afterbegin', bell)", bell)
    url = page.url
    for number in (1, 2, 3):
        until_text(page, ".job-request-detail", f"step {number}")
        assert page.locator("progress").evaluate("bar => [bar.value, bar.max]") == [number, 3]
        (folder / str(number)).touch()
    until_text(page, "[role=status]", "Done")
    until_text(page, ".job-request-result", "All steps are done.")
    assert page.evaluate("window.isTheSame") is True
    assert page.url == url
    assert page.title() == "Done · Go step by step"
    assert page.evaluate("document.activeElement.tagName") == "H1"
    assert page.locator("progress").count() == 0
    assert page.locator("[data-job-request-symbol]").text_content() == "✔"
    assert page.locator(".job-requests-said, .job-requests-bell").count() == 0


def test_a_request_goes_on_when_its_page_is_left(
    browser: Browser, site: Site, folder: Path
) -> None:
    site.worker()
    page = log_in(browser.page(), "ada")
    ask(page, folder, 1)
    url = page.url
    page.goto("/ask/say/")
    until_text(page, "summary", "1 in progress")
    (folder / "1").touch()
    page.goto(url)
    until_text(page, ".job-request-result", "All steps are done.")
    stranger = browser.page()
    stranger.goto(url)
    assert "/login/?next=/requests/" in stranger.url
    other = log_in(browser.page(), "bob")
    assert other.goto(url).status == 404
    browser.complaints[:] = [one for one in browser.complaints if "404" not in one]


def test_an_anonymous_link_works_without_a_login(
    browser: Browser, site: Site, folder: Path
) -> None:
    page = browser.page()
    ask(page, folder, 1)
    url = page.url
    assert "?key=" in url
    again = browser.page()
    again.goto(url)
    again.get_by_role("button", name="Cancel").click()
    until_text(again, "[role=status]", "Cancelled")
    again.get_by_role("button", name="Try again").click()
    until_text(again, "[role=status]", "Waiting")
    site.worker()
    (folder / "1").touch()
    until_text(again, "[role=status]", "Done")


def test_it_works_without_javascript(browser: Browser, site: Site, folder: Path) -> None:
    """The page loads itself again, and a link does so at once."""
    site.worker()
    page = log_in(browser.page(java_script_enabled=False), "ada")
    ask(page, folder, 2)
    assert page.locator("noscript meta[http-equiv=refresh]").count() == 1
    (folder / "1").touch()
    until_text(page, ".job-request-detail", "step 2")  # by itself
    (folder / "2").touch()
    page.get_by_role("link", name="Look again").click()
    until_text(page, ".job-request-result", "All steps are done.")


def test_a_hidden_page_asks_nothing_and_a_lost_session_is_told(
    browser: Browser, site: Site, folder: Path
) -> None:
    page = log_in(browser.page(), "ada")
    ask(page, folder, 1)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_response(lambda answer: "/requests/" in answer.url):
        pass  # it asks by itself
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    with page.expect_event("console", lambda said: said.text == "waited"):
        page.evaluate("setTimeout(() => console.log('waited'), 3000)")
    asked.clear()
    with page.expect_event("console", lambda said: said.text == "waited"):
        page.evaluate("setTimeout(() => console.log('waited'), 3000)")
    assert asked == []
    page.context.clear_cookies()
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {value: false, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.wait_for_url("**/login/**")
    browser.complaints[:] = [one for one in browser.complaints if "404" not in one]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible_and_fit_a_telephone(
    browser: Browser, site: Site, folder: Path, scheme: str
) -> None:
    """Each state, by axe, in both schemes; at 360 pixels nothing scrolls sideways."""
    worker = site.worker()
    page = log_in(browser.page(color_scheme=scheme, viewport={"width": 360, "height": 740}), "ada")
    seen = []

    def inspect(name: str) -> None:
        picture(page, f"{name}-{scheme}")
        assert violations(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
        seen.append(name)

    inspect("empty-list")
    ask(page, folder, 2)
    until_text(page, ".job-request-detail", "step 1")
    inspect("running")
    page.goto("/ask/say/")
    page.click("summary")
    inspect("bell")
    page.go_back()
    for number in (1, 2):
        (folder / str(number)).touch()
    until_text(page, "[role=status]", "Done")
    inspect("done")
    for name, form in (
        ("partly", "/ask/grade/"),
        ("failed", "/ask/fail/"),
        ("file", "/ask/export/"),
    ):
        page.goto(form)
        page.click("button")
        page.wait_for_url("**/requests/*/**")
        page.locator("[role=status]", has_not_text="Waiting").wait_for()
        page.locator(".job-request button, .job-request-download").first.wait_for()
        inspect(name)
    worker.stop()
    ask(page, folder, 9)
    until_text(page, "[role=status]", "Waiting: it is next")
    inspect("queued")
    page.goto("/requests/")
    inspect("list")
    assert page.goto("/requests/nothing/?key=1").status == 404
    browser.complaints[:] = [one for one in browser.complaints if "404" not in one]
    assert len(seen) == 9
