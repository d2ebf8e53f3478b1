"""One process of a worker: its slots, its signals, and its end if the supervisor ends."""

import logging
import os
import select
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from random import randrange
from typing import Any

import django
from django.apps import apps
from django.dispatch import Signal
from django.utils.module_loading import import_string

from django_jobqueue.compat import silence_framework, task_backends
from django_jobqueue.engine import Engine, new_engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.locate import BEST_EFFORT_TIMEOUTS, worker_timeouts
from django_jobqueue.signals import worker_started, worker_stopping
from django_jobqueue.worker import connections, forks, ledger_look
from django_jobqueue.worker.config import WorkerConfig
from django_jobqueue.worker.executor import Executor
from django_jobqueue.worker.limits.interrupt import INTERRUPT_SIGNAL
from django_jobqueue.worker.limits.kill import kill_group
from django_jobqueue.worker.limits.shared_state import SharedState, SlotState
from django_jobqueue.worker.output import keep_writable
from django_jobqueue.worker.slot_loop import BLOCK, SlotLoop, StopFlag, StopIdling
from django_jobqueue.worker.stacks import answer_by
from django_jobqueue.worker.stop_signals import STOP_SIGNALS, heeded

logger = logging.getLogger("django_jobqueue.worker")

EXIT_TIMEOUT = 30.0  # seconds that a process may take to end after its last job
SLOT_RESTART_DELAY = 1.0  # seconds until a broken slot starts again


def run_process(
    config: WorkerConfig,
    number: int,
    shared: SharedState,
    stacks: Connection,
    alive: Connection,
    inherited: Connection | None,
    settings: str,
) -> None:
    """Run the slots of one process until told to stop; write into `stacks` where they are.

    `alive` is the read end of a pipe whose write end only the supervisor keeps open. `inherited` is
    the forked process's copy of the write end. `settings` names the Django settings module for a
    spawned process.
    """
    init_child(alive, inherited, settings)
    silence_framework()
    stop = StopFlag()
    wake_reader, wake_writer = os.pipe()
    os.set_blocking(wake_writer, False)
    signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
    loops = _loops(config, number, shared, stop)
    forks.set_handlers(
        dict.fromkeys(heeded(), leave_to_supervisor)
        | {
            signal.SIGTERM: stop.handle,
            # With threads the main loop delivers: a handler could interrupt itself and block on
            # a lock.
            INTERRUPT_SIGNAL: partial(_deliver, loops if len(loops) == 1 else ()),
        }
        | answer_by(stacks, len(loops))
    )
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    _announce(worker_started, config, number)
    states = [shared.slot(slot) for slot in config.slots_of(number)]
    for state in states:
        state.mark_ready()
    if number == 0:
        ledger_look.start(config.alias)
    if len(loops) == 1:
        states[0].mark_thread()
        with suppress(StopIdling):
            loops[0].run()
    else:
        _run_threads(dict(zip(loops, states, strict=True)), stop, wake_reader, wake_writer)
    for state in states:
        state.mark_leaving(time.monotonic() + EXIT_TIMEOUT)
    _announce(worker_stopping, config, number)


def _announce(event: Signal, config: WorkerConfig, number: int) -> None:
    """Send a Django signal; the process's start or end time-out includes its receivers."""
    try:
        event.send_robust(
            backend_class(config.alias),
            worker=config.worker,
            alias=config.alias,
            queues=config.queues,
            process=number,
        )
    except SystemExit as error:  # not an orderly end: the supervisor must delay the next process
        raise RuntimeError(f"A receiver of a signal ended process {number}: {error!r}") from error
    connections.tidy()  # receivers may have queried


def run_scheduler(
    config: WorkerConfig, alive: Connection, inherited: Connection | None, settings: str
) -> None:
    """Fire schedules until told to stop; see run_process."""
    init_child(alive, inherited, settings)
    # The module imports models, which a spawned process can do only after django.setup().
    import_string("django_jobqueue.worker.scheduling.scheduler.run_for_worker")(config)


