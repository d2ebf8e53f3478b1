"""Tasks that start processes, and end them or leave them behind."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import time

from django_jobqueue import JobTimeout, task
from tests.project.tasks import note

FOR_EVER = 3600.0  # seconds
FORK = multiprocessing.get_context("fork")


def square(number: int) -> int:
    return number * number


@task
def use_pools(times: int) -> int:
    """Let pools compute; each ends its processes by SIGTERM."""
    found = 0
    for _ in range(times):
        with FORK.Pool(4) as pool:
            found = sum(pool.map(square, range(40)))
    return found


@task
def end_at_once(times: int) -> list[int | None]:
    """Ask processes to end that have hardly begun; return how they ended."""
    codes: set[int | None] = set()
    for _ in range(times):
        process = FORK.Process(target=time.sleep, args=[FOR_EVER])
        process.start()
        process.terminate()
        process.join(5)
        codes.add(process.exitcode)
        process.kill()
    return sorted(codes, key=str)


@task
def leave_daemon() -> int:
    process = FORK.Process(target=time.sleep, args=[FOR_EVER], daemon=True)
    process.start()
    return process.pid or 0


@task
def signals_of_a_program() -> list[int]:
    """Return the signals that a program ignores or blocks which the task starts."""
    command = ["sh", "-c", "grep -E 'Sig(Ign|Blk)' /proc/self/status"]
    words = subprocess.check_output(command, text=True).split()
    masks = [int(word, 16) for word in words[1::2]]
    return [number for number in range(1, 32) if any(mask >> number - 1 & 1 for mask in masks)]


@task
def leave_program(path: str, own_session: bool = False) -> None:
    note(path, f"start {start_program(own_session)}")


@task
def wait_for_program(path: str) -> None:
    note(path, f"start {start_program()}")
    time.sleep(FOR_EVER)


@task(timeout=0.5, kill_grace=0.2)
def cling_to_program(path: str) -> None:
    """Go on when asked to end."""
    note(path, f"start {start_program()}")
    while True:
        with contextlib.suppress(JobTimeout):
            time.sleep(FOR_EVER)


@task(max_recoveries=0)
def die_beside_process(path: str) -> None:
    process = FORK.Process(target=time.sleep, args=[FOR_EVER])
    process.start()
    note(path, f"start {process.pid}")
    os.kill(os.getpid(), signal.SIGKILL)


def start_program(own_session: bool = False) -> int:
    return subprocess.Popen(["sleep", "3600"], start_new_session=own_session).pid
