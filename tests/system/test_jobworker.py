"""Real workers: what they run, how they stop, what survives a kill."""

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from django_jobqueue import Task
from django_jobqueue.engine import Engine
from django_jobqueue.engine.jobs import CHUNK
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.states import State
from tests.project import tasks
from tests.support.jobs import new_job
from tests.support.processes import (
    AT_ONCE,
    PATIENCE,
    PROMPT,
    WorkerProcess,
    alive,
    lines,
    seconds_of,
    started,
    takes_less_than,
    until,
)

Start = Callable[..., WorkerProcess]
SHORT_LEASE = "2"  # seconds


def until_stopping(engine: Engine) -> None:
    until(lambda: any(worker.stopping for worker in engine.inspector.workers()))


def test_runs_jobs_and_stops_at_once_when_idle(worker_process: Start, engine: Engine) -> None:
    """Results come back; an idle worker does not wait at SIGTERM, and its exit code is 0."""

    def measure() -> float:
        result = tasks.add.enqueue(1, 2)
        worker = worker_process("--processes", "2").until_ready(2)
        assert result.wait(PATIENCE) == 3
        slots = worker.slots()
        took = seconds_of(worker.stop)
        assert worker.process.returncode == 0
        assert not any(alive(pid) for pid in slots)
        assert engine.inspector.workers() == []
        return took

    takes_less_than(AT_ONCE, measure)


def test_what_the_project_loads_stays_shared(worker_process: Start) -> None:
    """A collection of garbage touches no page of it; it would copy 25 MB of this small project."""
    result = tasks.collect_garbage.enqueue()
    worker_process()
    frozen, grown = result.wait(PATIENCE)
    assert frozen > 10_000
    assert grown < 5_000


def test_queue_that_nobody_knows_is_told(worker_process: Start, engine: Engine) -> None:
    """A typing error is not waited for in silence; a queue that holds jobs is no such error."""
    tasks.add.using(queue_name="bulk").enqueue(1, 2)
    worker = worker_process("--burst", "--queues", "defualt,bulk")
    assert worker.wait() == 0
    assert "no task names queue 'defualt'" in worker.output()
    assert "Did you mean 'default'?" in worker.output()
    assert "'bulk'" not in worker.output()


def test_one_process_of_threads_runs_jobs_side_by_side(
    worker_process: Start, engine: Engine, oracle: Path, gate: Path
) -> None:
    """Three threads hold three jobs at once, and stop at once when idle."""

    def measure() -> float:
        gate.unlink(missing_ok=True)
        before = len(lines(oracle))
        results = [tasks.hold.enqueue(str(oracle), str(gate)) for _ in range(3)]
        worker = worker_process("--processes", "1", "--threads", "3")
        until(lambda: len(lines(oracle)) >= before + 3)
        gate.touch()
        assert [result.wait(PATIENCE) for result in results] == ["held"] * 3
        took = seconds_of(worker.stop)
        assert worker.process.returncode == 0
        return took

    takes_less_than(AT_ONCE, measure)


def test_threads_finish_their_jobs_at_sigterm(
    worker_process: Start, engine: Engine, oracle: Path, gate: Path
) -> None:
    """Busy threads are waited for; nothing new is claimed."""
    held = tasks.hold.enqueue(str(oracle), str(gate))
    worker = worker_process("--processes", "1", "--threads", "2")
    started(oracle)
    worker.signal(signal.SIGTERM)
    until_stopping(engine)
    later = tasks.add.enqueue(1, 2)
    gate.touch()
    assert worker.wait() == 0
    held.refresh()
    later.refresh()
    assert (held.state, later.state) == (State.SUCCEEDED, State.QUEUED)


