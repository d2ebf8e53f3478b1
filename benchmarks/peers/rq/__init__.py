"""RQ through django-rq: by default a process is forked for each job; SimpleWorker forks none."""

from functools import partial
from typing import Any

from benchmarks.peers.peer import DJANGO, REDIS, Peer


def _worker(worker_class: str | None, slots: int | None) -> list[str]:
    given = ["--worker-class", worker_class] if worker_class else []
    if slots in (None, 1):
        return ["-m", "django", "rqworker", "default", *given]
    return ["-m", "django", "rqworker-pool", "default", "--num-workers", str(slots), *given]


def _settings(url: str) -> dict[str, Any]:
    return {"INSTALLED_APPS": ["django_rq"], "RQ_QUEUES": {"default": {"URL": url}}}


_REQUIREMENTS = ("rq==2.12.0", "django-rq==4.2.0", DJANGO, REDIS)

PEER = Peer(
    name="rq",
    label="RQ 2.12",
    folder="rq",
    requirements=_REQUIREMENTS,
    worker=partial(_worker, None),
    settings=_settings,
    part=0.05,
)
SIMPLE = Peer(
    name="rq-simple",
    label="RQ 2.12, SimpleWorker",
    folder="rq",
    requirements=_REQUIREMENTS,
    worker=partial(_worker, "rq.SimpleWorker"),
    settings=_settings,
    measures=("drain", "processes", "latency"),
    part=0.3,
)
