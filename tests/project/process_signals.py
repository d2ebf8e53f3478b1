"""An app whose receivers note when the processes of a worker begin and end."""

import os
import threading
from typing import Any

from django.apps import AppConfig

from django_jobqueue.signals import worker_started, worker_stopping


class ProcessSignals(AppConfig):
    name = "tests.project.process_signals"
    label = "process_signals"

    def ready(self) -> None:
        worker_started.connect(started)
        worker_stopping.connect(stopping)


def started(sender: type, **given: Any) -> None:
    tell("started", sender, given)


def stopping(sender: type, **given: Any) -> None:
    tell("stopping", sender, given)


def tell(what: str, sender: type, given: dict[str, Any]) -> None:
    main = threading.current_thread() is threading.main_thread()
    words = [what, sender.__name__, given["alias"], given["queues"], given["process"], main]
    with open(os.environ["TEST_NOTES"], "ab", buffering=0) as file:
        file.write(" ".join(map(str, [*words, os.getpid()])).encode() + b"\n")
    if what == os.environ.get("TEST_EXITS"):
        raise SystemExit(0)
    if what == os.environ.get("TEST_BREAKS"):
        raise RuntimeError("a receiver's own error")