def test_two_workers_run_each_of_a_thousand_jobs_once(
    worker_process: Start, engine: Engine, oracle: Path
) -> None:
    """No job is lost and none runs twice."""
    tasks.write.enqueue_many([(str(oracle), f"job-{n}") for n in range(1000)])
    for _ in range(2):
        worker_process("--processes", "2", "--burst")
    until(lambda: engine.inspector.count(State.SUCCEEDED) == 1000, 3 * PATIENCE)
    runs = Counter(line.split()[0] for line in lines(oracle))
    assert len(runs) == 1000
    assert set(runs.values()) == {1}


def test_a_long_job_never_holds_a_short_one(
    worker_process: Start, engine: Engine, oracle: Path, gate: Path
) -> None:
    """Nothing is prefetched: the free process takes every short job."""
    worker_process("--processes", "2").until_ready(2)
    held = tasks.hold.enqueue(str(oracle), str(gate))
    short = [tasks.add.enqueue(n, n) for n in range(50)]
    assert [result.wait(PATIENCE) for result in short] == [2 * n for n in range(50)]
    held.refresh()
    assert held.state == State.RUNNING
    gate.touch()
    assert held.wait(PATIENCE) == "held"


def test_workers_on_other_queues_start_a_delayed_job_in_time(
    worker_process: Start, engine: Engine
) -> None:
    """A job due in one second starts then, not after the next 5 s of idling."""
    worker_process("--queues", "mail", "--processes", "1").until_ready()
    worker_process("--queues", "reports", "--processes", "1").until_ready()
    until(lambda: len(engine.inspector.workers()) == 2)
    for queue in ("mail", "reports"):
        delayed = tasks.add.using(queue_name=queue, run_after=timedelta(seconds=1))

        def measure(delayed: Task = delayed) -> float:
            took = seconds_of(lambda: delayed.enqueue(1, 1).wait(PATIENCE))
            assert took > 0.9
            return took

        takes_less_than(AT_ONCE, measure)


def test_a_queue_never_seen_before_is_served_at_once(worker_process: Start, engine: Engine) -> None:
    """A worker without --queues notices new names."""
    worker_process("--processes", "1").until_ready()
    tasks.noop.enqueue().wait(PATIENCE)
    names = count()

    def measure() -> float:
        new = tasks.add.using(queue_name=f"brand-new-{next(names)}")
        return seconds_of(lambda: new.enqueue(1, 1).wait(PATIENCE))

    takes_less_than(AT_ONCE, measure)


def test_ten_thousand_queues_are_a_normal_site(worker_process: Start, engine: Engine) -> None:
    """Each holds a job for later: an idle worker starts a job in any of them at once."""
    names = [f"tenant-{number}" for number in range(10_000)]
    later = timedelta(hours=1)
    for start in range(0, len(names), CHUNK):
        engine.jobs.enqueue(
            [new_job(new_id(), q, "a.b", b"", due=later) for q in names[start : start + CHUNK]]
        )
    worker = worker_process("--processes", "1").until_ready()
    for name in (names[-1], "default", names[0]):
        aimed = tasks.add.using(queue_name=name)

        def measure(aimed: Task = aimed) -> float:
            return seconds_of(lambda: aimed.enqueue(1, 1).wait(PATIENCE))

        takes_less_than(AT_ONCE, measure)
    assert worker.stop() == 0
    engine.client.redis.flushall()  # to look at each key would take a while


def test_only_the_named_queues_are_served(worker_process: Start, engine: Engine) -> None:
    """A job of another queue stays where it is."""
    other = tasks.add.using(queue_name="other").enqueue(1, 1)
    mine = tasks.add.using(queue_name="mine").enqueue(1, 1)
    assert worker_process("--queues", "mine", "--burst").wait() == 0
    other.refresh()
    mine.refresh()
    assert (other.state, mine.state) == (State.QUEUED, State.SUCCEEDED)


def test_one_queue_comes_before_all_others(worker_process: Start, engine: Engine) -> None:
    """`*` stands for them."""
    for queue in ("default", "b", "mail", "c", "mail"):
        tasks.noop.using(queue_name=queue).enqueue()
    worker = worker_process("--queues", "mail,*", "--processes", "1", "--burst")
    assert worker.wait() == 0
    ran = re.findall(r"succeeded .* queue=(\S+)", worker.output())
    assert ran == ["mail", "mail", "default", "b", "c"]


