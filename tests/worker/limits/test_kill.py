"""Processes are killed for what they do, and for nothing else."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from django_jobqueue.worker.limits.kill import kill_if_still
from tests.support.processes import until


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that counts in a file descriptor."""
    code = "import time\nwhile True: print('x', flush=True); time.sleep(0.001)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read(1)
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_process_is_killed_if_the_reason_stands(child: subprocess.Popen[bytes]) -> None:
    assert kill_if_still(child.pid, lambda: True)
    assert child.wait(10) == -signal.SIGKILL


def test_process_goes_on_if_the_reason_has_gone(child: subprocess.Popen[bytes]) -> None:
    """It was stopped while the question was asked, and runs again."""
    states = []

    def has_gone() -> bool:
        states.append(state_of(child.pid))
        return False

    assert not kill_if_still(child.pid, has_gone)
    assert states == ["T"]
    until(lambda: state_of(child.pid) in "RS")
    assert child.poll() is None


def test_process_that_has_ended_meanwhile_can_be_collected(
    child: subprocess.Popen[bytes],
) -> None:
    """Its exit code is left to who waits for it."""
    os.kill(child.pid, signal.SIGTERM)
    kill_if_still(child.pid, lambda: True)
    assert child.wait(10) in (-signal.SIGTERM, -signal.SIGKILL)
