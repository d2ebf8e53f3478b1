"""What a job costs the server that uses no feature beside the road: the commands are counted."""

from collections.abc import Callable

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.job import Job, new_id
from tests.support.flows import run_all, started
from tests.support.jobs import new_job
from tests.support.places import DONE
from tests.support.unique import unique_job

JOBS = 20


def commands_per_job(engine: Engine, call: Callable[[], object]) -> dict[str, int]:
    """Return how often the server ran each command per job; what it does once is left out."""
    client = engine.client.redis
    client.config_resetstat()
    call()
    found = client.info("commandstats")
    ours = {name.removeprefix("cmdstat_"): each["calls"] for name, each in found.items()}
    return {name: n // JOBS for name, n in ours.items() if n >= JOBS}


def test_plain_job_goes_without_a_look_at_locks(engine: Engine) -> None:
    jobs = [new_job(new_id(), payload=b"x" * 100) for _ in range(JOBS)]
    engine.jobs.enqueue(jobs)
    assert commands_per_job(engine, lambda: [engine.jobs.delete(job.id) for job in jobs]) == {
        "evalsha": 1, "hmget": 2, "zrem": 2, "zcard": 1, "unlink": 1,
    }  # fmt: skip


def test_unique_job_costs_its_users_alone(engine: Engine) -> None:
    """A lock is read and taken with the job, and freed with its end."""
    jobs = [unique_job(key=f"{n:032x}", payload=b"x" * 100) for n in range(JOBS + 2)]
    slot = Slot("worker-1", "0.0")
    engine.jobs.enqueue(jobs[:2])
    engine.client.redis.delete(engine.client.keys("wake", "default"))
    job = engine.claims.claim(slot, ["default"])
    assert commands_per_job(
        engine, lambda: [engine.jobs.enqueue([one]) for one in jobs[2:]]
    ) == {
        "evalsha": 1, "time": 1, "hget": 1, "get": 1, "hmget": 3, "hsetnx": 1, "zscore": 1,
        "set": 1, "hset": 2, "incr": 1, "zadd": 1, "hincrby": 1,
    }  # fmt: skip

    def work() -> None:
        nonlocal job
        for _ in range(JOBS):
            assert isinstance(job, Job)
            job = engine.claims.finish(slot, job, DONE, ["default"]).next

    assert commands_per_job(engine, work) == {
        "evalsha": 1, "time": 1, "hmget": 3, "zadd": 2, "hset": 3, "zrem": 2, "hincrby": 1,
        "zrange": 1, "hgetall": 1, "get": 1, "hdel": 2,
    }  # fmt: skip


def test_steady_state_costs_no_command_more(engine: Engine) -> None:
    """A job is stored, and a slot that finishes one claims the next."""
    jobs = [new_job(new_id(), payload=b"x" * 100) for _ in range(JOBS + 2)]
    slot = Slot("worker-1", "0.0")
    engine.jobs.enqueue(jobs[:2])
    engine.client.redis.delete(engine.client.keys("wake", "default"))
    job = engine.claims.claim(slot, ["default"])
    assert commands_per_job(
        engine, lambda: [engine.jobs.enqueue([one]) for one in jobs[2:]]
    ) == {
        "evalsha": 1, "time": 1, "hmget": 1, "hsetnx": 1, "zscore": 1, "set": 1, "hset": 1,
        "incr": 1, "zadd": 1, "hincrby": 1,
    }  # fmt: skip

    def work() -> None:
        nonlocal job
        for _ in range(JOBS):
            assert isinstance(job, Job)
            job = engine.claims.finish(slot, job, DONE, ["default"]).next

    assert commands_per_job(engine, work) == {
        "evalsha": 1, "time": 1, "hmget": 2, "zadd": 2, "hset": 3, "zrem": 2, "hincrby": 1,
        "zrange": 1, "hgetall": 1, "get": 1, "hdel": 1,
    }  # fmt: skip


def test_key_costs_a_few_commands(engine: Engine) -> None:
    """Of a limit that lets each job start at once: its number, its place, and who is next."""
    jobs = [new_job(new_id(), payload=b"x" * 100, limits=(f"1w:{n}",)) for n in range(JOBS + 2)]
    slot = Slot("worker-1", "0.0")
    engine.jobs.enqueue(jobs[:2])
    engine.client.redis.delete(engine.client.keys("wake", "default"))
    job = engine.claims.claim(slot, ["default"])
    assert commands_per_job(
        engine, lambda: [engine.jobs.enqueue([one]) for one in jobs[2:]]
    ) == {
        "evalsha": 1, "time": 1, "hmget": 1, "hsetnx": 1, "zscore": 1, "set": 1, "hset": 1,
        "incr": 1, "zadd": 1, "hincrby": 1, "exists": 1,
    }  # fmt: skip

    def work() -> None:
        nonlocal job
        for _ in range(JOBS):
            assert isinstance(job, Job)
            job = engine.claims.finish(slot, job, DONE, ["default"]).next

    assert commands_per_job(engine, work) == {
        "evalsha": 1, "time": 1, "hmget": 2, "zadd": 3, "hset": 3, "zrem": 4, "hincrby": 1,
        "zrange": 2, "hgetall": 1, "get": 1, "hget": 1, "zcard": 1, "hdel": 1,
    }  # fmt: skip


def test_member_of_a_workflow_costs_its_users_alone(engine: Engine) -> None:
    """Its end is noted and followed; a job beside it costs what it did before."""
    started(engine, [(0, 0)] * 3)
    assert run_all(engine, DONE) == ["m1", "m2", "m3"]
    test_steady_state_costs_no_command_more(engine)


def test_fair_turn_costs_its_users_alone(engine: Engine) -> None:
    """Where the claims and the key have come is read when the job is stored, and both are noted."""
    jobs = [new_job(new_id(), payload=b"x" * 100, fair=f"t{n % 3}") for n in range(JOBS + 8)]
    slot = Slot("worker-1", "0.0")
    engine.jobs.enqueue(jobs[:8])
    engine.client.redis.delete(engine.client.keys("wake", "default"))
    job = engine.claims.claim(slot, ["default"])
    assert commands_per_job(
        engine, lambda: [engine.jobs.enqueue([one]) for one in jobs[8:]]
    ) == {
        "evalsha": 1, "time": 1, "hmget": 1, "hsetnx": 1, "zscore": 3, "set": 1, "hset": 1,
        "zrangebyscore": 2, "zadd": 2, "hincrby": 1,
    }  # fmt: skip

    def work() -> None:
        nonlocal job
        for _ in range(JOBS):
            assert isinstance(job, Job)
            job = engine.claims.finish(slot, job, DONE, ["default"]).next

    assert commands_per_job(engine, work) == {
        "evalsha": 1, "time": 1, "hmget": 2, "zadd": 3, "hset": 3, "zrem": 2, "hincrby": 1,
        "zrange": 1, "hgetall": 1, "get": 1, "hdel": 1,
    }  # fmt: skip


def test_queue_beside_a_fair_one_costs_what_it_did(engine: Engine) -> None:
    engine.jobs.enqueue([new_job(new_id(), "mail", fair="t1") for _ in range(3)])
    test_steady_state_costs_no_command_more(engine)