def test_queues_have_their_shares(worker_process: Start, engine: Engine) -> None:
    """As long as all have jobs; then the others have them."""
    for queue in ("low", "high", "default"):
        tasks.noop.using(queue_name=queue).enqueue_many([()] * 40)
    weighted = "high:5, default:2,low:1"
    worker = worker_process("--queues", weighted, "--processes", "1", "--burst")
    assert worker.wait() == 0
    ran = re.findall(r"succeeded .* queue=(\S+)", worker.output())
    assert Counter(ran[:64]) == {"high": 40, "default": 16, "low": 8}
    assert Counter(ran[64:]) == {"default": 24, "low": 32}
    assert Counter(ran[64:88]) == {"default": 16, "low": 8}
    assert "high:5, default:2, low:1 of 'default'" in worker.output()


def test_async_tasks_run(worker_process: Start, engine: Engine) -> None:
    """A coroutine function is a task like any other."""
    result = tasks.aecho.enqueue({"a": [1]})
    worker_process("--burst", "--processes", "1")
    answer: object = result.wait(PATIENCE)
    assert answer == {"a": [1]}


def test_sigterm_lets_the_running_job_finish(
    worker_process: Start, engine: Engine, oracle: Path, gate: Path
) -> None:
    """The job in hand ends well, the next one stays queued, the exit code is 0."""
    held = tasks.hold.enqueue(str(oracle), str(gate))
    queued = tasks.add.enqueue(1, 1)
    worker = worker_process("--processes", "1")
    started(oracle)
    worker.signal(signal.SIGTERM)
    until_stopping(engine)
    gate.touch()
    assert worker.wait() == 0
    held.refresh()
    queued.refresh()
    assert (held.return_value, queued.state) == ("held", State.QUEUED)


def test_a_stop_is_bounded_in_time(
    worker_process: Start, engine: Engine, oracle: Path, gate: Path
) -> None:
    """After --shutdown-timeout the job goes back to its place, no attempt used."""
    held = tasks.hold.enqueue(str(oracle), str(gate))
    tasks.noop.enqueue()
    worker = worker_process("--processes", "1", "--shutdown-timeout", "0.5")
    started(oracle)
    assert worker.stop() == 0
    job = engine.inspector.job(held.id)
    assert (job.state, job.attempts, job.recoveries) == (State.QUEUED, 0, 0)
    assert [run.outcome for run in job.runs] == ["released"]
    assert engine.inspector.glance(held.id, "default")[1] == 0


def test_the_second_signal_stops_at_once(
    worker_process: Start, engine: Engine, oracle: Path, gate: Path
) -> None:
    """SIGINT twice: the running job is ended and released, exit code 0."""
    held = tasks.hold.enqueue(str(oracle), str(gate))
    worker = worker_process("--processes", "1")
    started(oracle)
    worker.signal(signal.SIGINT)
    until_stopping(engine)
    began = time.monotonic()
    worker.signal(signal.SIGINT)
    assert worker.wait() == 0
    assert time.monotonic() - began < PROMPT
    job = engine.inspector.job(held.id)
    assert (job.state, job.attempts, job.recoveries) == (State.QUEUED, 0, 0)


def test_a_killed_process_gives_its_job_back_at_once(
    worker_process: Start, engine: Engine, oracle: Path, gate: Path
) -> None:
    """Only the killed process's job runs again, without its lease, counted as a recovery."""
    results = [tasks.hold.enqueue(str(oracle), str(gate)) for _ in range(2)]
    worker = worker_process("--processes", "2")
    started(oracle, 2)
    _, victim, pid = lines(oracle)[0].split()
    began = time.monotonic()
    os.kill(int(pid), signal.SIGKILL)
    started(oracle, 3)
    assert time.monotonic() - began < PROMPT
    assert lines(oracle)[2].split()[1] == victim
    gate.touch()
    assert [result.wait(PATIENCE) for result in results] == ["held", "held"]
    jobs = {result.id: engine.inspector.job(result.id) for result in results}
    assert {job_id: job.recoveries for job_id, job in jobs.items()} == {
        job_id: int(job_id == victim) for job_id in jobs
    }
    assert [run.outcome for run in jobs[victim].runs] == ["recovered", "succeeded"]
    assert jobs[victim].attempts == 1
    assert len(worker.until_ready(2).slots()) == 2


