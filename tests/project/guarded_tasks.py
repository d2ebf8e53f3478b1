"""Tasks that may not outlive their lease, and one that takes all the memory."""

import time
from pathlib import Path

from django_jobqueue import JobContext, task
from tests.project.tasks import note


@task(takes_context=True, stop_on_lease_loss=True, max_recoveries=5)
def hold_guarded(context: JobContext, path: str, until: str) -> str:
    """Note the start, wait until a file exists, note the end."""
    note(path, f"start {context.task_result.id} {time.monotonic()}")
    while not Path(until).exists():
        time.sleep(0.01)
    note(path, f"end {context.task_result.id} {time.monotonic()}")
    return "held"


@task(max_recoveries=0)
def devour() -> None:
    """Take memory until the kernel objects; the processes around are far smaller."""
    hoard = []
    while True:
        hoard.append(bytearray(10_000_000))
