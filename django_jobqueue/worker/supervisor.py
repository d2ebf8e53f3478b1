"""The supervisor of a worker: starts its processes, renews their leases, stops them.

It runs no task and starts no thread, so that forking is safe and nothing that a task does
can keep it from renewing.
"""

import logging
import multiprocessing
import os
import secrets
import signal
import socket
import sys
import time
from multiprocessing.connection import wait
from typing import Any

from django_jobqueue.engine import Engine
from django_jobqueue.exceptions import JobQueueError, QueueUnavailable
from django_jobqueue.worker import databases
from django_jobqueue.worker.board import NEVER, Board
from django_jobqueue.worker.child import Child, End
from django_jobqueue.worker.ends import MemoryWatch, collect_orphans
from django_jobqueue.worker.enforcer import Enforcer
from django_jobqueue.worker.health import Health
from django_jobqueue.worker.maintenance import Tick
from django_jobqueue.worker.process import STOP_SIGNALS, Plan, run_process, run_scheduler
from django_jobqueue.worker.upkeep import Upkeep

logger = logging.getLogger("django_jobqueue.worker")

CRASH = 1.0  # a process that dies younger than this (seconds) is replaced with a delay
CRASH_DELAY = 5.0  # seconds, at most
READY = 60.0  # seconds that a process may take until its slots can work
SCHEDULER = -1  # the number of the process that fires schedules, if there is one


