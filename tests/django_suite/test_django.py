"""Django's own tests/tasks, run against our backend.

They come from the source distribution of the installed Django; the environment variable
DJANGO_TESTS names its folder `tests`. `make matrix` fetches it.
"""

import os
import sys
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from django_jobqueue.backend import JobQueueBackend
from django_jobqueue.engine import close_engines, get_engine

if not os.environ.get("DJANGO_TESTS"):
    pytest.skip("DJANGO_TESTS does not name Django's folder of tests", allow_module_level=True)

sys.path.insert(0, os.environ["DJANGO_TESTS"])
import tasks.test_custom_backend as custom
import tasks.test_immediate_backend as immediate
import tasks.test_tasks as upstream

OPTIONS = settings.TASKS["default"]["OPTIONS"]
OURS = "django_jobqueue.backend.JobQueueBackend"
DRAINED = "tests.django_suite.backends.DrainedBackend"

pytestmark = pytest.mark.usefixtures("redis_server")


class _Results:
    """What DummyBackend offers its tests: the results so far."""

    def __init__(self, *results: Any) -> None:
        self.expected = results

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list) and len(other) == 1

    __hash__ = None  # type: ignore[assignment]


def _flush() -> None:
    close_engines()
    get_engine("default").client.redis.flushall()


@override_settings(
    TASKS={
        "default": {"BACKEND": OURS, "QUEUES": ["default", "queue_1"], "OPTIONS": OPTIONS},
        "immediate": {
            "BACKEND": "django.tasks.backends.immediate.ImmediateBackend",
            "QUEUES": [],
        },
        "missing": {"BACKEND": "does.not.exist"},
    },
    USE_TZ=True,
)
class TestTasks(upstream.TaskTestCase):
    """Everything but the two tests that name DummyBackend."""

    def setUp(self) -> None:
        _flush()
        JobQueueBackend.results = _Results()  # type: ignore[attr-defined]
        self.addCleanup(delattr, JobQueueBackend, "results")

    test_using_correct_backend = None
    test_get_backend = None


@override_settings(TASKS={"default": {"BACKEND": DRAINED, "OPTIONS": OPTIONS}})
class TestAsImmediate(immediate.ImmediateBackendTestCase):
    """Everything but what says that ImmediateBackend can't do something."""

    def setUp(self) -> None:
        _flush()

    test_using_correct_backend = None
    test_cannot_get_result = None
    test_cannot_refresh_result = None
    test_cannot_pass_run_after = None
    # A worker notes the failure and goes on; the terminal's Ctrl+C never reaches its tasks.
    test_throws_keyboard_interrupt = None


class TestCommit(immediate.ImmediateBackendTransactionTestCase):
    """A task of Django's decorator does not wait for the commit."""

    def setUp(self) -> None:
        _flush()

    @override_settings(TASKS={"default": {"BACKEND": DRAINED, "OPTIONS": OPTIONS}})
    def test_doesnt_wait_until_transaction_commit_by_default(self) -> None:
        # The decorated original replaces the backend by ImmediateBackend.
        test = immediate.ImmediateBackendTransactionTestCase
        test.test_doesnt_wait_until_transaction_commit_by_default.__wrapped__(self)


if hasattr(custom, "CustomTaskTestCase"):  # Django 6.1

    class TestCustomTask(custom.CustomTaskTestCase):
        """Django's decorator passes options to the backend's class of task."""
