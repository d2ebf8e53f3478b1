"""The public words: what `django_jobqueue` exports is there, documented and nothing else."""

import inspect
import subprocess
import sys

import pytest

import django_jobqueue
from django_jobqueue import exceptions

WANTED = {
    "Cancel",
    "Exponential",
    "JobCancelled",
    "JobContext",
    "JobQueueError",
    "JobResult",
    "JobTimeout",
    "Latest",
    "Limit",
    "LockHeld",
    "LogLine",
    "MemberHeld",
    "Progress",
    "QueueUnavailable",
    "Rate",
    "Retry",
    "Task",
    "Unique",
    "Workflow",
    "__version__",
    "cancel_tagged",
    "chain",
    "group",
    "schedule",
    "task",
    "track",
}


def test_exports_are_listed() -> None:
    """A new public word is a decision, not an accident."""
    assert set(django_jobqueue.__all__) == WANTED
    assert len(django_jobqueue.__all__) == len(WANTED)


@pytest.mark.parametrize("name", sorted(WANTED - {"__version__"}))
def test_export_is_there_and_explains_itself(name: str) -> None:
    """Each has a docstring of its own, which `help()` shows."""
    word = getattr(django_jobqueue, name)
    assert inspect.getdoc(word)
    assert word.__doc__ != object.__doc__


def test_nothing_else_looks_public() -> None:
    """Submodules aside, the package's namespace holds the exports alone."""
    found = {
        name
        for name, value in vars(django_jobqueue).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert found == WANTED - {"__version__"}


def test_star_import_works() -> None:
    """Every name of `__all__` can be imported."""
    namespace: dict[str, object] = {}
    exec("from django_jobqueue import *", namespace)  # noqa: S102 - the statement under test
    assert set(namespace) | {"__version__"} >= WANTED


def test_errors_have_one_ancestor() -> None:
    """Who catches JobQueueError catches all; what steers a job is no error of ours."""
    errors = {
        name: value
        for name, value in vars(exceptions).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    steering = {"Retry", "Cancel"}
    assert {n for n, e in errors.items() if not issubclass(e, exceptions.JobQueueError)} == steering
    assert all(error.__doc__ for error in errors.values())
    tree = exceptions.__doc__ or ""
    assert [name for name in errors if name not in tree] == []


def test_import_needs_no_settings_and_no_server() -> None:
    """`import django_jobqueue` works in a bare interpreter, and loads no models."""
    code = (
        "import sys, django_jobqueue;"
        "assert 'django_jobqueue.models' not in sys.modules;"
        "assert 'django_jobqueue.worker' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
