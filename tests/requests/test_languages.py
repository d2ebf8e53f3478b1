"""Pages and mails for people in German, and pages that read from right to left."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import translation

from django_jobqueue.requests import mail_text
from django_jobqueue.requests.models import JobRequest
from django_jobqueue.requests.status import spoken

PACKAGE = Path(mail_text.__file__).parents[1]
SIDES = re.compile(
    r"(?:margin|padding|border)-(?:left|right)|float: (?:left|right)|\s(?:left|right):"
)


def page(client: Client, row: JobRequest) -> str:
    answer = client.get(row.get_absolute_url())
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_page_of_a_request_is_german(client: Client, asked: JobRequest, settings: Any) -> None:
    settings.LANGUAGE_CODE = "de"
    text = page(client, asked)

    assert '<html lang="de">' in text
    for words in ("Wartet: als Nächstes an der Reihe", "Vergangene Zeit: ", "Abbrechen"):
        assert words in text
    assert "Waiting" not in text


def test_the_list_of_requests_is_german(client: Client, done: JobRequest, settings: Any) -> None:
    settings.LANGUAGE_CODE = "de"
    text = client.get("/requests/").content.decode()

    assert done.state == "succeeded"
    assert "Meine Anfragen" in text
    assert "Fertig" in text


def test_a_browser_asks_for_its_language(
    ada: User, asked: JobRequest, log_in: Callable[[User], Client], settings: Any
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    answer = log_in(ada).get(asked.get_absolute_url(), headers={"accept-language": "de-CH"})

    assert "Vergangene Zeit: " in answer.content.decode()


def test_the_mail_is_german(done: JobRequest) -> None:
    """Although the worker that writes it has another language."""
    done.language, done.base_url = "de", "https://example.com/"
    done.address = "ada@example.com"
    message = mail_text.write(done, "job-1")

    assert message.subject.startswith("Fertig: ")
    assert "Guten Tag ada," in message.body
    assert "Ihre Anfrage ist fertig:" in message.body
    assert "Angefragt: " in message.body


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "1 Sekunde"), (61, "1 Minute"), (3600 * 5, "5 Stunden")]
)
def test_durations_are_spoken_in_german(seconds: float, words: str) -> None:
    with translation.override("de"):
        assert spoken(seconds) == words


def test_a_page_in_hebrew_reads_from_right_to_left(
    client: Client, asked: JobRequest, settings: Any
) -> None:
    assert 'dir="rtl"' not in page(client, asked)
    settings.LANGUAGE_CODE = "he"
    assert '<html lang="he" dir="rtl">' in page(client, asked)


def test_no_style_names_a_side_of_the_screen() -> None:
    """Start and end are the right ones in each direction; left and right in one only."""
    styles = list(PACKAGE.rglob("static/**/*.css"))
    found = {path.name: SIDES.findall(path.read_text("utf-8")) for path in styles}

    assert len(styles) > 3
    assert {name: sides for name, sides in found.items() if sides} == {}
