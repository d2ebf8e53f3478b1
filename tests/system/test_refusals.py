"""What the long-running commands refuse to start with."""

import time
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from django_jobqueue.engine import Engine
from django_jobqueue.engine.queues import Queues
from django_jobqueue.management import arguments
from tests.project.settings import TASKS


def test_queue_that_is_not_listed(settings: Any) -> None:
    """With QUEUES, a worker of another queue would never have a job."""
    settings.TASKS = {"default": TASKS["default"] | {"QUEUES": ["default", "mail"]}}
    with pytest.raises(CommandError, match=r"'mial' is not in the QUEUES .* Did you mean 'mail'"):
        call_command("jobworker", "--queues", "mial", "--burst")


def test_queue_that_is_unknown_among_many(
    engine: Engine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is meant is found, and not all names are read for it."""
    names = [f"q{number:04}" for number in range(1000)]
    engine.client.redis.zadd(engine.client.keys("names"), dict.fromkeys([*names, "zoo-mail"], 0))
    monkeypatch.delattr(Queues, "pages")  # they are all names
    arguments.check_queues(engine, ["q0999", "zoo-mial", "default"])
    assert [record.getMessage() for record in caplog.records] == [
        "--queues: no task names queue 'zoo-mial', and it holds no job. Did you mean 'zoo-mail'?"
    ]


@pytest.mark.parametrize("command", ["jobworker", "jobscheduler"])
def test_patched_library(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under gevent, a worker's processes would neither start nor end."""

    def sleep(seconds: float) -> None: ...

    sleep.__module__ = "gevent.hub"
    monkeypatch.setattr(time, "sleep", sleep)
    with pytest.raises(CommandError, match=f"{command} needs real .* but gevent has patched"):
        call_command(command, "--backend", "nobody")