def test_a_job_that_kills_its_process_fails_after_two_recoveries(
    worker_process: Start, engine: Engine, oracle: Path
) -> None:
    """Three runs, then failed with the signal as reason; others run on."""
    poison = tasks.kill_own_process.enqueue(str(oracle))
    worker_process("--processes", "1")
    until(lambda: engine.inspector.count(State.FAILED) == 1)
    assert tasks.add.enqueue(1, 1).wait(PATIENCE) == 2
    job = engine.inspector.job(poison.id)
    assert (job.reason, job.recoveries, job.attempts) == ("killed_9", 3, 0)
    assert len(lines(oracle)) == 3


def test_a_job_that_ends_its_process_quietly_is_noticed(
    worker_process: Start, engine: Engine
) -> None:
    """os._exit(0) in a task looks like a good end; the job is given back all the same."""
    quiet = tasks.leave_quietly.enqueue()
    worker_process("--processes", "1")
    until(lambda: engine.inspector.count(State.FAILED) == 1)
    job = engine.inspector.job(quiet.id)
    assert (job.reason, job.recoveries) == ("exited_0", 3)


def test_no_slot_outlives_its_supervisor(
    worker_process: Start, engine: Engine, oracle: Path, gate: Path
) -> None:
    """kill -9 of the supervisor alone ends its processes; the job runs again elsewhere."""
    held = tasks.hold.enqueue(str(oracle), str(gate))
    lost = worker_process("--processes", "2", TEST_LEASE=SHORT_LEASE)
    started(oracle)
    slots = lost.slots()
    lost.signal(signal.SIGKILL)
    lost.process.wait()
    until(lambda: not any(alive(pid) for pid in slots), PROMPT, "slots are gone")
    gate.touch()
    worker_process("--processes", "1", TEST_LEASE=SHORT_LEASE)
    assert held.wait(PATIENCE) == "held"
    job = engine.inspector.job(held.id)
    assert (job.recoveries, job.attempts) == (1, 1)
    assert sum(line.startswith("start") for line in lines(oracle)) == 2


def test_a_killed_worker_is_recovered_by_one_that_lives(
    worker_process: Start, engine: Engine, oracle: Path, gate: Path
) -> None:
    """All of its processes killed: another worker takes the job when the lease is over."""
    lost = worker_process("--processes", "1", TEST_LEASE=SHORT_LEASE).until_ready()
    held = tasks.hold.enqueue(str(oracle), str(gate))
    started(oracle)
    worker_process("--processes", "1", TEST_LEASE=SHORT_LEASE).until_ready()
    until(lambda: len(engine.inspector.workers()) == 2)
    began = time.monotonic()
    lost.kill_all()
    gate.touch()
    held.wait(PATIENCE)
    assert time.monotonic() - began < float(SHORT_LEASE) + PROMPT
    assert engine.inspector.job(held.id).recoveries == 1


def test_a_long_job_outlives_its_lease(
    worker_process: Start, engine: Engine, oracle: Path, gate: Path
) -> None:
    """The supervisor renews, so the job runs once however long it takes."""
    held = tasks.hold.enqueue(str(oracle), str(gate))
    worker_process("--processes", "1", TEST_LEASE="1")
    started(oracle)
    leases = engine.client.keys("leases", "default")

    def deadline() -> float:
        return engine.client.redis.zscore(leases, held.id) or 0.0

    first = deadline()
    until(lambda: deadline() > first + 2500)
    gate.touch()
    assert held.wait(PATIENCE) == "held"
    assert engine.inspector.job(held.id).recoveries == 0


