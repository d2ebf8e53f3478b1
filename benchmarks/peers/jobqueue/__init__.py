"""This project, from this checkout, with its defaults."""

from pathlib import Path
from typing import Any

from benchmarks.peers.peer import DJANGO, REDIS, Peer

ROOT = Path(__file__).resolve().parents[3]


def _worker(slots: int | None) -> list[str]:
    given = [] if slots is None else ["--processes", str(slots), "--threads", "1"]
    return ["-m", "django", "jobworker", *given]


def _settings(url: str) -> dict[str, Any]:
    backend = "django_jobqueue.backend.JobQueueBackend"
    return {
        "INSTALLED_APPS": ["django_jobqueue"],
        "TASKS": {"default": {"BACKEND": backend, "OPTIONS": {"URL": url}}},
    }


PEER = Peer(
    name="jobqueue",
    label="django_jobqueue",
    folder="jobqueue",
    requirements=("-e", str(ROOT), DJANGO, REDIS),
    worker=_worker,
    settings=_settings,
)
