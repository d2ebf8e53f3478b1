"""One slot: claim → execute → finish, where finish also claims the next job.

A slot owns a job only while it runs it. A Redis error never ends the slot: it waits and
repeats the call with the same nonce or fence, and the scripts give the same reply.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass
from operator import is_
from typing import TypeVar

from django.utils import timezone, translation

from django_jobqueue.engine import Engine, close_engines
from django_jobqueue.engine.claims import ALL_QUEUES, FinishReply, NoJob, Slot
from django_jobqueue.engine.jobs import Jobs
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.flow.membership import open_membership
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome
from django_jobqueue.worker import connections, durable, log_lines
from django_jobqueue.worker.execution import Execution
from django_jobqueue.worker.executor import Executor
from django_jobqueue.worker.limits.interrupt import Interrupt
from django_jobqueue.worker.limits.shared_state import SlotState
from django_jobqueue.worker.outage import Outage, pause_after
from django_jobqueue.worker.progress import ProgressReporter, ReportPause
from django_jobqueue.worker.turns import Turns

logger = logging.getLogger("django_jobqueue.worker")

BLOCK = 5.0  # seconds, the longest wait for a wake token

T = TypeVar("T")
U = TypeVar("U")


class StopIdling(BaseException):
    """The end of a slot's wait for work; only the signal handler raises it."""


@dataclass(slots=True)
class StopFlag:
    """The request to stop, shared by the signal handler and the slots of a process."""

    requested: bool = False
    interruptible: bool = False  # the main thread waits for work, so a signal may end that

    def handle(self, signum: int, frame: object) -> None:
        self.requested = True
        if self.interruptible:
            self.interruptible = False
            raise StopIdling


