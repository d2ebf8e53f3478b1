"""An app that shortens a worker's patience, as the environment says, and may break it."""

import os
import time
from pathlib import Path

from django.apps import AppConfig

from django_jobqueue.worker import oom_watch, process, slot_loop, starting


class Hurry(AppConfig):
    name = "tests.project.hurry"
    label = "hurry"

    def ready(self) -> None:
        slot_loop.BLOCK = float(os.environ.get("TEST_BLOCK", slot_loop.BLOCK))
        process.EXIT_TIMEOUT = float(os.environ.get("TEST_EXIT_TIMEOUT", process.EXIT_TIMEOUT))
        start_timeout = os.environ.get("TEST_START_TIMEOUT", starting.START_TIMEOUT)
        starting.START_TIMEOUT = float(start_timeout)
        if hang := os.environ.get("TEST_HANG"):
            _hang_once(Path(hang))
        if mark := os.environ.get("TEST_BREAK"):
            _break_at(Path(mark))


def _hang_once(mark: Path) -> None:
    """Let the first process hang between its fork and its slots."""
    run = process._loops

    def hang(*given: object) -> object:
        if not mark.exists():
            mark.touch()
            time.sleep(600)
        return run(*given)  # type: ignore[arg-type]

    process._loops = hang  # type: ignore[assignment]


def _break_at(mark: Path) -> None:
    """Let the supervisor break down when a file is there."""
    look = oom_watch.OomWatch.look

    def break_down(watch: oom_watch.OomWatch) -> None:
        if mark.exists():
            raise RuntimeError("It breaks down.")
        look(watch)

    oom_watch.OomWatch.look = break_down  # type: ignore[assignment, method-assign]
