"""What is promised about the time after a fault, and how to try each promise."""

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from django_jobqueue.jobs.states import State
from tests.chaos import tasks
from tests.chaos.site import Site
from tests.support.processes import until

VICTIMS = 6
FOREVER = 600.0  # seconds; longer than all this takes


@dataclass(frozen=True, slots=True)
class Measured:
    """What a trial found."""

    seconds: list[float]
    faults: list[str]  # besides a time out of bounds


@dataclass(frozen=True, slots=True)
class Promise:
    """A sentence, the seconds in which it comes true, and its trial."""

    says: str
    within: float
    try_it: Callable[[Site, random.Random], Measured]


def worker_killed(site: Site, rng: random.Random) -> Measured:
    """Kill workers at any point between two renewals, while another one lives."""
    names = [f"queue-{number}" for number in range(VICTIMS)]
    jobs = [site.enqueue(tasks.sleep, FOREVER, queue=name) for name in names]
    victims = [site.start_worker("--queues", n, "--processes", "1") for n in names]
    for job in jobs:
        site.start_of(job)
    survivor = site.start_worker("--processes", "1", "--threads", str(VICTIMS))
    site.until_back(survivor)
    renewal = site.engine.options.lease / 3
    plan = sorted((time.monotonic() + rng.uniform(0, renewal), n) for n in range(VICTIMS))
    killed, lease_ends = {}, {}
    for moment, number in plan:
        time.sleep(max(0.0, moment - time.monotonic()))  # the phase
        killed[number] = time.time()
        victims[number].kill()
        index = site.engine.client.keys("leases", names[number])
        lease_ends[number] = site.engine.client.redis.zscore(index, jobs[number]) or 0.0
    found, faults = [], []
    for number, job in enumerate(jobs):
        again = site.start_of(job, 2).at
        found.append(again - killed[number])
        if again * 1000 < lease_ends[number]:
            faults.append(f"{job} started {lease_ends[number] - again * 1000:.0f} ms too early")
    return Measured(found, faults)


def only_worker_killed(site: Site, rng: random.Random) -> Measured:
    """Kill the only worker, and start one a minute later."""
    job = site.enqueue(tasks.sleep, FOREVER)
    site.start_worker("--processes", "1")
    site.start_of(job)
    site.workers[0].kill()
    time.sleep(60)  # nobody is there
    back = site.until_back(site.start_worker("--processes", "1"))
    return Measured([site.start_of(job, 2).at - back], [])


def slot_killed(site: Site, rng: random.Random) -> Measured:
    """Kill the process that runs a job, again and again."""
    job = site.enqueue(tasks.sleep, FOREVER)
    worker = site.start_worker("--processes", "1")
    found = []
    for number in range(1, 11):
        start = site.start_of(job, number)
        # One that dies in its first second is replaced with a delay, on purpose.
        time.sleep(rng.uniform(1.2, 2.5))
        at = time.time()
        os.kill(start.pid, signal.SIGKILL)
        found.append(site.start_of(job, number + 1).at - at)
    return Measured(found, [] if worker.running else ["the worker is gone"])


def server_killed(site: Site, rng: random.Random) -> Measured:
    """Kill the server under busy workers, then under idle ones."""
    worker = site.start_worker("--processes", "2")
    site.until_back(worker)
    for _ in range(1000):
        site.enqueue(tasks.sleep, 0.05)
    found = [site.first_start_since(site.restart_after(5)) for _ in range(3)]
    until(lambda: not site.engine.inspector.count(State.QUEUED), 60, "the queue is empty")
    for _ in range(3):
        up = site.restart_after(5)
        site.enqueue(tasks.quick)
        found.append(site.first_start_since(up))
    return Measured(found, [] if worker.running else ["the worker is gone"])


def redis_away(site: Site, rng: random.Random) -> Measured:
    """Let two workers run a long job each, and be without Redis for longer than the lease."""
    jobs = [site.enqueue(tasks.sleep, 90.0) for _ in range(2)]
    for _ in jobs:
        site.start_worker("--processes", "1")
    pids = {site.start_of(job).pid for job in jobs}
    site.restart_after(60)
    until(lambda: site.engine.inspector.count(State.SUCCEEDED) == len(jobs), 60, "both succeed")
    faults = []
    for job in map(site.engine.inspector.job, jobs):
        runs = len(site.oracle().starts(job.id))
        if (runs, job.recoveries, job.attempts) != (1, 0, 1):
            faults.append(f"{job.id} ran {runs} times, {job.recoveries} recoveries")
    if {pid for worker in site.workers for pid in worker.slots()} != pids:
        faults.append("a process was replaced")
    finished = [job.finished_at or 0 for job in map(site.engine.inspector.job, jobs)]
    ends = [line.at for line in site.oracle().lines if line.what == "END"]
    return Measured([max(finished) / 1000 - max(ends)], faults)


PROMISES = [
    Promise(
        "a worker is killed while another lives: start again, never before the lease ends",
        35.0,
        worker_killed,
    ),
    Promise(
        "the only worker is killed, one is started 60 s later: start again after it is back",
        17.0,
        only_worker_killed,
    ),
    Promise("the process of a slot is killed: start again", 1.0, slot_killed),
    Promise(
        "the server is killed, and restarted 5 s later: first start after it accepts connections",
        2.0,
        server_killed,
    ),
    Promise(
        "60 s without Redis under two jobs of 90 s: each runs once, and its end is stored at once",
        1.0,
        redis_away,
    ),
]
