"""Follow one job: the files of the package that it enters, as JSON.

    python -m tests.support.road

A process of its own, because a profile function slows down whatever else runs beside it.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import django
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client as Browser

PACKAGE = Path(__file__).resolve().parents[2] / "django_jobqueue"


class Trace:
    """The files of ours that a call enters, and our frames at the client library's first one."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.files: set[str] = set()
        self.frames: list[str] = []
        sys.setprofile(self._note)
        try:
            call()
        finally:
            sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, argument: object) -> None:
        if event != "call":
            return
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(PACKAGE):
            self.files.add(path.relative_to(PACKAGE).as_posix())
        elif "redis" in path.parts and not self.frames:
            self.frames = list(self._ours(frame))

    def _ours(self, frame: FrameType | None) -> Iterator[str]:
        while frame is not None:
            if Path(frame.f_code.co_filename).is_relative_to(PACKAGE):
                yield f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}"
            frame = frame.f_back


def follow() -> dict[str, list[str]]:
    """Enqueue a job, run it and show its page; return what each enters."""
    from django_jobqueue.testing import drain  # noqa: PLC0415 - after the set-up
    from tests.project import tasks  # noqa: PLC0415 - the same

    call_command("migrate", verbosity=0)
    browser = Browser()
    browser.force_login(get_user_model().objects.create_superuser("admin"))

    def page(result: Any) -> None:
        shown = browser.get(f"/admin/django_jobqueue/job/{result.id}/change/")
        assert shown.status_code == 200
        assert "succeeded" in shown.content.decode().lower()

    known = tasks.add.enqueue(1, 2)  # what happens once per process is no part of the road
    drain()
    page(known)
    results: list[Any] = []
    enqueue = Trace(lambda: results.append(tasks.add.enqueue(1, 2)))
    run = Trace(drain)
    shown = Trace(lambda: page(results[0]))
    return {
        "enqueue": sorted(enqueue.files),
        "run": sorted(run.files),
        "page": sorted(shown.files),
        "frames": enqueue.frames,
    }


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.project.settings")
    django.setup()
    print(json.dumps(follow()))  # noqa: T201 - the test reads it
