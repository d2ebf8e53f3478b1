"""The admin in another language: German as it is shipped, and the direction of Hebrew."""

from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from django_jobqueue.diagnosis.overview import read_overview
from django_jobqueue.diagnosis.problems import problems
from django_jobqueue.engine import Engine
from django_jobqueue.jobs import phrases
from tests.admin.conftest import Seed
from tests.support.jobs import fill
from tests.support.pages import JOBS, QUEUES, WORKERS, page_of, said

FRONT = "/admin/django_jobqueue/"
LOCALE = "django.middleware.locale.LocaleMiddleware"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("declarations")]


@pytest.fixture
def german(settings: Any) -> None:
    settings.LANGUAGE_CODE = "de"


def text_of(client: Client, url: str, **given: Any) -> str:
    answer = client.get(url, **given)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.usefixtures("german")
def test_the_overview_is_german(admin_client: Client, engine: Engine) -> None:
    """Sentences, labels and the numbers in them."""
    fill(engine, 1200)
    text = text_of(admin_client, FRONT)

    for words in ("Kein Worker ist aktiv", "1.200 Jobs warten", "Warteschlangen", "Probleme"):
        assert words in text
    for words in ("No worker", "What is wrong", "Next in line waits", "1,200"):
        assert words not in text


@pytest.mark.usefixtures("german")
def test_the_list_of_jobs_is_german(admin_client: Client, seed: Seed) -> None:
    seed.one_of_each()
    text = text_of(admin_client, JOBS)

    for words in (
        "fehlgeschlagen",
        "Lauf\u00adzeit",
        "Ausgewählte Jobs erneut einreihen",
        "Ver\u00adsuche",
    ):
        assert words in text
    assert "Requeue" not in text


@pytest.mark.usefixtures("german")
def test_the_page_of_a_job_is_german(admin_client: Client, seed: Seed) -> None:
    text = text_of(admin_client, page_of("job", seed.failed()))

    assert "die Aufgabe hat eine Ausnahme ausgelöst" in text
    assert "Letzter Fehler" in text
    assert "Erneut einreihen" in text


@pytest.mark.usefixtures("german")
def test_an_action_answers_in_german(admin_client: Client, seed: Seed) -> None:
    """One and many have their own forms."""
    chosen = [seed.cancelled(), seed.cancelled(), seed.running()]
    data = {"action": "requeue_selected", "_selected_action": chosen, "index": 0}
    answers = said(admin_client.post(JOBS, data, follow=True))

    assert "2 Jobs erneut eingereiht." in answers
    assert "1 Job wurde nicht erneut eingereiht (Status: laufend)." in answers


def test_a_browser_asks_for_its_language(
    admin_client: Client, settings: Any, engine: Engine
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, LOCALE]
    fill(engine, 1)

    german = text_of(admin_client, QUEUES, headers={"accept-language": "de-AT,de;q=0.9"})
    english = text_of(admin_client, QUEUES, headers={"accept-language": "en"})
    assert "Ausgewählte Warteschlangen anhalten" in german
    assert "Pause selected queues" in english


def test_a_language_that_is_not_shipped_reads_right_to_left(
    admin_client: Client, settings: Any, engine: Engine
) -> None:
    """Our words stay English in Hebrew; the direction is that of the page."""
    settings.LANGUAGE_CODE = "he"
    fill(engine, 1)

    for url in (FRONT, JOBS, QUEUES, WORKERS):
        assert 'lang="he" dir="rtl"' in text_of(admin_client, url)


def test_numbers_and_spans_are_localised(engine: Engine) -> None:
    with translation.override("de"):
        assert phrases.span(1500) == "1,5 s"
        assert phrases.count(1234567) == "1.234.567"
        (problem,) = problems(read_overview(engine))
        assert problem.text == "Kein Worker ist aktiv: Starten Sie manage.py jobworker."
    assert phrases.span(1500) == "1.5 s"


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (0, "0 ms"), (999, "999 ms"), (1_000, "1.0 s"), (9_999, "9.9 s"), (10_000, "10 s"),
        (59_999, "59 s"), (60_000, "1 min 0 s"), (3_599_999, "59 min 59 s"),
        (3_600_000, "1 h 0 min"), (47 * 3_600_000, "47 h 0 min"), (49 * 3_600_000, "2 d 1 h"),
    ],
)  # fmt: skip
def test_spans_have_two_units_and_no_false_precision(ms: int, said: str) -> None:
    assert phrases.span(ms) == said
