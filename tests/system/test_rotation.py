"""Another signing key, while workers run what the old one has signed."""

import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management import call_command

from django_jobqueue import engine as engines
from django_jobqueue.engine import Engine, key_rotation
from django_jobqueue.exceptions import BadSignature
from django_jobqueue.jobs.job import State
from django_jobqueue.jobs.payload import Signer
from tests.project import tasks
from tests.rig import PATIENCE, WorkerProcess, lines, until

OLD, NEW = "only for the tests", "the key of tomorrow"


def signed_with(engine: Engine, key: str) -> set[str]:
    """Return the ids of the jobs that a key has signed."""
    found, keys = set(), engine.connection.keys
    client: Any = engine.connection.client
    for name in client.scan_iter(match=keys("payload", "*"), count=1000):
        job_id = name.decode().rpartition(":")[2]
        task = client.hget(keys("job", job_id), "task").decode()
        try:
            Signer([key]).verify(job_id, task, client.get(name))
        except BadSignature:
            continue
        found.add(job_id)
    return found


def test_worker_signs_anew_what_it_claims(
    worker_process: Callable[..., WorkerProcess], engine: Engine, tmp_path: Path
) -> None:
    """Before it runs: whatever becomes of the run, the job needs the newest key alone."""
    oracle, gate = tmp_path / "oracle", tmp_path / "gate"
    result = tasks.hold.enqueue(str(oracle), str(gate))
    worker_process("--processes", "1", TEST_SECRET_KEYS=f"{NEW},{OLD}")
    until(lambda: lines(oracle))
    assert signed_with(engine, NEW) == {result.id}
    gate.touch()
    until(lambda: engine.inspector.job(result.id).state is State.SUCCEEDED)
    engine.connection.client.hdel(engine.connection.keys("meta"), "owner")  # the auditor attaches


def test_no_job_keeps_the_old_key(
    worker_process: Callable[..., WorkerProcess],
    engine: Engine,
    settings,
    tmp_path: Path,
    monkeypatch,
) -> None:
    """Jobs go round and round between the indexes while they are signed anew; then it is removed.

    What a pass does not meet, because it moved on, its worker has signed.
    """
    monkeypatch.setattr(key_rotation, "BATCH", 5)  # so that there is time to move on
    oracle = tmp_path / "oracle"
    circling = tasks.circle.enqueue_many([(str(oracle),)] * 6)
    waiting = tasks.noop.using(run_after=timedelta(hours=1)).enqueue_many([()] * 150)
    both = f"{NEW},{OLD}"
    worker = worker_process("--processes", "2", "--verbosity", "0", TEST_SECRET_KEYS=both)
    until(lambda: len(lines(oracle)) > 100)

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]
    out = io.StringIO()
    call_command("jobqueue", "resign", stdout=out)

    assert "No job needs an older key any more." in out.getvalue()
    assert signed_with(engine, OLD) == set()
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
