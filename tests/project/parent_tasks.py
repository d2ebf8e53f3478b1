"""Tasks that start processes, and end them or leave them behind."""

import multiprocessing
import subprocess
import time

from django_jobqueue import task

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
