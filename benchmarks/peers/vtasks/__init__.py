"""django-vtasks: one process with an event loop, which keeps no results."""

from typing import Any

from benchmarks.peers.peer import DJANGO, Peer


def _worker(slots: int | None) -> list[str]:
    given = [] if slots is None else ["--concurrency", str(slots)]
    return ["-m", "django", "runworker", *given]


def _settings(url: str) -> dict[str, Any]:
    backend = "django_vtasks.backends.valkey.ValkeyTaskBackend"
    return {
        "INSTALLED_APPS": ["django_vtasks"],
        "TASKS": {"default": {"BACKEND": backend, "OPTIONS": {"BROKER_URL": url}}},
    }


PEER = Peer(
    name="vtasks",
    label="django-vtasks 3.2",
    folder="vtasks",
    requirements=("django-vtasks[valkey]==3.2.0", "django-vcache==3.2.0", DJANGO),
    worker=_worker,
    settings=_settings,
)
