"""One process of a worker: its slots, its signals, and its end when the supervisor is gone."""

import logging
import os
import select
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from random import randrange
from typing import Any

import django
from django.apps import apps
from django.utils.module_loading import import_string

from django_jobqueue.compat import task_backends
from django_jobqueue.engine import Engine, new_engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.locate import QUICK, worker_timeouts
from django_jobqueue.worker import databases
from django_jobqueue.worker.board import Board, Row
from django_jobqueue.worker.executor import Executor
from django_jobqueue.worker.slot import BLOCK, SlotLoop, StopFlag, StopIdling

logger = logging.getLogger("django_jobqueue.worker")

LEAVE = 30.0  # seconds that a process may take to end after its last job
ANEW = 1.0  # seconds until a slot that broke down begins anew
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a worker is asked to do; the same for all of its processes."""

    alias: str
    worker: str  # its id
    queues: tuple[str, ...] | None  # None: all known ones
    processes: int = 1
    threads: int = 1
    burst: bool = False
    max_jobs: int | None = None  # per slot; then its process is replaced
    max_memory: int | None = None  # bytes; a bigger process is replaced after its job
    shutdown_timeout: float = 30.0  # seconds
    health_file: Path | None = None  # touched while the worker is healthy
    scheduler: bool = False  # a process of its own fires schedules

    @property
    def slots(self) -> list[str]:
        return [slot for process in range(self.processes) for slot in self.slots_of(process)]

    def slots_of(self, process: int) -> list[str]:
        return [f"{process}.{thread}" for thread in range(self.threads)]


def run_process(
    plan: Plan,
    number: int,
    board: Board,
    alive: Connection,
    inherited: Connection | None,
    settings: str,
) -> None:
    """Run the slots of one process until told to stop.

    `board` is shared with the supervisor. `alive` is the read end of a pipe whose write end only
    the supervisor keeps, `inherited` that write end as a forked process gets it; `settings`
    names the Django settings for a process that was not forked.
    """
    settle_in(alive, inherited, settings)
    stop = StopFlag()
    signal.signal(signal.SIGTERM, stop.handle)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches the supervisor, which asks
    wake_reader, wake_writer = os.pipe()
    os.set_blocking(wake_writer, False)
    signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    loops = _loops(plan, number, board, stop)
    # Of threads the main loop takes care: a handler can come in the middle of itself.
    signal.signal(signal.SIGUSR1, partial(_deliver, loops if len(loops) == 1 else ()))
    rows = [board.row(slot) for slot in plan.slots_of(number)]
    for row in rows:
        row.ready()
    if len(loops) == 1:
        with suppress(StopIdling):
            loops[0].run()
    else:
        _run_threads(dict(zip(loops, rows, strict=True)), stop, wake_reader, wake_writer)
    for row in rows:
        row.leave(time.monotonic() + LEAVE)


def run_scheduler(
    plan: Plan, alive: Connection, inherited: Connection | None, settings: str
) -> None:
    """Fire schedules until told to stop; see run_process."""
    settle_in(alive, inherited, settings)
    # It knows models: a spawned process can't import them before it has set up Django.
    import_string("django_jobqueue.worker.scheduler.fire_for")(plan)


def settle_in(alive: Connection, inherited: Connection | None, settings: str) -> None:
    """Make a process that a supervisor has started one of its own; see run_process."""
    if inherited is not None:
        inherited.close()
    if not apps.ready:  # spawned, not forked
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings)
        django.setup()
        databases.prepare()
    threading.Thread(target=_die_with_supervisor, args=[alive], daemon=True).start()


def _deliver(loops: Sequence[SlotLoop], *_: object) -> None:
    for loop in loops:
        loop.interrupt.deliver()


def backend_class(alias: str) -> type[Any]:
    """Return the class of an alias's backend, the sender of Django's signals."""
    path: str = task_backends.settings[alias]["BACKEND"]
    found: type[Any] = import_string(path)
    return found


def _loops(plan: Plan, number: int, board: Board, stop: StopFlag) -> Sequence[SlotLoop]:
    engine: Engine = new_engine(plan.alias, worker_timeouts(BLOCK))
    reports = new_engine(plan.alias, QUICK).jobs
    # Less up to a tenth, so that the processes of a worker are not all replaced at once.
    max_jobs = plan.max_jobs and plan.max_jobs - randrange(plan.max_jobs // 10 + 1)  # noqa: S311
    return [
        SlotLoop(
            engine,
            Executor(plan.alias, engine.options, engine.signer, backend_class(plan.alias)),
            Slot(plan.worker, name),
            plan.queues,
            stop,
            board.row(name),
            burst=plan.burst,
            max_jobs=max_jobs,
            reports=reports,
        )
        for name in plan.slots_of(number)
    ]


def _run_threads(loops: dict[SlotLoop, Row], stop: StopFlag, reader: int, writer: int) -> None:
    """Run each loop in a thread until it ends, or is idle when a stop is requested.

    A signal wakes this through `reader`: then the threads' runs are asked what the board says.
    """

    at_work = set(loops)

    def run(loop: SlotLoop, row: Row) -> None:
        while not _has_run(loop):
            time.sleep(ANEW)
        row.rest()  # the other threads may work on for long
        at_work.discard(loop)  # before it wakes who looks at it: the thread itself lives a bit on
        with suppress(BlockingIOError):  # so full of signals that it is awake
            os.write(writer, b"\0")

    for loop, row in loops.items():
        threading.Thread(target=run, args=[loop, row], daemon=True).start()
    while at_work:
        if stop.requested and all(map(_at_rest, list(at_work))):
            return
        ready, _, _ = select.select([reader], [], [], 0.1 if stop.requested else 60)
        if ready:
            os.read(reader, 4096)
            _deliver(list(loops))


def _has_run(loop: SlotLoop) -> bool:
    """Run a loop until it ends; tell whether that was in order.

    What breaks a slot would end its process, if that were all in it. Begun anew, its first claim
    gives back the job that it had.
    """
    try:
        loop.run()
    except BaseException:
        logger.exception("A slot broke down, and begins anew.")
        return False
    return True


def _at_rest(loop: SlotLoop) -> bool:
    # Under the gate, an idle loop can't be on its way to a claim: it looks at the stop first.
    with loop.gate:
        return loop.idle


def _die_with_supervisor(alive: Connection) -> None:
    """Kill this process when the supervisor's end of the pipe closes: no claim, no finish."""
    while os.read(alive.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGKILL)
