"""Somebody writes into the queue's Redis: what a real worker makes of it.

Nothing that this project did not sign for this very job is run; it fails, is counted, and holds up
no other job.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.signing import Signer
from django_jobqueue.jobs.states import State
from tests.project import tasks
from tests.support import payloads
from tests.support.jobs import new_job
from tests.support.places import counted, parts_of
from tests.support.processes import ROOT, WorkerProcess, lines

Start = Callable[..., WorkerProcess]
WRITE = "tests.project.tasks.write"


class Intruder:
    """Somebody who can read and write the keys, and knows the protocol, but no signing key."""

    def __init__(self, engine: Engine, oracle: Path) -> None:
        self._engine = engine
        self._oracle = oracle
        self.client: Any = engine.client.redis
        self.keys = engine.client.keys
        self.data = f'{{"args":["{oracle}","evil"],"kwargs":{{}}}}'.encode()

    def store(self, payload: bytes, task: str = WRITE, job_id: str = "") -> str:
        """Put a job of one's own making into the queue."""
        job_id = job_id or new_id()
        self._engine.jobs.enqueue([new_job(job_id, "default", task, payload)])
        return job_id

    def honest(self, text: str = "honest") -> str:
        """Return a job that the project itself has enqueued."""
        return tasks.write.enqueue(str(self._oracle), text).id

    def payload(self, job_id: str) -> bytes:
        return payloads.read(self._engine, job_id)

    # What the intruder may try. Each returns the job that must not run.

    def forge(self) -> str:
        return self.store(b"1.Zm9yZ2VkZm9yZ2VkZm9yZ2VkZm9yZ2VkZm9yZ2VkZm8." + self.data)

    def leave_out_the_signature(self) -> str:
        return self.store(b"1.." + self.data)

    def claim_another_version(self) -> str:
        return self.store(b"0." + self.data)

    def sign_with_a_guess(self) -> str:
        job_id = new_id()
        return self.store(
            Signer(["django-insecure-"]).sign(job_id, WRITE, self.data), WRITE, job_id
        )

    def name_any_function(self) -> str:
        return self.store(b'1.x.{"args":["true"],"kwargs":{}}', "os.system")

    def splice_onto_another_id(self) -> str:
        return self.store(self.payload(self.honest()))

    def splice_onto_another_task(self) -> str:
        job_id = self.honest("for another task")
        self.client.hset(self.keys("job", job_id), "task", "tests.project.tasks.kill_own_process")
        return job_id

    def change_the_arguments(self) -> str:
        job_id = self.honest("to be changed")
        changed = self.payload(job_id).replace(b"to be changed", b"changed")
        payloads.put(self._engine, job_id, changed)
        return job_id

    def cut_the_arguments(self) -> str:
        job_id = self.honest("to be cut")
        payloads.put(self._engine, job_id, self.payload(job_id)[:-3])
        return job_id

    def copy_a_record(self) -> str:
        original, copy = self.honest(), new_id()
        self.client.hset(
            self.keys("job", copy), mapping=self.client.hgetall(self.keys("job", original))
        )
        payloads.put(self._engine, copy, self.payload(original))
        self.client.zadd(self.keys("queued", "default"), {copy: 1})
        return copy

    def take_the_arguments_away(self) -> str:
        job_id = self.honest("without arguments")
        payloads.drop(self._engine, job_id)
        return job_id

    def make_the_arguments_a_list(self) -> str:
        job_id = self.take_the_arguments_away()
        self.client.rpush(self.keys("payload", job_id), "x")
        return job_id

    def make_the_record_a_string(self) -> str:
        job_id = self.honest("without a record")
        self.client.delete(self.keys("job", job_id))
        self.client.set(self.keys("job", job_id), "x")
        return job_id

    def queue_what_does_not_exist(self) -> str:
        job_id = new_id()
        self.client.zadd(self.keys("queued", "default"), {job_id: 1})
        return job_id


DEEDS = sorted(
    name for name in vars(Intruder) if name not in {"store", "honest", "payload"} and name[0] != "_"
)
DAMAGE = {
    "take_the_arguments_away",
    "make_the_arguments_a_list",
    "make_the_record_a_string",
    "queue_what_does_not_exist",
}


@pytest.fixture
def intruder(engine: Engine, oracle: Path) -> Iterator[Intruder]:
    intruder = Intruder(engine, oracle)
    yield intruder
    for job in engine.inspector.page(State.FAILED, 0, 100):  # the auditor wants sound records
        engine.jobs.delete(job.id)
        intruder.client.delete(*parts_of(intruder.keys, job.id))


def test_nothing_forged_is_run(
    engine: Engine, intruder: Intruder, worker_process: Start, oracle: Path
) -> None:
    """Each deed ends as failed with its reason; the honest jobs between them run, once each."""
    made = {deed: getattr(intruder, deed)() for deed in DEEDS}
    honest = intruder.honest("the last one")
    worker = worker_process("--burst", "--processes", "1")
    assert worker.wait() == 0, worker.output()

    failed = {job.id: job for job in engine.inspector.page(State.FAILED, 0, 100)}
    expected = {deed: "damaged" if deed in DAMAGE else "bad_signature" for deed in DEEDS}
    assert {deed: failed[job_id].reason for deed, job_id in made.items()} == expected
    assert set(failed) == set(made.values())
    ran = [line.split()[-2] for line in lines(oracle)]
    assert len(ran) == len(set(ran)) == 3
    assert honest in ran
    assert not set(ran) & set(made.values())
    assert counted(engine, "failed") == len(made)
    assert engine.inspector.totals()["damaged"] == 2  # of which there was no record
    assert worker.output().count("was not run") == len(made) - 2
    assert "evil" not in worker.output()


