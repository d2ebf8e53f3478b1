"""What workers and callers log at DEBUG while everything goes wrong: no argument, no password."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from django_jobqueue import QueueUnavailable, compat
from django_jobqueue import engine as engines
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.signing import Signer
from django_jobqueue.jobs.states import State
from django_jobqueue.testing import drain
from embedded.server import EmbeddedServer
from tests.project import elsewhere, tasks
from tests.support.jobs import new_job
from tests.support.processes import PATIENCE, WorkerProcess, until

MARK, PASSWORD = "argument-4711", "password-0815"
CLOSED = {"requirepass": PASSWORD, "appendonly": "no"}
CALL = json.dumps({"args": [MARK], "kwargs": {"token": MARK}}).encode()

Start = Callable[..., WorkerProcess]


def address(server: EmbeddedServer) -> str:
    return f"unix://:{PASSWORD}@{server.socket}?db=0"


def use(settings: Any, url: str) -> Engine:
    """Let this process use another server; return its engine."""
    given = settings.TASKS["default"]
    settings.TASKS = {"default": given | {"OPTIONS": given["OPTIONS"] | {"URL": url, "LEASE": 2}}}
    return engines.get_engine("default")


def store(engine: Engine, task: str, payload: bytes | None = None) -> str:
    """Store a job of any task, with a payload that nobody signed if one is given."""
    job_id = new_id()
    signed = engine.signer.sign(job_id, task, CALL) if payload is None else payload
    engine.jobs.enqueue([new_job(job_id, "default", task, signed)])
    return job_id


def assert_nothing_private(text: str) -> None:
    found = [line for line in text.splitlines() if MARK in line or PASSWORD in line]
    assert found == []


def test_worker_logs_nothing_private(
    worker_process: Start, settings, tmp_path: Path, engine: Engine
) -> None:
    """Success, retry, refusal, unknown task, killed process, lost lease, server away, bad login."""
    log, oracle = tmp_path / "worker.log", tmp_path / MARK
    gate = tmp_path / f"gate-{MARK}"
    with EmbeddedServer(tmp_path, config=CLOSED) as server:
        there = use(settings, address(server))
        done = elsewhere.whisper.enqueue(MARK, token=MARK)
        store(there, "tests.project.tasks.echo", MARK.encode())
        store(there, "tests.project.tasks.echo", b'{"args":["%s"]}' % MARK.encode())
        store(there, "tests.project.tasks.echo", Signer(["stolen"]).sign("x", "y", CALL))
        for path in ("tests.project.tasks.add", "tests.project.broken.task", "no.such.task"):
            store(there, path)
        tasks.kill_own_process.enqueue(str(oracle), 1)
        given = {"TEST_LOG": str(log), "TEST_LEASE": "2", "TEST_REDIS_URL": address(server)}
        worker = worker_process("--processes", "2", "--verbosity", "3", **given)
        assert done.wait(PATIENCE) == f"{MARK} {MARK}"
        inspector = there.inspector
        until(lambda: inspector.count(State.QUEUED) + inspector.count(State.RUNNING) == 0)

        held = tasks.tell_until.enqueue(str(gate), MARK)
        until(lambda: inspector.count(State.RUNNING) == 1)
        server.kill()
        until(lambda: "trying again" in log.read_text() and "not stored" in log.read_text())
        server.start()
        until(lambda: "Redis answers again" in log.read_text())
        gate.touch()
        until(lambda: "The lease was lost" in log.read_text())  # the server forgot all

        client: Any = use(settings, address(server)).client.redis
        client.config_set("requirepass", f"{PASSWORD}-2")
        for slot in worker.slots():
            os.kill(slot, signal.SIGKILL)
        until(lambda: "Check user, password" in log.read_text())
        client.config_set("requirepass", PASSWORD)
        assert worker.stop() == 0
        del held
    text = log.read_text()
    for words in ("Started", "succeeded in", "was not run", "is held for", "ended: killed_9"):
        assert words in text, words
    assert_nothing_private(text)
    assert_nothing_private(str(worker.process.args))


@pytest.mark.django_db(transaction=True)
def test_caller_logs_nothing_private(settings, tmp_path: Path, engine: Engine, caplog) -> None:
    """A commit after which the job can't be stored, and an emptied server."""
    caplog.set_level("DEBUG")
    with EmbeddedServer(tmp_path, config=CLOSED) as server:
        there = use(settings, address(server))
        elsewhere.whisper.enqueue(MARK, token=MARK)
        there.client.redis.flushall()
        elsewhere.whisper.enqueue(MARK, token=MARK)
        server.kill()
        with transaction.atomic():
            elsewhere.whisper.enqueue(MARK, token=MARK)
        with pytest.raises(QueueUnavailable) as caught:
            elsewhere.whisper.enqueue(MARK, token=MARK)
    assert "emptied or replaced" in caplog.text
    assert "was not enqueued after its commit" in caplog.text
    assert_nothing_private(caplog.text + str(caught.value))


