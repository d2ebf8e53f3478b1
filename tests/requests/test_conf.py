"""The settings of requests are checked, and their faults are told."""

import ast
from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_jobqueue.requests import conf
from django_jobqueue.requests.checks import check_requests
from tests.support.docs import ROOT


def test_the_defaults_are_without_fault(settings: Any) -> None:
    del settings.JOBQUEUE_REQUESTS
    assert conf.load() == conf.Options()
    assert check_requests() == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (7, "it is 7; it must be a mapping of setting names"),
        ({"WAIT_FR": 1}, "unknown setting 'WAIT_FR'. Did you mean 'WAIT_FOR'?"),
        ({"xyz": 1}, "unknown setting 'xyz'. Known: WAIT_FOR,"),
        ({"WAIT_FOR": 6}, "WAIT_FOR is 6; it must be seconds or a timedelta from 0 to 5 s."),
        ({"OPEN_REQUESTS": True}, "OPEN_REQUESTS is True; it must be a whole number"),
        ({"MAY_SEE": "nowhere"}, "MAY_SEE is 'nowhere'; it must be the dotted path"),
        ({"MAY_SEE": "no.where"}, "MAY_SEE is 'no.where', which is no function"),
        ({"CLIENT_IP": "django.VERSION"}, "CLIENT_IP is 'django.VERSION', which is no function"),
    ],
)
def test_a_fault_is_told(settings: Any, given: Any, text: str) -> None:
    settings.JOBQUEUE_REQUESTS = given
    (found,) = check_requests()
    assert (found.id, text in found.msg) == ("jobqueue.E011", True), found.msg
    if "no function" not in text:
        with pytest.raises(ImproperlyConfigured, match="JOBQUEUE_REQUESTS: "):
            conf.load()


def test_durations_may_be_timedeltas(settings: Any) -> None:
    settings.JOBQUEUE_REQUESTS = {"RETENTION": timedelta(days=2)}
    assert conf.load().retention == 172_800.0


def test_another_database_than_the_ledgers_is_told(configure: Callable[..., None]) -> None:
    configure(DATABASE="other")
    (found,) = check_requests()
    assert found.id == "jobqueue.W011"
    assert 'the database "default"' in found.msg


def test_the_page_has_all_settings_and_their_defaults() -> None:
    text = (ROOT / "docs" / "reference" / "requests.md").read_text("utf-8")
    table = text.partition("\n## Settings\n")[2].partition("| name |")[2].split("\n\n")[0]
    rows = [line.strip("| ").split(" | ")[:2] for line in table.splitlines()[2:]]
    told = {name.strip("`"): ast.literal_eval(default.strip("`")) for name, default in rows}
    assert told == {each.name.upper(): each.default for each in fields(conf.Options)}
    assert list(told) == list(conf.RULES)
