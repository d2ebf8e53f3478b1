"""`manage.py jobqueue`, called in this process, and jobs to look at."""

import builtins
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command

from django_jobqueue.engine import Engine

Told = Callable[..., str]


@pytest.fixture
def told(db: None, declarations: None, engine: Engine) -> Told:
    """Run an action and return what it prints."""

    def run(*words: str) -> str:
        output = io.StringIO()
        call_command("jobqueue", *words, stdout=output)
        return output.getvalue()

    return run


@pytest.fixture
def read(told: Told) -> Callable[..., Any]:
    """Run an action with --json and return what it prints."""
    return lambda *words: json.loads(told(*words, "--json"))


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Type an answer to each question; return the list in which the questions are noted."""

    def type_(answer: str) -> list[str]:
        asked: list[str] = []

        def ask(question: str) -> str:
            asked.append(question)
            return answer

        monkeypatch.setattr(builtins, "input", ask)
        return asked

    return type_
