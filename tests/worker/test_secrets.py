"""The secrets of a call stand in no traceback, and the task still gets them."""

import json

import pytest

from django_jobqueue.jobs.redaction import HIDDEN, MAX_TRACEBACK
from tests.worker.execution import claimed, run

PATH = "tests.project.elsewhere.spill"
SECRET = "4711-secret-0815"


def traceback_of(*args: object, **kwargs: object) -> str:
    data = json.dumps({"args": args, "kwargs": kwargs}).encode()
    settled = run(claimed("", data, path=PATH)).result
    assert settled.exception == "builtins.ValueError"
    return settled.traceback


def test_message_does_not_tell_the_secret() -> None:
    """Neither of the exception nor of its cause; all else stays."""
    text = traceback_of(50, SECRET, "for Zoë")
    assert SECRET not in text
    assert f"ValueError: '{HIDDEN}' is wrong for 50: for Zoë {{}}" in text
    assert f"KeyError: '{HIDDEN}'" in text
    assert "spill" in text


def test_secrets_of_other_names_and_places() -> None:
    """By keyword, and nested."""
    more = {"login": {"user": "anna", "password": f"{SECRET}-1"}, "api_key": f"{SECRET}-2"}
    text = traceback_of(50, pin="123", **more)
    assert SECRET not in text
    assert "anna" in text
    assert "'123'" in text  # too short to be told from other text


def test_secret_is_gone_before_the_text_is_cut() -> None:
    """No half of it is left at the cut."""
    for length in range(len(SECRET) + 2):
        text = traceback_of(50, SECRET, "x" * (MAX_TRACEBACK - 100 - length) + SECRET)
        assert SECRET[-8:] not in text
        assert len(text.encode()) <= MAX_TRACEBACK


def test_result_for_listeners_has_the_same_text() -> None:
    """`errors` of task_finished's result is what is stored."""
    data = json.dumps({"args": [50, SECRET], "kwargs": {}}).encode()
    from_run = run(claimed("", data, path=PATH))
    assert SECRET not in from_run.result.error
    assert isinstance(from_run.exception, ValueError)
    assert SECRET in str(from_run.exception)  # it is the task's own


@pytest.mark.parametrize(
    "payload",
    [
        b'{"args":["%s"]}' % SECRET.encode(),
        b"%s.x.{}" % SECRET.encode(),
        b"1.x.%s" % SECRET.encode(),
        SECRET.encode(),
    ],
)
def test_refusal_does_not_quote_the_payload(payload: bytes, caplog) -> None:
    """What nobody signed may hold anything."""
    settled = run(claimed("", path=PATH, payload=payload)).result
    assert settled.reason == "bad_signature"
    assert SECRET[:4] not in settled.error + caplog.text


@pytest.mark.parametrize("data", [b"%s", b'["%s"', b'{"args":"%s"}', b'{"args":["%s"'])
def test_damage_does_not_quote_the_payload(data: bytes, caplog) -> None:
    """The same for what was signed and is no call."""
    settled = run(claimed("", data % SECRET.encode(), path=PATH)).result
    assert settled.reason == "damaged"
    assert SECRET[:4] not in settled.error + caplog.text


def test_refused_value_is_not_quoted() -> None:
    """Of a return value that JSON does not have, its type is told, and nothing of what it holds."""
    settled = run(claimed("", path="tests.project.elsewhere.returns_what_is_no_json")).result
    assert settled.exception == "builtins.TypeError"
    assert "tests.project.elsewhere.Odd" in settled.traceback
    assert SECRET not in settled.traceback
