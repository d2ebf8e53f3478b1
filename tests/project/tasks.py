"""The tasks that the tests enqueue. They write to a file to show that, and when, they ran."""

import os
import signal
import time
from pathlib import Path

from django_jobqueue import Cancel, JobContext, Retry, task


def note(path: str, line: str) -> None:
    """Append a line to a file; survives any kill of this process."""
    with open(path, "ab", buffering=0) as file:
        file.write(f"{line}\n".encode())


@task
def noop() -> None:
    pass


@task
def echo(*args: object, **kwargs: object) -> object:
    return [list(args), kwargs]


@task
def add(a: int, b: int) -> int:
    return a + b


@task
def fail(message: str = "broken") -> None:
    raise ValueError(message)


@task(max_attempts=3, backoff=[0.05, 0.1])
def fail_twice(path: str) -> str:
    note(path, "run")
    if len(Path(path).read_text().splitlines()) < 3:
        raise ConnectionError("not yet")
    return "done"


@task(max_attempts=3, backoff=0.05, no_retry_for=[KeyError])
def fail_for_good() -> None:
    raise KeyError("never again")


@task(takes_context=True)
def attempt_of(context: JobContext, extra: str = "") -> list[object]:
    return [context.attempt, context.task_result.id, extra]


@task(takes_context=True)
def with_progress(context: JobContext, total: int) -> int:
    for step in range(total + 1):
        context.progress(step, total, f"step {step}")
    return total


@task(takes_context=True)
def ask_for_retry(context: JobContext) -> str:
    if context.attempt == 1:
        raise Retry(after=0.05)
    return "second"


@task
def cancel_itself() -> None:
    raise Cancel("enough")


@task
def exit_process() -> None:
    raise SystemExit(3)


@task
def unstorable() -> object:
    return object()


@task(takes_context=True)
def write(context: JobContext, path: str, text: str) -> None:
    note(path, f"{text} {context.task_result.id} {os.getpid()}")


@task(takes_context=True)
def hold(context: JobContext, path: str, until: str, seconds: float = 30.0) -> str:
    """Note the start, wait until a file exists, note the end."""
    note(path, f"start {context.task_result.id} {os.getpid()}")
    deadline = time.monotonic() + seconds
    while not Path(until).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    note(path, f"end {context.task_result.id} {os.getpid()}")
    return "held"


@task
def kill_own_process(path: str, times: int = 100) -> str:
    note(path, f"start {os.getpid()}")
    if len(Path(path).read_text().splitlines()) <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


@task
def leave_quietly() -> None:
    os._exit(0)


@task
async def aecho(value: object) -> object:
    return value


@task
def count_users() -> int:
    from django.contrib.auth.models import User  # noqa: PLC0415 - the app may be absent

    return User.objects.count()


@task
def enqueue_elsewhere(queue: str) -> None:
    noop.using(queue_name=queue).enqueue()


@task(takes_context=True)
def retry_after(context: JobContext, seconds: float) -> None:
    raise Retry(after=seconds)
