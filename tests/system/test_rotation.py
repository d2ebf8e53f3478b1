"""Another signing key, while workers run what the old one has signed."""

import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from django_jobqueue import engine as engines
from django_jobqueue.engine import Engine, key_rotation
from django_jobqueue.exceptions import BadSignature
from django_jobqueue.jobs.signing import Signer
from django_jobqueue.jobs.states import State
from tests.project import tasks
from tests.support import payloads
from tests.support.processes import PATIENCE, WorkerProcess, lines, until

OLD, NEW = "only for the tests", "the key of tomorrow"


def signed_with(engine: Engine, key: str) -> set[str]:
    """Return the ids of the jobs that a key has signed."""
    found, keys = set(), engine.client.keys
    client: Any = engine.client.redis
    for name in client.scan_iter(match=keys("job", "*"), count=1000):
        job_id = name.decode().rpartition(":")[2]
        task = client.hget(name, "task").decode()
        try:
            Signer([key]).verify(job_id, task, payloads.read(engine, job_id))
        except BadSignature:
            continue
        found.add(job_id)
    return found


@pytest.mark.django_db(transaction=True)
def test_no_job_keeps_the_old_key(
    worker_process: Callable[..., WorkerProcess],
    engine: Engine,
    settings,
    tmp_path: Path,
    monkeypatch,
) -> None:
    """Jobs go round and round between the indexes while they are signed anew; then it is removed.

    What a call does not meet, because it moved on, one of the next does.
    """
    monkeypatch.setattr(key_rotation, "BATCH", 5)  # so that there is time to move on
    oracle = tmp_path / "oracle"
    circling = tasks.circle.enqueue_many([(str(oracle),)] * 6)
    waiting = tasks.noop.using(run_after=timedelta(hours=1)).enqueue_many([()] * 150)
    both = f"{NEW},{OLD}"
    worker = worker_process("--processes", "2", "--verbosity", "0", TEST_SECRET_KEYS=both)
    until(lambda: len(lines(oracle)) > 100)

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]

    def resign() -> bool:
        call_command("jobqueue", "re-sign", stdout=io.StringIO())
        return not signed_with(engine, OLD)

    until(resign)

    out = io.StringIO()
    call_command("jobqueue", "re-sign", stdout=out)
    assert "No job needs an older key any more." in out.getvalue()
    assert signed_with(engine, NEW) == {job.id for job in circling} | {job.id for job in waiting}
    assert worker.stop() == 0
    settings.SECRET_KEY_FALLBACKS = []
    engines.get_engine("default").jobs.requeue(waiting[0].id)
    worker_process("--processes", "1", TEST_SECRET_KEYS=NEW)
    assert waiting[0].wait(PATIENCE) is None
    seen = len(lines(oracle))
    until(lambda: len(lines(oracle)) > seen + 200)
    assert engines.get_engine("default").inspector.count(State.FAILED) == 0
    vars(engine).update(vars(engines.get_engine("default")))  # the auditor signs like the owner
