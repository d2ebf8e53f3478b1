"""An app whose system check sends a signal to the command that is about to start."""

import os
import signal
from typing import Any

from django.apps import AppConfig
from django.core.checks import register


class EarlySignal(AppConfig):
    name = "tests.project.early_signal"
    label = "early_signal"

    def ready(self) -> None:
        register(send)


def send(**_: Any) -> list[Any]:
    os.kill(os.getpid(), signal.Signals[os.environ["TEST_SIGNAL"]])
    return []
