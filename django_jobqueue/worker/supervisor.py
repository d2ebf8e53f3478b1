"""The supervisor of a worker: starts its processes, renews their leases, stops them.

It runs no task and starts no thread, so that forking is safe and no task can block the
renewals.
"""

import logging
import os
import signal
import time
from multiprocessing.connection import wait

from django_jobqueue.engine import Engine
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.jobs.states import Reason
from django_jobqueue.ledger import outbox
from django_jobqueue.worker.autoreload import is_gone
from django_jobqueue.worker.child import Child, End, collect_orphans
from django_jobqueue.worker.config import WorkerConfig
from django_jobqueue.worker.health import Health
from django_jobqueue.worker.heartbeat import Heartbeat
from django_jobqueue.worker.limits.enforcer import Enforcer
from django_jobqueue.worker.limits.shared_state import NEVER
from django_jobqueue.worker.oom_watch import OomWatch
from django_jobqueue.worker.outage import Outage, attach
from django_jobqueue.worker.slot_loop import BLOCK
from django_jobqueue.worker.stacks import Stacks
from django_jobqueue.worker.starting import MAINTENANCE, SCHEDULER, Starter, sharing_memory
from django_jobqueue.worker.stop_signals import alarm, handling
from django_jobqueue.worker.ticks import Tick

logger = logging.getLogger("django_jobqueue.worker")

CRASH_AGE = 1.0  # seconds; a process that ends younger than this is replaced with a delay
LONGEST_CRASH_DELAY = 5.0  # seconds
STARTING = 0.1  # seconds in a row that go into starting processes
STUCK = "is stuck: receivers of signals must return soon, and enqueue what takes long"


