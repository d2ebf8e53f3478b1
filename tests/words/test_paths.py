"""The look-up of a task whose module can't be imported to its end."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from django_jobqueue import compat, paths
from django_jobqueue.exceptions import TaskUnknown

DEFINED = """
from django_jobqueue import task

@task
def early():
    return later()
"""
LATER = """
def later():
    return "whole"
"""
RAISES = "raise RuntimeError('out of order')\n"
Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a module that can be imported, and forget how it was before."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(name: str, text: str) -> None:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        importlib.invalidate_caches()

    return write


def fault(path: str) -> str:
    with pytest.raises(TaskUnknown) as caught:
        paths.find(path)
    return str(caught.value)


def test_task_above_the_error_is_never_found(write: Write) -> None:
    """Each look-up tells the error, until the module is mended; then the whole one is found."""
    write("half_module.py", DEFINED + RAISES)
    told = [fault("half_module.early") for _ in range(3)]
    assert told == 3 * ["There is no task 'half_module.early': RuntimeError: out of order."]
    assert "half_module.early" not in paths.registered()

    write("half_module.py", DEFINED + LATER)
    found = paths.find("half_module.early")
    assert found.func() == "whole"
    assert paths.registered()["half_module.early"] is found is paths.find("half_module.early")


def test_nor_if_others_caught_the_error(write: Write) -> None:
    write("caught_module.py", DEFINED + RAISES)
    with pytest.raises(RuntimeError):
        importlib.import_module("caught_module")
    assert "out of order" in fault("caught_module.early")


def test_nor_in_a_package_that_raises(write: Write) -> None:
    """Its module is whole, and Python keeps it."""
    write("half_package/tasks.py", DEFINED + LATER)
    write("half_package/__init__.py", "import half_package.tasks\n" + RAISES)
    for _ in range(2):
        assert "out of order" in fault("half_package.tasks.early")


TWICE = """
from django_jobqueue import task

@task
def mark():
    return "first"

urgent = mark.using(priority=9)

@task(timeout=5)
def mark():
    return "second"
"""
ONCE = """
from django_jobqueue import task

@task
def mark():
    return {!r}
"""


def test_second_task_of_a_name_is_refused(write: Write) -> None:
    """Called directly, the last would run; a job would run the first."""
    write("twice_module.py", TWICE)
    for _ in range(2):
        with pytest.raises(compat.InvalidTask) as caught:
            importlib.import_module("twice_module")
        assert str(caught.value) == (
            "twice_module defines two tasks 'twice_module.mark', in lines 4 and 10: a worker finds "
            "a task by this name, so it could run only one of them. Rename one."
        )
    assert "defines two tasks" in fault("twice_module.mark")


@pytest.mark.parametrize("again", ["reloaded", "imported"])
def test_module_that_is_loaded_again_defines_its_tasks_anew(write: Write, again: str) -> None:
    """As a shell does it; copies of the earlier task change nothing."""
    name = f"{again}_module"
    write(f"{name}.py", ONCE.format("first"))
    first = importlib.import_module(name)
    assert paths.find(f"{name}.mark").func() == "first"
    earlier = first.mark
    write(f"{name}.py", ONCE.format("second"))
    if again == "reloaded":
        module = importlib.reload(first)
    else:
        del sys.modules[name]
        module = importlib.import_module(name)
    earlier.using(priority=5)
    assert module.mark.func() == "second"
    assert paths.find(f"{name}.mark") is module.mark
    assert paths.registered()[f"{name}.mark"] is module.mark
