"""An app whose receiver notes each end of a job, and then does what the job's metadata say."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from django.apps import AppConfig

from django_jobqueue import JobResult, compat
from django_jobqueue.worker import maintenance_process
from tests.project.tasks import note


class Told(AppConfig):
    name = "tests.project.told"
    label = "told"

    def ready(self) -> None:
        limit = os.environ.get("TEST_TELL_TIMEOUT", maintenance_process.TELL_TIMEOUT)
        maintenance_process.TELL_TIMEOUT = float(limit)
        compat.signals.task_finished.connect(told)


def told(sender: type, task_result: JobResult[..., Any], **_: object) -> None:
    error, path = sys.exc_info()[0], os.environ["TEST_NOTES"]
    words = [task_result.id, task_result.state, task_result.reason or "-"]
    words += [error.__name__ if error else "-", sender.__name__]
    note(path, " ".join([*map(str, words), str(os.getpid())]))
    receiver = task_result.metadata.get("receiver")
    if receiver == "raises":
        raise RuntimeError("a receiver's own error")
    if receiver == "exits":
        raise SystemExit(0)
    if receiver == "hangs":
        time.sleep(3600)
    if receiver == "waits":
        gate = Path(os.environ["TEST_GATE"])
        while not gate.exists():
            time.sleep(0.01)
        note(path, "waited")