class Supervisor:
    """One worker of one alias, with processes × threads slots."""

    def __init__(self, engine: Engine, config: WorkerConfig) -> None:
        self._engine = engine
        self._config = config
        self._children: dict[int, Child] = {}
        self._start_at: dict[int, float] = {}  # process number → monotonic
        self._crashes = 0
        self._is_asked_to_stop = False
        self._insistence = 0  # the signals by which a person or a service manager asked
        self._kill_at: float | None = None  # monotonic; set when stopping
        lease = engine.options.lease
        self._starter = Starter(config)
        self._shared = self._starter.shared
        self._enforcer = Enforcer(self._shared, lease, may_kill=config.threads == 1)
        self._health = Health(self._shared, config.slots, lease, config.health_file, BLOCK)
        self._heartbeat = Heartbeat(
            engine, config, self._enforcer, self._health, figures=self._figures
        )
        self._stacks = Stacks(engine.leases, config.worker)
        self._is_quiet = False  # it claims no more, and stays until it is stopped
        self._oom = OomWatch()
        self._starter.has_ledger = outbox.is_declared(config.alias, engine.options)
        self._look = Tick(1.0, self._look_around)

    def run(self) -> None:
        """Work until stopped, or with `burst` until no job is left.

        Raises: ServerUnfit, OwnerMismatch, SchemaMismatch, QueueUnavailable (the log-in is
        refused) before the first process starts.
        """
        with (
            self._starter.lifeline(),
            sharing_memory(),
            alarm() as self._alarm,
            handling(self._on_signal),
        ):
            for pause in attach(self._engine, Outage("Waiting until it answers.")):
                wait([self._alarm], timeout=pause)
                if self._is_asked_to_stop or is_gone(self._config.reloader):
                    return
            now = time.monotonic()
            self._start_at = dict.fromkeys(range(self._config.processes), now)
            if self._config.scheduler:
                self._start_at[SCHEDULER] = now
            try:
                self._work()
            except BaseException:
                # Nothing renews their leases any more, and Python would wait until they end.
                self._kill()
                raise
            self._health.end()
            self._heartbeat.remove_record()

    def _work(self) -> None:
        while self._children or self._start_at or self._stays:
            self._heed()
            self._stop_if_asked()
            self._collect()  # first: multiprocessing collects ended processes when it starts one
            self._steer_maintenance()
            self._start_due()
            self._enforce()
            self._heartbeat.run_due()
            self._look.run_if_due()
            self._stacks.store_if_due(self._children.values())
            self._sleep()

    @property
    def _stays(self) -> bool:
        return self._is_quiet and self._kill_at is None and not self._config.burst

    def _heed(self) -> None:
        """Do what somebody wants of this worker; see tell_worker.lua."""
        told = self._heartbeat.take_told()
        if "stacks" in told:
            self._stacks.ask(self._children.values())
        if "stop" in told:
            self._is_asked_to_stop = True
        if "quiet" in told and not self._is_quiet:
            logger.info("Quiet: running jobs end, and no more are claimed")
            self._is_quiet = True
            self._heartbeat.renew_soon()
            for number in range(self._config.processes):
                self._start_at.pop(number, None)
                if number in self._children:
                    self._children[number].retire()

    def _figures(self) -> dict[str, int]:
        """Return what the worker's record tells of its processes."""
        memory = sum(child.memory for child in self._children.values())
        return {"quiet": int(self._is_quiet), "memory": memory, "jobs": self._shared.jobs}

    def _on_signal(self, signum: int, frame: object) -> None:
        self._is_asked_to_stop = True
        # A terminal that is closed sends SIGHUP more than once.
        self._insistence += signum != signal.SIGHUP

    def _start_due(self) -> None:
        """Start what is due; the rest of many waits while signals and leases are looked after."""
        now = time.monotonic()
        for number, start_at in list(self._start_at.items()):
            if start_at > now:
                continue
            if time.monotonic() > now + STARTING:
                return
            del self._start_at[number]
            child = self._starter.start(number)
            if child is None:
                self._start_at[number] = time.monotonic() + LONGEST_CRASH_DELAY
            else:
                self._children[number] = child

    def _collect(self) -> None:
        """Release the jobs of processes that ended, and schedule their replacement."""
        for number, child in list(self._children.items()):
            if child.is_running():
                continue
            if child.end is None:
                child.end = self._end(child)
                for state in child.states:
                    state.mark_idle()
            if not self._release(child, child.end):
                continue  # until Redis answers
            del self._children[number]
            is_drained = child.states and all(state.drained for state in child.states)
            is_wanted = self._kill_at is None and not (self._is_quiet and child.slots)
            if is_wanted and not is_drained:
                self._start_at[number] = time.monotonic() + self._delay(child)

    def _steer_maintenance(self) -> None:
        """Start the maintenance process when it has work, and end it when all others have ended."""
        is_last = not ({*self._children, *self._start_at} - {MAINTENANCE} or self._stays)
        child = self._children.get(MAINTENANCE)
        if child is not None:
            if is_last:
                child.retire()  # it makes its last pass
        elif MAINTENANCE not in self._start_at and self._has_maintenance(is_last):
            self._start_at[MAINTENANCE] = time.monotonic()

    def _has_maintenance(self, is_last: bool) -> bool:
        """Return whether maintenance has work; while stopping, it is done once, and last."""
        if is_last:
            is_late = self._kill_at is not None and time.monotonic() >= self._kill_at
            return not is_late and self._insistence < 2 and self._heartbeat.has_left_ended()
        self._starter.has_ledger |= self._heartbeat.has_ledger
        has_work = self._starter.has_ledger or self._heartbeat.has_ended
        return self._kill_at is None and has_work

    def _end(self, child: Child) -> End:
        """Return the end of a process; called once, at once, because its sources change."""
        code = child.process.exitcode or 0
        was_asked = self._kill_at is not None or (child.is_retired and code == 0)
        end = End(not was_asked or child.killed is not None, self._reason(child, code))
        if code != 0 and end.lost:
            logger.error("Process %s (pid %s) ended: %s", child.name, child.pid, end.reason)
        return end

    def _release(self, child: Child, end: End) -> bool:
        """Release the jobs of an ended process; return whether nothing is left to do.

        A regular end leaves a job only if a slot's waiting claim got one at its end. While Redis
        is unavailable, only the heartbeat calls Redis, because one call may take seconds.
        """
        if not self._heartbeat.is_failing:
            try:
                child.release_jobs(self._engine, self._config.worker, end)
            except JobQueueError as error:
                self._heartbeat.note_failure(error)
            else:
                return True
        # A stop must not wait for Redis: the job is recovered when its lease ends.
        return self._kill_at is not None

    def _reason(self, child: Child, code: int) -> str:
        """Return why a process ended: the reason of a job that fails after too many recoveries."""
        if child.killed is not None:
            return child.killed.reason
        if code == -signal.SIGKILL and self._oom.has_just_killed():
            return Reason.OUT_OF_MEMORY
        return Reason.KILLED.numbered(-code) if code < 0 else Reason.EXITED.numbered(code)

    def _delay(self, child: Child) -> float:
        if child.process.exitcode == 0 or time.monotonic() - child.started > CRASH_AGE:
            self._crashes = 0
            return 0.0
        self._crashes += 1
        return min(LONGEST_CRASH_DELAY, 0.1 * 2.0 ** min(self._crashes, 10))

    def _stop_if_asked(self) -> None:
        """Stop the processes at the first signal; kill them at the second or after the time-out."""
        now = time.monotonic()
        if self._is_asked_to_stop and self._kill_at is None:
            self._kill_at = now + self._config.shutdown_timeout
            self._start_at.clear()
            for number, child in self._children.items():
                if number != MAINTENANCE:
                    child.send(signal.SIGTERM)
            logger.info("Stopping: running jobs have %g s", self._config.shutdown_timeout)
            self._heartbeat.mark_stopping()
        if self._kill_at is not None and (self._insistence > 1 or now >= self._kill_at):
            self._kill()

    def _kill(self) -> None:
        for child in self._children.values():
            child.kill()

    def _enforce(self) -> None:
        """Enforce the limits of runs, and the time limits for the start and end of processes."""
        now = time.monotonic()
        for number, child in self._children.items():
            child.enforce(self._enforcer)
            deadline = max((state.must_exit_by for state in child.states), default=NEVER)
            if NEVER < deadline <= now and child.is_running():
                fault = STUCK if number == MAINTENANCE else "neither starts nor ends"
                logger.error("Process %s (pid %s) %s", child.name, child.pid, fault)
                child.kill()
                for state in child.states:
                    state.mark_idle()  # nothing more is expected, until its end is seen

    def _look_around(self) -> None:
        if self._kill_at is None and is_gone(self._config.reloader):
            self._is_asked_to_stop = True
        self._health.show()
        self._oom.look()
        collect_orphans({child.pid for child in self._children.values()})
        limit = self._config.max_memory
        for child in self._children.values():
            if limit and not child.is_retired and child.memory > limit:
                logger.info("Process %s (pid %s) has grown too big", child.name, child.pid)
                child.retire()

    def _sleep(self) -> None:
        """Wait for a signal, the end of a process or the next action that is due."""
        if not (self._children or self._start_at or self._stays):
            return
        now = time.monotonic()
        times = [self._heartbeat.due, self._look.due, self._stacks.due, *self._start_at.values()]
        # Once processes are killed, only their ends are waited for: those times have passed.
        times += [self._kill_at] if self._kill_at is not None and self._kill_at > now else []
        at_work = [child for child in self._children.values() if child.killed is None]
        times += [self._enforcer.due(slot) for child in at_work for slot in child.slots]
        # Without an ended child whose jobs are not released yet: its sentinel is always ready.
        unseen = [child for child in self._children.values() if child.end is None]
        sentinels = [child.process.sentinel for child in unseen]
        ready = wait([self._alarm, *sentinels], timeout=max(0.0, min(times) - now))
        if self._alarm in ready:
            os.read(self._alarm, 4096)