class SlotLoop:
    """Work in one slot until told to stop."""

    def __init__(
        self,
        engine: Engine,
        executor: Executor,
        slot: Slot,
        queues: Sequence[str] | None,
        stop: StopFlag,
        state: SlotState,
        *,
        burst: bool = False,
        max_jobs: int | None = None,
        weights: Sequence[int] = (),
        reports: Jobs,
        tidy: Callable[[], object] = connections.tidy,
        drop: Callable[[], object] = connections.drop,
    ) -> None:
        """Serve `queues` (None: all queues); `reports` stores progress, with short time-outs.

        `tidy` is called while Redis stores the end of a job, and after each wait, so that
        connections are usable before each job. `drop` is called after an interrupted run.
        """
        self._engine = engine
        self._claims = engine.claims
        self._executor = executor
        self._slot = slot
        self._queues: Sequence[str] = queues or (ALL_QUEUES,)
        self._turns = Turns(self._queues, weights) if weights else None
        self._stop = stop
        self._state = state
        self._pid = os.getpid()
        # A claim that waits may have been sent so long before its lease begins.
        self._block = min(BLOCK, engine.options.lease / 6)
        self.interrupt = Interrupt(state)
        self._outage = Outage("Trying again until it answers.", logging.WARNING)
        self._burst = burst
        self._max_jobs = max_jobs
        self.jobs_done = 0
        self._report_jobs = reports
        self._report_pause = ReportPause()
        self._tidy = tidy
        self._drop = drop
        self.idle = False
        self.idle_lock = threading.Lock()  # held to change `idle`; see process.py, `_at_rest`

    def run(self) -> None:
        found: Job | NoJob = NoJob(more=True)
        while True:
            if isinstance(found, Job):
                if self._turns is not None:
                    self._turns.note(found.queue)
                found = self._release(found) if self._stop.requested else self._work(found)
            elif self._stop.requested or self.jobs_done == self._max_jobs:
                return
            elif found.more:
                found = self._claim()
            elif not self._burst:
                found = self._wait(found.wait_ms)
            else:
                self._state.mark_drained()
                return

    def _claim(self) -> Job | NoJob:
        queues = self._next_queues()
        found = self._patiently(lambda: self._claims.claim(self._slot, queues), NoJob())
        self._state.note_reply()
        return found

    def _next_queues(self) -> Sequence[str]:
        """Return the queues in the order in which the next claim tries them."""
        return self._queues if self._turns is None else self._turns.next()

    def _work(self, job: Job) -> Job | NoJob:
        """Run a job, finish it, and return the job that the same call claimed."""
        log_lines.started(job)
        began = time.monotonic()
        before = copy_context()
        report = ProgressReporter(self._report_jobs, job, self._report_pause)
        self._state.mark_busy()
        if job.flow:
            job.member = self._patiently(lambda: open_membership(self._engine, job), None)
        row = self._executor.row_of(job) if job.round else None
        if row is None:
            execution = self._executor.execute(job, report, self.interrupt)
        else:
            execution = durable.execute(self._executor, row, job, report, self.interrupt)
        seconds = time.monotonic() - began
        report.end()
        self._clean_up(before)
        if row is not None:  # after a clean-up, which drops connections that may be broken
            execution = durable.settle(row, execution)
        self._state.note_reply()
        self.jobs_done += 1
        self._state.jobs += 1
        last = self._stop.requested or self.jobs_done == self._max_jobs
        return self._finish(execution, seconds, [] if last else self._next_queues())

    def _clean_up(self, before: Context) -> None:
        """Remove the state that a job left in this process."""
        if os.getpid() != self._pid:  # the task forked, and its child returned here
            os._exit(1)
        if _is_changed(before):
            translation.deactivate()
            timezone.deactivate()
        if self.interrupt.raised is not None:
            close_engines()
            self._drop()

    def _finish(self, execution: Execution, seconds: float, queues: Sequence[str]) -> Job | NoJob:
        job, result, line = execution.job, execution.result, log_lines.EndLine(seconds)

        def meanwhile() -> None:
            self._tidy()
            line.prepare(execution)

        reply, now_ms, found = self._patiently(
            lambda: self._claims.finish(self._slot, job, result, queues, meanwhile), None
        )
        if reply is FinishReply.STALE:
            log_lines.lease_lost(job)
            return found
        if reply is FinishReply.CANCELLED:
            execution = execution._replace(result=result._replace(outcome=Outcome.CANCELLED))
        line.write(execution)
        if self._executor.send_signals(execution, now_ms):
            self._tidy()  # receivers may have queried
        return found

    def _release(self, job: Job) -> NoJob:
        """Release a job that was claimed while a stop was requested.

        If its cancellation was requested too, it ends without having been run here.
        """
        result = RunResult(Outcome.RELEASED)
        self._patiently(lambda: self._claims.finish(self._slot, job, result, [], untold=True), None)
        return NoJob()

    def _wait(self, wait_ms: int | None) -> Job | NoJob:
        """Claim when a wake token comes; at the latest when the next job is due, or after 5 s.

        A job that is claimed while a stop ends the wait is released when the process has ended.
        """
        block = self._block if wait_ms is None else min(self._block, wait_ms / 1000)
        found: Job | NoJob = NoJob(more=True)
        queues = self._next_queues()
        if not self._enter_idleness():
            return found
        try:
            found = self._claims.claim_when_woken(self._slot, queues, max(0.01, block))
            self._state.note_reply()
        except JobQueueError as error:
            logger.debug("Waiting for work: %s", error)
            time.sleep(pause_after(0))
        except StopIdling:
            pass  # run() checks the flag
        finally:
            self._stop.interruptible = False
            with self.idle_lock:
                self.idle = False
        self._tidy()
        return found

    def _enter_idleness(self) -> bool:
        """Let a stop end the wait; return whether to wait.

        The flag is read last: a stop that came before is seen, a later one interrupts the wait.
        """
        with self.idle_lock:
            self.idle = True
        if threading.current_thread() is threading.main_thread():
            self._stop.interruptible = True
        return not self._stop.requested

    def _patiently(self, call: Callable[[], T], otherwise: U | None) -> T | U:
        """Repeat a call until Redis answers; the same nonce or fence makes the repeats one call.

        If a stop is requested, return `otherwise` after a failure; None: go on until Redis answers.
        """
        while True:
            try:
                answer = call()
            except JobQueueError as error:
                pause = self._outage.note_failure(error)
                self._state.is_refused = bool(self._outage.refusal)
                if self._stop.requested and otherwise is not None:
                    return otherwise
                time.sleep(pause)
            else:
                if self._outage.failures:
                    self._state.is_refused = False
                    self._outage.note_success()
                return answer


def _is_changed(before: Context) -> bool:
    """Return whether a context variable has changed; this is faster than two deactivations."""
    now = copy_context()
    same = len(now) == len(before) and all(map(is_, now, before))
    return not (same and all(map(is_, now.values(), before.values())))
