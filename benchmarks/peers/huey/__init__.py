"""Huey through huey.contrib.djhuey: threads, and results kept until they are read."""

from typing import Any

from benchmarks.peers.peer import DJANGO, REDIS, Peer


def _worker(slots: int | None) -> list[str]:
    given = [] if slots is None else ["--workers", str(slots)]
    return ["-m", "django", "run_huey", *given]


def _settings(url: str) -> dict[str, Any]:
    return {
        "INSTALLED_APPS": ["huey.contrib.djhuey"],
        "HUEY": {"name": "bench", "connection": {"url": url}},
    }


PEER = Peer(
    name="huey",
    label="Huey 3.5",
    folder="huey",
    requirements=("huey==3.5.4", DJANGO, REDIS),
    worker=_worker,
    settings=_settings,
)
