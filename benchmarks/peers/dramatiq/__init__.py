"""Dramatiq through django-dramatiq, without the middleware that writes rows for its admin."""

from typing import Any

from benchmarks.peers.peer import DJANGO, REDIS, Peer


def _worker(slots: int | None) -> list[str]:
    given = [] if slots is None else ["--processes", str(slots), "--threads", "1"]
    return ["-m", "django", "rundramatiq", *given]


def _settings(url: str) -> dict[str, Any]:
    middleware = [
        *(f"dramatiq.middleware.{name}" for name in ("AgeLimit", "TimeLimit")),
        *(f"dramatiq.middleware.{name}" for name in ("Callbacks", "Retries")),
        "django_dramatiq.middleware.DbConnectionsMiddleware",
    ]
    broker = "dramatiq.brokers.redis.RedisBroker"
    return {
        "INSTALLED_APPS": ["django_dramatiq"],
        "DRAMATIQ_BROKER": {"BROKER": broker, "OPTIONS": {"url": url}, "MIDDLEWARE": middleware},
    }


PEER = Peer(
    name="dramatiq",
    label="Dramatiq 2.2",
    folder="dramatiq",
    requirements=("dramatiq==2.2.1", "django-dramatiq==0.15.0", DJANGO, REDIS),
    worker=_worker,
    settings=_settings,
    part=0.3,
)
