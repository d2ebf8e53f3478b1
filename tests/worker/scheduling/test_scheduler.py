"""The scheduler's process: how it ends."""

import signal
import threading

from django_jobqueue.engine import Engine
from django_jobqueue.worker.scheduling.scheduler import Scheduler
from django_jobqueue.worker.stop_signals import STOP_SIGNALS


def test_signal_that_waited_for_the_handlers_ends_it_well(engine: Engine) -> None:
    """A worker that is stopped at its start starts the process with signals blocked."""
    before = {signum: signal.getsignal(signum) for signum in STOP_SIGNALS}
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)  # other threads do not block it
    try:
        assert Scheduler(engine, "scheduler-1").run() == 0
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
