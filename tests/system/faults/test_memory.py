"""A task that takes more memory than there is: the kernel kills its process."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from tests.project import guarded_tasks, tasks
from tests.support.processes import WorkerProcess, until

from .conftest import until_final

LIMIT = 500_000_000  # bytes: a worker of one process needs a fifth of it
Start = Callable[..., WorkerProcess]


def own_group() -> Path:
    """Return the control group for memory in which this process is."""
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    for _, controllers, path in lines:
        if "memory" in controllers.split(","):
            return Path(f"/sys/fs/cgroup/memory{path}")
    return next(Path(f"/sys/fs/cgroup{path}") for _, names, path in lines if not names)


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A control group with little memory."""
    folder = own_group().with_name(f"jobqueue-{os.getpid()}")
    limit = "memory.limit_in_bytes" if folder.parts[4] == "memory" else "memory.max"
    try:
        folder.mkdir()
        (folder / limit).write_text(str(LIMIT))
    except OSError as error:
        if folder.exists():
            folder.rmdir()
        pytest.skip(f"no control group for memory can be made here: {error}")
    yield folder
    until(lambda: not (folder / "cgroup.procs").read_text())
    folder.rmdir()


@contextmanager
def inside(group: Path) -> Iterator[None]:
    """Let this process be in a group while it starts another, which stays there."""
    home = own_group()
    (group / "cgroup.procs").write_text(str(os.getpid()))
    try:
        yield
    finally:
        (home / "cgroup.procs").write_text(str(os.getpid()))


def test_want_of_memory_is_told_as_such(
    worker_process: Start, engine: Engine, small_group: Path
) -> None:
    """The job fails with this reason, and the worker goes on."""
    with inside(small_group):
        worker = worker_process("--processes", "1")
    hog = guarded_tasks.devour.enqueue()
    other = tasks.noop.enqueue()
    try:
        devoured, done = until_final(engine, [hog, other])
    finally:
        worker.kill_all()

    assert (devoured.state, devoured.reason) == (State.FAILED, "out_of_memory")
    assert done.state is State.SUCCEEDED
