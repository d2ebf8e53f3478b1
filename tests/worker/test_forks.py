"""A fork in a slot's process: who hears of a signal that comes meanwhile."""

import os
import subprocess
import sys

import pytest

from tests.support.processes import PATIENCE, ROOT

# What a project does around a fork is called between the functions of the slot; there a signal
# comes. Python drops an exception that a handler raises there.
SCRIPT = """
import os, signal, sys

def come():
    os.kill(os.getpid(), signal.SIGUSR1)

os.register_at_fork(**{sys.argv[1]: come})

from django_jobqueue.worker import forks

def handler(*_):
    if not forks.under_way():
        raise InterruptedError

forks.set_handlers({signal.SIGUSR1: handler, signal.SIGTERM: handler})
try:
    if not (pid := os.fork()):
        os._exit(0)
except InterruptedError:
    print("interrupted", forks.under_way(), signal.pthread_sigmask(signal.SIG_BLOCK, ()))
"""


def run(script: str, *arguments: str) -> list[str]:
    """Run a script in a process of its own, where functions for forks stay; return its lines."""
    environment = {"PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "tests.project.settings"}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize("moment", ["before", "after_in_parent"])
def test_interrupt_waits_for_the_end_of_the_fork(moment: str) -> None:
    """It is neither lost nor too early."""
    assert run(SCRIPT, moment) == ["interrupted False set()"]


HANDLERS = """
import os, signal
from django_jobqueue.worker import forks

def ours(*_): pass
def of_the_task(*_): pass

forks.set_handlers({signal.SIGUSR1: ours, signal.SIGTERM: ours, signal.SIGINT: ours})
signal.signal(signal.SIGTERM, of_the_task)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])

def show():
    if not os.fork():
        found = [signal.getsignal(n) for n in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)]
        print(*[getattr(one, "__name__", one) for one in found], flush=True)
        print(signal.pthread_sigmask(signal.SIG_BLOCK, ()), flush=True)
        return True
    os.wait()
    return False

if show():
    signal.signal(signal.SIGUSR1, ours)
    show()
"""


def test_new_process_keeps_what_the_task_has_set() -> None:
    """Only the slot's handlers go; and what that process forks in turn is its own affair."""
    mask = "{<Signals.SIGHUP: 1>}"
    assert run(HANDLERS) == [
        *("0 of_the_task default_int_handler", mask),
        *("ours of_the_task default_int_handler", mask),
    ]