def test_promises_in_a_record_change_nothing(
    engine: Engine, intruder: Intruder, worker_process: Start, oracle: Path
) -> None:
    """Neither attempts that are left, nor a time at which it is due, make a forged job run."""
    made = [getattr(intruder, deed)() for deed in DEEDS if deed not in DAMAGE]
    for job_id in made:
        key = intruder.keys("job", job_id)
        promises = {"state": "scheduled", "max_attempts": "9", "max_recoveries": "9"}
        intruder.client.hset(key, mapping=promises)
        intruder.client.zrem(intruder.keys("queued", "default"), job_id)
        intruder.client.zadd(intruder.keys("scheduled", "default"), {job_id: 1})
    # What tells a claim of them; else the next reap does, which may come after the worker's end.
    intruder.client.hset(intruder.keys("meta"), "due", 1)
    intruder.client.zadd(intruder.keys("due"), {"default": 1})
    worker = worker_process("--burst", "--processes", "1")
    assert worker.wait() == 0, worker.output()
    jobs = [engine.inspector.job(job_id) for job_id in made]
    assert {(job.state, job.reason) for job in jobs} == {(State.FAILED, "bad_signature")}
    assert {len(job.runs) for job in jobs} == {1}
    assert not {line.split()[-2] for line in lines(oracle)} & set(made)


def test_an_unsigned_name_imports_nothing(
    engine: Engine, intruder: Intruder, worker_process: Start, tmp_path: Path
) -> None:
    """Python would find the module, and its import would leave a trace."""
    (tmp_path / "trapdoor.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w').close()\n")
    job_id = intruder.store(b"1.x.{}", "trapdoor.task")
    worker = worker_process("--burst", "--processes", "1", PYTHONPATH=python_path(tmp_path))
    assert worker.wait() == 0
    assert engine.inspector.job(job_id).reason == "bad_signature"
    assert not (tmp_path / "sprung").exists()


def test_a_finished_job_put_back_into_the_queue_is_dropped(
    engine: Engine, intruder: Intruder, worker_process: Start, oracle: Path
) -> None:
    """Its record says that it is over: it is not run."""
    job_id = intruder.honest()
    worker_process("--burst", "--processes", "1").wait()
    intruder.client.zadd(intruder.keys("queued", "default"), {job_id: 1})
    worker_process("--burst", "--processes", "1").wait()
    assert len(lines(oracle)) == 1
    assert engine.inspector.totals() == {}
    assert engine.inspector.job(job_id).state is State.SUCCEEDED


def test_who_writes_everything_can_repeat_a_job(
    engine: Engine, intruder: Intruder, worker_process: Start, oracle: Path
) -> None:
    """What signatures can't prevent, and SECURITY.md says so: the same job, as it was signed."""
    job_id = intruder.honest()
    worker_process("--burst", "--processes", "1").wait()
    intruder.client.zrem(intruder.keys("succeeded", "default"), job_id)
    intruder.client.hset(intruder.keys("job", job_id), "state", "queued")
    intruder.client.zadd(intruder.keys("queued", "default"), {job_id: 1})
    worker_process("--burst", "--processes", "1").wait()
    assert [line.split()[-2] for line in lines(oracle)] == [job_id, job_id]


def python_path(folder: Path) -> str:
    return os.pathsep.join(map(str, (folder, ROOT, ROOT / "testproject")))


def project_with(folder: Path, **values: object) -> dict[str, str]:
    """Return the environment of a project with other settings."""
    words = [f"{name} = {value!r}\n" for name, value in values.items()]
    (folder / "other_settings.py").write_text(
        "from tests.project.settings import *\n" + "".join(words)
    )
    return {"DJANGO_SETTINGS_MODULE": "other_settings", "PYTHONPATH": python_path(folder)}


def test_a_worker_of_another_project_does_not_start(
    engine: Engine, intruder: Intruder, worker_process: Start, tmp_path: Path, oracle: Path
) -> None:
    """It says what to set, and leaves the jobs where they are."""
    job_id = intruder.honest()
    worker = worker_process(**project_with(tmp_path, SECRET_KEY="of another project"))
    assert worker.wait() == 1
    assert "belong to another project or key" in worker.output()
    assert "set PREFIX" in worker.output()
    assert engine.inspector.job(job_id).state is State.QUEUED
    assert lines(oracle) == []


def test_a_rotated_key_still_runs_old_jobs(
    engine: Engine, intruder: Intruder, worker_process: Start, tmp_path: Path, settings: Any
) -> None:
    """While the old key is a fallback; without it they fail, as forged ones do."""
    old = settings.SECRET_KEY
    before, later = intruder.honest("before"), intruder.honest("later")
    intruder.client.zrem(intruder.keys("queued", "default"), later)
    both = project_with(tmp_path, SECRET_KEY="of tomorrow", SECRET_KEY_FALLBACKS=[old])
    worker = worker_process("--burst", "--processes", "1", **both)
    assert worker.wait() == 0, worker.output()
    intruder.client.zadd(intruder.keys("queued", "default"), {later: 1})
    only_new = project_with(tmp_path, SECRET_KEY="of tomorrow", SECRET_KEY_FALLBACKS=[])
    worker = worker_process("--burst", "--processes", "1", **only_new)
    assert worker.wait() == 0, worker.output()

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "of tomorrow", [old]
    states = [(job.state, job.reason) for job in engine.inspector.jobs([before, later])]
    assert states == [(State.SUCCEEDED, ""), (State.FAILED, "bad_signature")]
