"""What the long-running commands refuse to start with."""

import time
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tests.project.settings import TASKS


def test_queue_that_is_not_listed(settings: Any) -> None:
    """With QUEUES, a worker of another queue would never have a job."""
    settings.TASKS = {"default": TASKS["default"] | {"QUEUES": ["default", "mail"]}}
    with pytest.raises(CommandError, match=r"'mial' is not in the QUEUES .* Did you mean 'mail'"):
        call_command("jobworker", "--queues", "mial", "--burst")


@pytest.mark.parametrize("command", ["jobworker", "jobscheduler"])
def test_patched_library(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under gevent, a worker's processes would neither start nor end."""

    def sleep(seconds: float) -> None: ...

    sleep.__module__ = "gevent.hub"
    monkeypatch.setattr(time, "sleep", sleep)
    with pytest.raises(CommandError, match=f"{command} needs real .* but gevent has patched"):
        call_command(command, "--backend", "nobody")
