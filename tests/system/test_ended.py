"""Who is told that a job has ended: receivers of task_finished, once, whoever ended it."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from embedded.server import EmbeddedServer
from tests.project import limited_tasks, tasks
from tests.support.processes import (
    PATIENCE,
    PROMPT,
    WorkerProcess,
    alive,
    lines,
    started,
    until,
)

Start = Callable[..., WorkerProcess]
APP = "tests.project.told.Told"
MODES = pytest.mark.parametrize("threads", ["1", "2"])


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """The file to which the receiver notes what it is told."""
    return tmp_path / "notes"


@pytest.fixture
def hearing(worker_process: Start, notes: Path, tmp_path: Path) -> Start:
    """Start workers of one process whose project has a receiver."""

    def start(*arguments: str, **more: str) -> WorkerProcess:
        more = {"TEST_NOTES": str(notes), "TEST_GATE": str(tmp_path / "tell")} | more
        one = ("--processes", "1", "--queues", "default")
        return worker_process(*one, *arguments, TEST_APPS=APP, **more)

    return start


def cancelled(*receivers: str) -> list[str]:
    """Cancel jobs of a queue that nobody serves; return their ids.

    Each has a word that says what the receiver does, beside noting it.
    """
    ids = []
    for receiver in receivers:
        result = tasks.add.using(queue_name="idle", metadata={"receiver": receiver}).enqueue(1, 2)
        assert result.cancel()
        assert result.state is State.CANCELLED
        ids.append(result.id)
    return ids


def told(notes: Path) -> dict[str, list[str]]:
    """Return what the receiver was told, by job; each of them once."""
    found = [line.split() for line in lines(notes) if line != "waited"]
    assert len({words[0] for words in found}) == len(found), found
    return {words[0]: words[1:] for words in found}


def until_told(notes: Path, ids: Sequence[str]) -> dict[str, list[str]]:
    until(lambda: {*ids} <= {*told(notes)}, what="all are told")
    return told(notes)


def work_goes_on() -> None:
    assert tasks.add.enqueue(1, 2).wait(PATIENCE) == 3


@MODES
def test_job_cancelled_before_it_ran(
    hearing: Start, engine: Engine, notes: Path, threads: str
) -> None:
    """It is told by a process that is neither the supervisor nor one of slots."""
    worker = hearing("--threads", threads).until_ready()
    work_goes_on()
    (slots,) = worker.slots()
    (job_id,) = cancelled("")

    until_told(notes, [job_id])

    assert worker.stop() == 0
    *words, pid = told(notes)[job_id]
    assert words == ["cancelled", "cancelled", "JobCancelled", "JobQueueBackend"]
    assert int(pid) not in (slots, worker.pid)
    assert not engine.queues.has_ended()


def test_slot_tells_of_its_own_runs(hearing: Start, engine: Engine, notes: Path) -> None:
    """A worker in which nothing else ends has no other process."""
    worker = hearing().until_ready()
    done, failed = tasks.add.enqueue(1, 2), tasks.fail.enqueue()
    until_told(notes, [done.id, failed.id])
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 2.5)

    (slots,) = worker.slots()

    assert {int(words[-1]) for words in told(notes).values()} == {slots}
    assert told(notes)[done.id][:3] == ["succeeded", "-", "-"]
    assert told(notes)[failed.id][:3] == ["failed", "exception", "ValueError"]


def test_time_out_that_was_killed(
    hearing: Start, engine: Engine, oracle: Path, notes: Path
) -> None:
    """The kill of the first attempt, which is retried, is no end."""
    result = limited_tasks.ignore.enqueue(str(oracle))
    worker = hearing()
    until_told(notes, [result.id])
    assert worker.stop() == 0
    assert told(notes)[result.id][:3] == ["failed", "timed_out", "JobTimeout"]
    assert engine.inspector.job(result.id).attempts == 2


def test_process_killed_too_often(
    hearing: Start, engine: Engine, oracle: Path, notes: Path
) -> None:
    result = tasks.kill_own_process.enqueue(str(oracle))
    worker = hearing()
    until_told(notes, [result.id])
    assert worker.stop() == 0
    assert told(notes)[result.id][:3] == ["failed", "killed_9", "-"]
    assert len(lines(oracle)) == 3


def test_run_killed_by_a_cancellation(
    hearing: Start, engine: Engine, oracle: Path, notes: Path
) -> None:
    """As if its slot had ended it."""
    result = limited_tasks.ignore.enqueue(str(oracle))
    worker = hearing()
    started(oracle)
    result.cancel()
    until_told(notes, [result.id])
    assert worker.stop() == 0
    assert told(notes)[result.id][:3] == ["cancelled", "cancelled", "JobCancelled"]


def test_worker_that_is_gone(
    hearing: Start, worker_process: Start, engine: Engine, oracle: Path, notes: Path
) -> None:
    """Another one reaps the job, and tells of its end."""
    result = tasks.hold.using(max_recoveries=0).enqueue(str(oracle), "-")
    lost = worker_process("--processes", "1", TEST_LEASE="2")
    started(oracle)
    lost.kill_all()
    hearing(TEST_LEASE="2")
    assert until_told(notes, [result.id])[result.id][:3] == ["failed", "lost", "-"]


def test_receivers_that_raise_or_exit_stop_nothing(
    hearing: Start, engine: Engine, notes: Path
) -> None:
    """Their errors are logged, and the other jobs are told of by the same process."""
    ids = cancelled("raises", "exits", "")
    worker = hearing()
    seen = until_told(notes, ids)
    assert len({words[-1] for words in seen.values()}) == 1
    assert worker.stop() == 0
    assert f"Telling of the end of job {ids[1]} failed" in worker.output()
    assert "ended:" not in worker.output()


def test_job_that_is_no_result_is_logged(hearing: Start, engine: Engine, notes: Path) -> None:
    """There is no task that could be told of; others are told."""
    ids = cancelled("", "")
    engine.client.redis.hset(engine.client.keys("job", ids[0]), "task", "tests.project.nowhere.x")
    worker = hearing()
    assert {*until_told(notes, ids[1:])} == {ids[1]}
    assert f"No receiver of task_finished is told of an end. Job {ids[0]}" in worker.output()


def test_receiver_that_hangs_is_killed(hearing: Start, engine: Engine, notes: Path) -> None:
    """It costs no other job its signal, and the worker lives on."""
    ids = cancelled("hangs", "", "hangs", "")
    worker = hearing(TEST_TELL_TIMEOUT="1").until_ready()
    seen = until_told(notes, ids)
    assert len({words[-1] for words in seen.values()}) == 3
    assert worker.output().count("Process jobworker-maintenance") == 2 * 2  # stuck, and ended
    assert "receivers of signals must return soon" in worker.output()
    work_goes_on()
    assert worker.stop() == 0


def test_killed_maintenance_process_is_replaced(
    hearing: Start, engine: Engine, notes: Path
) -> None:
    """As any other process of the worker."""
    worker = hearing().until_ready()
    (first,) = cancelled("")
    pid = int(until_told(notes, [first])[first][-1])
    os.kill(pid, signal.SIGKILL)
    (second,) = cancelled("")
    assert until_told(notes, [second])[second][-1] != str(pid)
    assert "Process jobworker-maintenance" in worker.output()


def test_killed_supervisor_leaves_no_maintenance_process(
    hearing: Start, engine: Engine, notes: Path
) -> None:
    """Not even one that hangs."""
    (job_id,) = cancelled("hangs")
    worker = hearing().until_ready()
    pid = int(until_told(notes, [job_id])[job_id][-1])
    worker.signal(signal.SIGKILL)
    until(lambda: not alive(pid), PROMPT, "it ends with its supervisor")


@MODES
def test_burst_waits_until_all_are_told(
    hearing: Start, engine: Engine, notes: Path, tmp_path: Path, threads: str
) -> None:
    """And for what the last receiver does."""
    ids = cancelled(*[""] * 20, "waits")
    worker = hearing("--burst", "--threads", threads)
    until_told(notes, ids)
    (pid,) = {words[-1] for words in told(notes).values()}
    until(lambda: [str(child) for child in worker.slots()] == [pid], what="the slots have ended")
    (tmp_path / "tell").touch()
    assert worker.wait() == 0
    assert lines(notes)[-1] == "waited"


def test_burst_tells_of_what_its_own_end_brings_about(
    hearing: Start, engine: Engine, oracle: Path, notes: Path
) -> None:
    """The worker has no second left in which it would look."""
    result = tasks.kill_own_process.using(max_recoveries=0).enqueue(str(oracle))
    assert hearing("--burst").wait() == 0
    assert told(notes)[result.id][:2] == ["failed", "killed_9"]


@pytest.mark.parametrize("before", [[], [""]])
def test_last_pass_is_made_when_the_slots_have_ended(
    hearing: Start, engine: Engine, oracle: Path, gate: Path, notes: Path, before: list[str]
) -> None:
    """What is cancelled while a worker stops is told before its end, by one process."""
    held = tasks.hold.enqueue(str(oracle), str(gate))
    worker = hearing()
    started(oracle)
    ids = cancelled(*before)
    until_told(notes, ids)
    worker.signal(signal.SIGTERM)
    until(lambda: any(one.stopping for one in engine.inspector.workers()))
    ids += cancelled("", "")
    gate.touch()
    assert worker.wait() == 0
    seen = told(notes)
    assert {*seen} == {held.id, *ids}
    assert len({seen[job_id][-1] for job_id in ids}) == 1


def test_burst_waits_for_redis_to_tell_of_all(
    hearing: Start, engine: Engine, notes: Path, tmp_path: Path, redis_server: EmbeddedServer
) -> None:
    """As its slots would wait to run all."""
    engine.client.redis.config_set("appendonly", "yes")
    ids = cancelled("waits", "")
    worker = hearing("--burst")
    pid = int(until_told(notes, ids[:1])[ids[0]][-1])
    until(lambda: worker.slots() == [pid], what="the slots have ended")
    engine.client.redis.execute_command("SAVE")
    redis_server.kill()
    (tmp_path / "tell").touch()
    until(lambda: "Ends of jobs are told later" in worker.output())
    assert worker.process.poll() is None
    redis_server.start()
    engine.client.close()
    assert worker.wait() == 0
    assert {*told(notes)} == {*ids}


@pytest.mark.parametrize("how", ["twice", "in time"])
def test_stop_is_bounded_whatever_a_receiver_does(
    hearing: Start, engine: Engine, notes: Path, how: str
) -> None:
    """What was not told stays for the next worker."""
    ids = cancelled("hangs", "")
    timeout = "60" if how == "twice" else "1"
    worker = hearing("--shutdown-timeout", timeout).until_ready()
    pid = int(until_told(notes, ids[:1])[ids[0]][-1])
    began = time.monotonic()
    worker.signal(signal.SIGTERM)
    if how == "twice":
        until(lambda: worker.slots() == [pid], what="the slots have ended")
        worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert time.monotonic() - began < PROMPT
    assert not alive(pid)
    hearing("--burst").wait()
    assert {*told(notes)} == {*ids}


def test_stop_waits_for_no_server(
    hearing: Start, engine: Engine, notes: Path, redis_server: EmbeddedServer
) -> None:
    """Without Redis nothing can be told."""
    worker = hearing().until_ready()
    until_told(notes, cancelled(""))
    redis_server.kill()
    until(lambda: "Ends of jobs are told later" in worker.output())
    began = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began < PROMPT
    redis_server.start()