def init_child(alive: Connection, inherited: Connection | None, settings: str) -> None:
    """Initialise a process that a supervisor has started; see run_process."""
    os.setpgid(0, 0)  # it leads what it starts: see limits/kill.py
    if inherited is not None:
        inherited.close()
    if not apps.ready:  # spawned, not forked
        keep_writable()
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings)
        django.setup()
        connections.prepare()
    threading.Thread(target=_die_with_supervisor, args=[alive], daemon=True).start()


def leave_to_supervisor(signum: int, frame: object) -> None:
    """Do nothing: at this signal the supervisor sends SIGTERM.

    Were the signal ignored instead, the programs that a task starts would ignore it too.
    """


def _deliver(loops: Sequence[SlotLoop], *_: object) -> None:
    if forks.under_way():
        return  # the end of the fork calls this again
    for loop in loops:
        loop.interrupt.deliver()


def backend_class(alias: str) -> type[Any]:
    """Return the class of an alias's backend, which is the sender of signals."""
    path: str = task_backends.settings[alias]["BACKEND"]
    found: type[Any] = import_string(path)
    return found


def _loops(
    config: WorkerConfig, number: int, shared: SharedState, stop: StopFlag
) -> list[SlotLoop]:
    engine: Engine = new_engine(config.alias, worker_timeouts(BLOCK))
    reports = new_engine(config.alias, BEST_EFFORT_TIMEOUTS).jobs
    # Reduced by up to a tenth, so that a worker's processes are not all replaced at once.
    limit = config.max_jobs
    max_jobs = limit and limit - randrange(limit // 10 + 1)  # noqa: S311
    return [
        SlotLoop(
            engine,
            Executor(config.alias, engine.options, engine.signer, backend_class(config.alias)),
            Slot(config.worker, name),
            config.queues,
            stop,
            shared.slot(name),
            burst=config.burst,
            max_jobs=max_jobs,
            weights=config.weights,
            reports=reports,
        )
        for name in config.slots_of(number)
    ]


def _run_threads(
    loops: dict[SlotLoop, SlotState], stop: StopFlag, reader: int, writer: int
) -> None:
    """Run each loop in a thread until all have ended, or are idle when a stop is requested.

    A signal wakes this function through `reader`; then it delivers interrupts to the threads.
    """
    at_work = set(loops)

    def run(loop: SlotLoop, state: SlotState) -> None:
        state.mark_thread()
        while not _has_run(loop):
            time.sleep(SLOT_RESTART_DELAY)
        state.mark_idle()  # the other threads may run for long
        at_work.discard(loop)  # before the wake-up: the thread is still alive then
        with suppress(BlockingIOError):  # full: the main thread is awake
            os.write(writer, b"\0")

    for loop, state in loops.items():
        threading.Thread(target=run, args=[loop, state], daemon=True).start()
    while at_work:
        if stop.requested and all(map(_at_rest, list(at_work))):
            return
        ready, _, _ = select.select([reader], [], [], 0.1 if stop.requested else 60)
        if ready:
            os.read(reader, 4096)
            _deliver(list(loops))


def _has_run(loop: SlotLoop) -> bool:
    """Run a loop until it ends; return whether it ended without an error.

    In a process of one slot, the error would end the process. A slot that starts again releases
    its earlier job at its first claim.
    """
    try:
        loop.run()
    except BaseException:
        with suppress(Exception):  # whatever the log does, the slot begins anew
            logger.exception("A slot broke down, and begins anew.")
        return False
    return True


def _at_rest(loop: SlotLoop) -> bool:
    # An idle loop runs nothing. The call in which it waits may claim a job still, which the
    # supervisor releases when this process has ended.
    with loop.idle_lock:
        return loop.idle


def _die_with_supervisor(alive: Connection) -> None:
    """Kill this process and its group when the supervisor's end of the pipe closes."""
    while os.read(alive.fileno(), 1):
        pass
    kill_group(os.getpid())