def test_server_that_quotes_what_it_does_not_know(settings, tmp_path: Path, engine: Engine) -> None:
    """An old one, or a proxy, answers HELLO with the log-in that came along."""
    with EmbeddedServer(tmp_path, config={"rename-command": 'HELLO ""'}) as server:
        there = use(settings, f"{address(server)}&protocol=3")
        for ask in (there.queues.names, there.inspector.queues, there.client.attach):
            with pytest.raises(QueueUnavailable, match=r"(?i)unknown command .HELLO.\.") as caught:
                ask()
            assert_nothing_private(f"{caught.value} {caught.value.__cause__!r}")
        with pytest.raises(Exception, match=r"(?i)unknown command .HELLO.\.?$") as plain:
            there.client.execute("BLPOP", "x", 1)
        assert_nothing_private(str(plain.value))


def test_names_that_others_wrote_stay_on_their_line(engine: Engine, make_job, caplog) -> None:
    """Nobody has signed the names of a job that is about to be refused."""
    caplog.set_level("DEBUG", "django_jobqueue")
    evil = "x\nERROR forged\r\x1b[31m"
    job_id = new_id()
    engine.jobs.enqueue([new_job(job_id, "default", "a.b", b"1.x.{}")])
    engine.client.redis.hset(engine.client.keys("job", job_id), "task", evil)
    assert drain() == 1
    assert [line.levelname for line in caplog.records] == ["DEBUG", "ERROR"]
    for line in caplog.records:
        assert not set("\n\r\x1b") & set(line.getMessage())
    assert "x ERROR forged \\x1b[31m" in caplog.text


FRAMEWORK = "django.tasks" if compat.NATIVE else "django_tasks"


def framework_lines(start: Start, tmp_path: Path, **named: object) -> list[str]:
    """Run a success, a failure and a cancellation; return the ends of the framework's lines."""
    log = tmp_path / "all.log"
    handlers = {"file": {"class": "logging.FileHandler", "filename": str(log)}}
    logging = {"version": 1, "handlers": handlers, "root": {"handlers": ["file"], "level": "DEBUG"}}
    for task in (tasks.noop, tasks.fail, tasks.cancel_itself):
        task.enqueue()
    given = json.dumps(logging | {"loggers": named})
    assert start("--burst", "--processes", "1", TEST_LOGGING=given).wait() == 0
    text = log.read_text()
    assert text.count("ValueError: broken") == (2 if named else 1)
    return [line.rpartition("=")[2] for line in text.splitlines() if line.startswith("Task id=")]


def test_framework_repeats_no_line(worker_process: Start, engine: Engine, tmp_path: Path) -> None:
    """Django mails each ERROR of its loggers; a worker's own lines say more, and once."""
    assert framework_lines(worker_process, tmp_path) == []


def test_framework_logs_if_it_is_told_to(
    worker_process: Start, engine: Engine, tmp_path: Path
) -> None:
    """LOGGING names its logger; and a cancellation is no error."""
    found = framework_lines(worker_process, tmp_path, **{FRAMEWORK: {"level": "INFO"}})
    assert found == ["RUNNING", "SUCCESSFUL", "RUNNING", "FAILED", "RUNNING"]


def test_slots_that_lose_redis_at_a_stop_say_it_once(
    worker_process: Start, settings, tmp_path: Path, engine: Engine
) -> None:
    """Each of them wants to finish its job, and none can."""
    gate, oracle = tmp_path / "gate", tmp_path / "oracle"
    with EmbeddedServer(tmp_path, config={"appendonly": "no"}) as server:
        there = use(settings, f"unix://{server.socket}?db=0")
        tasks.hold.enqueue_many([(str(oracle), str(gate))] * 12)
        worker = worker_process(
            *("--processes", "1", "--threads", "12", "--shutdown-timeout", "3"),
            TEST_REDIS_URL=f"unix://{server.socket}?db=0",
        )
        until(lambda: there.inspector.count(State.RUNNING) == 12)
        worker.signal(signal.SIGTERM)
        until(lambda: "Stopping" in worker.output())
        server.kill()
        gate.touch()
        assert worker.wait() == 0
        there.client.close()
    lines = [line.partition(" WARNING ")[2] for line in worker.output().splitlines()]
    told = [line for line in lines if "Trying again until it answers" in line]
    assert 1 <= len(told) == len(set(told))
