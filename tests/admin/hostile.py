"""Texts that would do harm on a page that does not escape them."""

from typing import Any

EVIL = '"><img src=x onerror=alert(1)>{{7*7}}'
SPACELESS = EVIL.replace(" ", "/")  # for words of the protocol that end at a space


def assert_harmless(response: Any) -> None:
    assert response.status_code == 200
    text = response.content.decode()
    assert "<img/src" not in text
    assert "<img src=x" not in text
    assert "{{7*7}}" in text
