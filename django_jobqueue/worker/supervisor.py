"""The supervisor of a worker: starts its processes, renews their leases, stops them.

It runs no task and starts no thread, so that forking is safe and nothing that a task does
can keep it from renewing.
"""

import logging
import multiprocessing
import os
import random
import secrets
import signal
import socket
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

from django.db import connections

from django_jobqueue import __version__
from django_jobqueue.engine import Engine
from django_jobqueue.exceptions import JobQueueError, QueueUnavailable
from django_jobqueue.worker.maintenance import Maintenance, Tick
from django_jobqueue.worker.process import STOP_SIGNALS, Plan, run_process

logger = logging.getLogger("django_jobqueue.worker")

CRASH = 1.0  # a process that dies younger than this (seconds) is replaced with a delay
CRASH_DELAY = 5.0  # seconds, at most


def new_worker_id() -> str:
    """Return an id that tells host and pid, and is never used again."""
    host = "".join(c for c in socket.gethostname() if c.isalnum() or c in "-._")[:32]
    return f"{host or 'host'}:{os.getpid()}:{secrets.token_hex(4)}"


@dataclass(slots=True)
class Child:
    """One process and when it was started."""

    process: BaseProcess
    started: float  # monotonic


class Supervisor:
    """One worker: processes × threads slots of one alias."""

    def __init__(self, engine: Engine, plan: Plan) -> None:
        self._engine = engine
        self._plan = plan
        self._children: dict[int, Child] = {}
        self._start_at: dict[int, float] = {}  # process number → monotonic
        self._crashes = 0
        self._signals = 0
        self._kill_at: float | None = None  # monotonic; set when stopping
        self._started_at = int(time.time() * 1000)
        self._renewal = Tick(engine.options.lease / 3, self._renew)
        self._maintenance = Maintenance(engine)
        self._retry_at = 0.0  # monotonic; no call to Redis before
        self._failures = 0
        # macOS can't fork safely: its system libraries run threads.
        self._context: Any = multiprocessing.get_context(
            "fork" if sys.platform == "linux" else "spawn"
        )

    def run(self) -> int:
        """Work until stopped, or with `burst` until no job is left; return the exit code.

        Raises: ServerUnfit, OwnerMismatch, SchemaMismatch before the first process starts.
        """
        self._alive, self._only_mine = self._context.Pipe(duplex=False)
        self._alarm, alarm_writer = os.pipe()
        os.set_blocking(alarm_writer, False)
        signal.set_wakeup_fd(alarm_writer, warn_on_full_buffer=False)
        for stop_signal in STOP_SIGNALS:
            signal.signal(stop_signal, self._on_signal)
        if not self._attach():
            return 0
        now = time.monotonic()
        self._start_at = dict.fromkeys(range(self._plan.processes), now)
        while self._children or self._start_at:
            self._stop_if_asked()
            self._start_due()
            self._collect()
            self._call_redis()
            self._sleep()
        self._leave()
        return 0

    def _on_signal(self, signum: int, frame: object) -> None:
        self._signals += 1

    def _attach(self) -> bool:
        """Introduce the worker, waiting while Redis is away; tell whether it may start."""
        failures = 0
        while not self._signals:
            try:
                self._engine.connection.attach()
            except QueueUnavailable as error:
                if failures == 0:
                    logger.error("%s Waiting until it answers.", error)
                failures += 1
                wait([self._alarm], timeout=min(1.0, 0.1 * 2 ** min(failures, 5)))
            else:
                return True
        return False

    def _start_due(self) -> None:
        now = time.monotonic()
        for number, start_at in list(self._start_at.items()):
            if start_at > now:
                continue
            del self._start_at[number]
            connections.close_all()
            # A stop signal that comes before the child's handlers must not get lost.
            signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
            process = self._context.Process(
                target=run_process,
                args=(
                    self._plan,
                    number,
                    self._alive,
                    self._only_mine if self._context.get_start_method() == "fork" else None,
                    os.environ.get("DJANGO_SETTINGS_MODULE", ""),
                ),
                name=f"jobworker-{number}",
            )
            process.start()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
            self._children[number] = Child(process, now)

    def _collect(self) -> None:
        """Give back the jobs of processes that ended, and replace them."""
        for number, child in list(self._children.items()):
            if child.process.exitcode is None:
                continue
            if not self._release(number, child):
                continue  # Redis is away; the next round tries again
            del self._children[number]
            if self._kill_at is None and not (self._plan.burst and child.process.exitcode == 0):
                self._start_at[number] = time.monotonic() + self._delay(child)

    def _release(self, number: int, child: Child) -> bool:
        """Give back what a dead process held; tell whether Redis took it.

        One that ended by itself holds nothing, unless its task ended it.
        """
        code = child.process.exitcode or 0
        killed = f"killed_{-code}" if code < 0 else f"exited_{code}"
        stopped = self._kill_at is not None
        if code != 0 and not stopped:
            logger.error("Process %d (pid %s) ended: %s", number, child.process.pid, killed)
        try:
            for slot in self._plan.slots_of(number):
                moved = self._engine.workers.release_slot(
                    self._plan.worker, slot, lost=not stopped, reason=killed
                )
                if moved:
                    logger.warning("Job %s was given back, it is %s", *moved)
        except JobQueueError as error:
            self._failed(error)
            # A stop is bounded in time: the lease gives the job back.
            return stopped
        return True

    def _delay(self, child: Child) -> float:
        if child.process.exitcode == 0 or time.monotonic() - child.started > CRASH:
            self._crashes = 0
            return 0.0
        self._crashes += 1
        return min(CRASH_DELAY, 0.1 * 2.0 ** min(self._crashes, 10))

    def _stop_if_asked(self) -> None:
        """At the first signal ask the processes to stop, at the second or in time kill them."""
        now = time.monotonic()
        if self._signals and self._kill_at is None:
            self._kill_at = now + self._plan.shutdown_timeout
            self._start_at.clear()
            logger.info("Stopping: running jobs have %g s", self._plan.shutdown_timeout)
            self._send(signal.SIGTERM)
            self._renewal.due = now
        if self._kill_at is not None and (self._signals > 1 or now >= self._kill_at):
            self._send(signal.SIGKILL)

    def _send(self, signum: int) -> None:
        for child in self._children.values():
            if child.process.exitcode is None and child.process.pid is not None:
                os.kill(child.process.pid, signum)

    def _call_redis(self) -> None:
        """Renew and maintain; after a failure the renewal comes first."""
        if time.monotonic() < self._retry_at:
            return
        try:
            self._renewal.run_if_due()
            for tick in self._maintenance.ticks:
                tick.run_if_due()
        except JobQueueError as error:
            self._failed(error)
        else:
            if self._failures:
                logger.warning("Redis answers again.")
            self._failures = 0

    def _failed(self, error: JobQueueError) -> None:
        if self._failures == 0:
            logger.error("%s Running jobs run on; trying again.", error)
        pause = min(1.0, 0.1 * 2 ** min(self._failures, 10)) * random.uniform(0.5, 1)  # noqa: S311
        self._failures += 1
        self._retry_at = time.monotonic() + pause
        self._renewal.due = self._retry_at

    def _renew(self) -> None:
        plan = self._plan
        _, slots = self._engine.workers.renew(
            plan.worker,
            {
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "queues": " ".join(plan.queues or ()),
                "processes": plan.processes,
                "threads": plan.threads,
                "version": __version__,
                "started_at": self._started_at,
                "stopping": int(self._kill_at is not None),
            },
        )
        for slot in slots:
            if slot.lost:
                logger.warning("Slot %s lost the lease of job %s", slot.slot, slot.job_id)

    def _sleep(self) -> None:
        """Wait for a signal, the end of a process or the next thing to do."""
        if not self._children and not self._start_at:
            return
        times = [self._renewal.due, *(tick.due for tick in self._maintenance.ticks)]
        next_at = max(min(times), self._retry_at)
        if self._kill_at is not None:
            next_at = min(next_at, self._kill_at)
        next_at = min([next_at, *self._start_at.values()])
        sentinels = [child.process.sentinel for child in self._children.values()]
        ready = wait([self._alarm, *sentinels], timeout=max(0.0, next_at - time.monotonic()))
        if self._alarm in ready:
            os.read(self._alarm, 4096)

    def _leave(self) -> None:
        try:
            self._engine.workers.forget(self._plan.worker)
        except JobQueueError as error:
            logger.warning("The worker's record stays for ten minutes: %s", error)