def test_max_jobs_replaces_the_process(worker_process: Start, engine: Engine, oracle: Path) -> None:
    """Seven jobs at three per process take three processes."""
    tasks.write.enqueue_many([(str(oracle), str(n)) for n in range(7)])
    worker_process("--processes", "1", "--max-jobs", "3")
    until(lambda: engine.inspector.count(State.SUCCEEDED) == 7)
    assert list(Counter(line.split()[2] for line in lines(oracle)).values()) == [3, 3, 1]


def test_redis_may_go_and_come_back(
    worker_process: Start, engine: Engine, oracle: Path, gate: Path, redis_server
) -> None:
    """A worker waits while the server is away, keeps its job and finishes it afterwards."""
    engine.client.redis.config_set("appendonly", "yes")
    held = tasks.hold.enqueue(str(oracle), str(gate))
    worker = worker_process("--processes", "2")
    started(oracle)
    engine.client.redis.execute_command("SAVE")
    redis_server.kill()
    until(lambda: "Trying again" in worker.output())
    redis_server.start()
    engine.client.close()
    gate.touch()
    assert held.wait(PATIENCE) == "held"
    assert engine.inspector.job(held.id).recoveries == 0
    assert tasks.add.enqueue(1, 1).wait(PATIENCE) == 2
    assert worker.stop() == 0


def test_a_worker_waits_for_redis_and_stops_without_it(worker_process: Start, tmp_path) -> None:
    """Started before its server, a worker says so, does not exit, and obeys SIGTERM."""
    worker = worker_process(TEST_REDIS_URL=f"unix://{tmp_path}/nobody.sock")
    until(lambda: "Waiting until it answers" in worker.output())
    assert worker.process.poll() is None
    assert worker.stop() == 0


def test_another_projects_queue_is_refused(worker_process: Start, engine: Engine) -> None:
    """The owner of the keys does not match: the worker says what to set and exits with 1."""
    keys = engine.client.keys
    engine.client.redis.hset(keys("meta"), "owner", "somebodyelse")
    worker = worker_process()
    assert worker.wait() == 1
    assert "belong to another project" in worker.output()


def test_log_lines_name_the_run(worker_process: Start, engine: Engine) -> None:
    """Id, task, queue, attempt and fence stand in the lines of a job."""
    result = tasks.add.enqueue(1, 1)
    worker = worker_process("--burst", "--processes", "1", "--verbosity", "3")
    assert worker.wait() == 0
    fence = engine.inspector.job(result.id).fence
    line = f"job={result.id} task=tests.project.tasks.add queue=default attempt=1 fence={fence}"
    assert f"Started {line}" in worker.output()
    assert "succeeded in 0.0" in worker.output()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--queues", "a b"], "is no queue name"),
        (["--queues", "a:0"], "'a:0': its weight must be a whole number from 1 to 1000"),
        (["--processes", "0"], "is no whole number from 1"),
        (["--shutdown-timeout", "soon"], "is no number of seconds"),
        (["--backend", "nowhere"], 'TASKS has no entry "nowhere"'),
    ],
)
def test_bad_options_are_explained(
    worker_process: Start, arguments: list[str], message: str
) -> None:
    """The message quotes the value; the exit code is not 0."""
    worker = worker_process(*arguments)
    assert worker.wait() != 0
    assert message in worker.output()


def test_refused_log_in_ends_the_start(worker_process: Start, engine: Engine, redis_server) -> None:
    """It does not pass by itself: whoever started the worker must see it."""
    url = f"unix://somebody:wrong@{redis_server.socket}?db=0"
    worker = worker_process(TEST_REDIS_URL=url)
    assert worker.wait() == 1
    assert "Check user, password and ACL" in worker.output()
    assert "wrong@" not in worker.output()
    assert "Traceback" not in worker.output()