def new_worker_id() -> str:
    """Return an id that tells host and pid, and is never used again."""
    host = "".join(c for c in socket.gethostname() if c.isalnum() or c in "-._")[:32]
    return f"{host or 'host'}:{os.getpid()}:{secrets.token_hex(4)}"


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
        # macOS can't fork safely: its system libraries run threads.
        self._context: Any = multiprocessing.get_context(
            "fork" if sys.platform == "linux" else "spawn"
        )
        lease = engine.options.lease
        self._board = Board(self._context, plan.slots)
        self._enforcer = Enforcer(self._board, lease, may_kill=plan.threads == 1)
        self._health = Health(self._board, plan.slots, lease, plan.health_file)
        self._upkeep = Upkeep(engine, plan, self._enforcer, self._health)
        self._memory = MemoryWatch()
        self._look = Tick(1.0, self._look_around)

    def run(self) -> int:
        """Work until stopped, or with `burst` until no job is left; return the exit code.

        Raises: ServerUnfit, OwnerMismatch, SchemaMismatch, QueueUnavailable (the log-in is
        refused) before the first process starts.
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
        if self._plan.scheduler:
            self._start_at[SCHEDULER] = now
        try:
            self._work()
        except BaseException:
            # Nobody renews their leases any more, and Python would wait until they end.
            self._send(signal.SIGKILL)
            raise
        self._health.end()
        self._upkeep.leave()
        return 0

    def _work(self) -> None:
        while self._children or self._start_at:
            self._stop_if_asked()
            self._start_due()
            self._collect()
            self._enforce()
            self._upkeep.run_if_due()
            self._look.run_if_due()
            self._sleep()

    def _on_signal(self, signum: int, frame: object) -> None:
        self._signals += 1

    def _attach(self) -> bool:
        """Introduce the worker, waiting while Redis is away; tell whether it may start."""
        failures = 0
        while not self._signals:
            try:
                self._engine.connection.attach()
            except QueueUnavailable as error:
                if not error.passing:
                    raise
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
            databases.prepare()
            slots = [] if number == SCHEDULER else self._plan.slots_of(number)
            for slot in slots:
                self._board.row(slot).reset(now + READY)
            process = self._new_process(number)
            # A stop signal that comes before the child's handlers must not get lost.
            signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
            try:
                process.start()
            except OSError as error:  # too many processes, or no memory: others go on
                logger.error("Process %s can't be started: %s", process.name, error)
                self._start_at[number] = time.monotonic() + CRASH_DELAY
                for slot in slots:
                    self._board.row(slot).rest()
            else:
                self._children[number] = Child(process, process.pid, slots, now)
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def _new_process(self, number: int) -> Any:
        forked = self._context.get_start_method() == "fork"
        inherited = self._only_mine if forked else None
        common = (self._alive, inherited, os.environ.get("DJANGO_SETTINGS_MODULE", ""))
        if number == SCHEDULER:
            return self._context.Process(
                target=run_scheduler, args=(self._plan, *common), name="jobscheduler"
            )
        return self._context.Process(
            target=run_process,
            args=(self._plan, number, self._board, *common),
            name=f"jobworker-{number}",
        )

    def _collect(self) -> None:
        """Give back the jobs of processes that ended, and replace them."""
        for number, child in list(self._children.items()):
            if child.is_running:
                continue
            rows = [self._board.row(slot) for slot in child.slots]
            if child.end is None:
                child.end = self._end(child)
                for row in rows:
                    row.rest()
            if not self._release(child, child.end):
                continue  # until Redis answers
            del self._children[number]
            if self._kill_at is None and not (rows and all(row.is_dry for row in rows)):
                self._start_at[number] = time.monotonic() + self._delay(child)

    def _end(self, child: Child) -> End:
        """Say how a process ended, which soon nobody can tell any more."""
        code = child.process.exitcode or 0
        end = End(self._kill_at is None or child.verdict is not None, self._reason(child, code))
        if code != 0 and end.lost:
            logger.error("Process %s (pid %s) ended: %s", child.name, child.pid, end.reason)
        return end

    def _release(self, child: Child, end: End) -> bool:
        """Give back what a dead process held; tell whether there is no more to do about it.

        One that ended by itself holds nothing, unless its task ended it. While Redis is away only
        the upkeep calls it: one call may take seconds.
        """
        if not self._upkeep.is_failing:
            try:
                child.give_back(self._engine.workers, self._plan.worker, end)
            except JobQueueError as error:
                self._upkeep.failed(error)
            else:
                return True
        # A stop is bounded in time: the lease gives the job back.
        return self._kill_at is not None

    def _reason(self, child: Child, code: int) -> str:
        """Return why a process ended, as the reason of a job that it took along too often."""
        if child.verdict is not None:
            return child.verdict.reason
        if code == -signal.SIGKILL and self._memory.has_just_killed():
            return "out_of_memory"
        return f"killed_{-code}" if code < 0 else f"exited_{code}"

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
            self._upkeep.stop()
        if self._kill_at is not None and (self._signals > 1 or now >= self._kill_at):
            self._send(signal.SIGKILL)

    def _send(self, signum: int) -> None:
        for child in self._children.values():
            child.send(signum)

    def _enforce(self) -> None:
        """Have runs keep their limits, and processes come up and end in time."""
        now = time.monotonic()
        for child in self._children.values():
            child.enforce(self._enforcer)
            within = max((self._board.row(slot).within for slot in child.slots), default=NEVER)
            if NEVER < within <= now and child.is_running:
                logger.error("Process %s (pid %s) neither starts nor ends", child.name, child.pid)
                child.send(signal.SIGKILL)

    def _look_around(self) -> None:
        self._health.show()
        self._memory.look()
        collect_orphans({child.pid for child in self._children.values()})
        limit = self._plan.max_memory
        for child in self._children.values():
            if limit and not child.is_retired and child.memory > limit:
                logger.info("Process %s (pid %s) has grown too big", child.name, child.pid)
                child.is_retired = True
                child.send(signal.SIGTERM)

    def _sleep(self) -> None:
        """Wait for a signal, the end of a process or the next thing to do."""
        if not self._children and not self._start_at:
            return
        times = [self._upkeep.due, self._look.due, *self._start_at.values()]
        times += [self._kill_at] if self._kill_at is not None else []
        times += map(self._enforcer.due, self._plan.slots)
        next_at = min(times)
        # Who has ended, and holds what Redis has not taken yet, would say so all the time.
        unseen = [child for child in self._children.values() if child.end is None]
        sentinels = [child.process.sentinel for child in unseen]
        ready = wait([self._alarm, *sentinels], timeout=max(0.0, next_at - time.monotonic()))
        if self._alarm in ready:
            os.read(self._alarm, 4096)
