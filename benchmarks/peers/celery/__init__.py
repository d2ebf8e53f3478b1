"""Celery with Django: prefork, four messages fetched in advance, no results."""

from typing import Any

from benchmarks.peers.peer import DJANGO, REDIS, Peer


def _worker(slots: int | None) -> list[str]:
    given = [] if slots is None else ["--concurrency", str(slots)]
    return ["-m", "celery", "--app", "benchmarks.peers.celery.app", "worker", *given]


def _settings(url: str) -> dict[str, Any]:
    return {"CELERY_BROKER_URL": url}


PEER = Peer(
    name="celery",
    label="Celery 5.7",
    folder="celery",
    requirements=("celery==5.7.0", "packaging==26.3", DJANGO, REDIS),
    worker=_worker,
    settings=_settings,
)
