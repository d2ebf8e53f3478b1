"""The look-up of a task whose module can't be imported to its end."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from django_jobqueue import paths
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
