"""The overview in a real browser: it keeps itself up to date, and everybody can read it."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from django_jobqueue.engine import Engine
from tests.admin.conftest import Seed
from tests.support.browser import Browser, Chromium, log_in, violations
from tests.support.jobs import fill

pytestmark = pytest.mark.e2e

FRONT = "/admin/django_jobqueue/"
DATA = "**/admin/django_jobqueue/queue/overview/"
PICTURES = os.environ.get("TEST_PICTURES", "")  # a folder: pictures of the pages are kept there


@pytest.fixture
def browser(chromium: Chromium, live_server: Any, admin_user: Any) -> Iterator[Browser]:
    with chromium.at(live_server.url) as browser:
        yield browser


def opened(page: Any, url: str = FRONT) -> Any:
    log_in(page, url)
    page.locator("#jobqueue-overview").wait_for()
    return page


def stop_clock(page: Any) -> None:
    """Let time pass for the page's scripts only when the test says so."""
    page.clock.install(time=0)
    page.clock.pause_at(1000)


def a_busy_site(engine: Engine, seed: Seed) -> None:
    """Something of everything that the page shows."""
    record: dict[str, Any] = {
        "host": "mill",
        "pid": 1,
        "processes": 4,
        "threads": 1,
        "queues": "default reports",
    }
    engine.leases.renew("worker-1", record)
    engine.leases.renew("worker-2", record | {"fault": "the disk is full"})
    for _ in range(3):
        seed.running()
        seed.failed(queue="reports")
    for _ in range(20):
        seed.succeeded(queue="reports")
    fill(engine, 1_500, "mail")
    fill(engine, 40, "a-queue-with-a-name-that-is-rather-long-but-allowed")
    engine.queues.pause("mail", by="anna")


def test_it_updates_itself(browser: Browser, engine: Engine, seed: Seed) -> None:
    """Without a reload; a part that has not changed is not touched."""
    page = opened(browser.page())
    page.evaluate("window.isTheSame = true")
    seed.queued(queue="mail")
    page.locator("#jobqueue-queues-default th", has_text="mail").wait_for()
    assert page.evaluate("window.isTheSame")


def test_it_backs_off_on_errors_and_recovers(browser: Browser, engine: Engine, seed: Seed) -> None:
    page = browser.page()
    stop_clock(page)
    asked: list[str] = []

    def fail(route: Any) -> None:
        asked.append(route.request.url)
        route.abort()

    page.route(DATA, fail)
    opened(page)
    for quiet, then in ((4_900, 200), (9_700, 400), (19_500, 700)):
        many = len(asked)
        page.clock.run_for(quiet)
        assert len(asked) == many
        with page.expect_request(DATA):
            page.clock.run_for(then)
        page.wait_for_function("document.querySelector('[data-stale]')")
    page.unroute(DATA)
    seed.queued(queue="mail")
    page.clock.run_for(41_000)
    page.locator("#jobqueue-queues-default th", has_text="mail").wait_for()
    assert page.locator("[data-stale]").count() == 0
    browser.complaints[:] = [one for one in browser.complaints if "ERR_FAILED" not in one]


def test_what_redis_does_not_tell_is_dimmed(
    browser: Browser, engine: Engine, seed: Seed, settings: Any
) -> None:
    """The figures stay, pale, until there are new ones."""
    seed.queued(queue="mail")
    page = opened(browser.page())
    here = settings.TASKS["default"]
    settings.TASKS = {"default": here | {"OPTIONS": {"URL": "unix:///no/such/socket"}}}
    page.locator("#jobqueue-queues-default[data-stale]", has_text="mail").wait_for()
    page.locator("#jobqueue-problems-default:not([data-stale])", has_text="/no/such").wait_for()
    page.get_by_text("What is pale is old").wait_for()
    settings.TASKS = {"default": here}
    page.locator("#jobqueue-queues-default:not([data-stale])", has_text="mail").wait_for()
    page.get_by_text("What is pale is old").wait_for(state="hidden")


def test_it_rests_while_nobody_looks(browser: Browser, engine: Engine) -> None:
    page = browser.page()
    stop_clock(page)
    asked: list[str] = []
    opened(page)
    page.on("request", lambda one: asked.append(one.url) if "overview/" in one.url else None)
    hide = """hidden => {
        Object.defineProperty(document, 'hidden', {get: () => hidden, configurable: true});
        document.dispatchEvent(new Event('visibilitychange')); }"""
    page.evaluate(hide, True)
    page.clock.run_for(120_000)
    assert asked == []
    with page.expect_request(DATA):
        page.evaluate(hide, False)


def test_it_is_read_without_javascript(browser: Browser, engine: Engine, seed: Seed) -> None:
    a_busy_site(engine, seed)
    page = opened(browser.page(java_script_enabled=False))
    text = page.locator("#jobqueue-overview").inner_text()
    assert "The queue mail was paused by anna at" in text
    assert "1,500" in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_everybody_can_read_it(
    browser: Browser, engine: Engine, seed: Seed, scheme: str, width: int
) -> None:
    """No violation of axe, and the page itself never scrolls sideways."""
    a_busy_site(engine, seed)
    page = browser.page(color_scheme=scheme, viewport={"width": width, "height": 900})
    opened(page)
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/overview-{scheme}-{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == []
