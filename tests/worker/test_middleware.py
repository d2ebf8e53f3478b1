"""Middleware around each enqueue and each run, and the metadata that travel with a job."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from django_jobqueue import checks, compat, middleware, task
from django_jobqueue.engine import Engine
from django_jobqueue.exceptions import PayloadTooLarge
from django_jobqueue.testing import EagerBackend, captured_jobs, drain
from tests.project import door_tasks as tasks
from tests.project.middleware import seen, tenant
from tests.support.ended import ended

Use = Callable[..., None]
PATH = "tests.project.middleware."


@pytest.fixture
def use(engine: Engine, settings: Any) -> Use:
    """Put middleware around the default alias."""
    seen.clear()

    def put(*names: str) -> None:
        default = settings.TASKS["default"]
        options = default["OPTIONS"] | {"MIDDLEWARE": [PATH + name for name in names]}
        settings.TASKS = {"default": {**default, "OPTIONS": options}}

    return put


def test_first_one_is_the_outermost(use: Use) -> None:
    """At the enqueue and around the function."""
    use("Outer", "Inner")
    assert ended(tasks.ordinary).return_value == "done"
    assert seen == [
        "outer",
        "inner [] ['tenant']",
        *("outer in", "inner in", "function", "inner out", "outer out"),
    ]


@pytest.mark.parametrize("task", [tasks.whose, tasks.awhose])
def test_tenant_of_the_caller_is_that_of_the_run(use: Use, task: Any) -> None:
    """A plain function and a coroutine see what the middleware has set."""
    use("Outer")
    token = tenant.set("ada")
    result = task.enqueue()
    tenant.reset(token)

    drain()

    result.refresh()
    assert (result.return_value, result.metadata) == ("ada", {"tenant": "ada"})
    assert tenant.get() == "nobody"


def test_metadata_go_on_to_what_a_job_enqueues(use: Use) -> None:
    """The run's own context counts there."""
    use("Outer")
    token = tenant.set("ada")
    first = tasks.enqueues_another.enqueue()
    tenant.reset(token)
    drain()
    first.refresh()
    assert tasks.whose.get_result(first.return_value).return_value == "ada"


def test_metadata_of_the_task_the_call_and_the_middleware(use: Use) -> None:
    """Each adds to those before it."""
    use("Outer")
    assert ended(tasks.given.using(metadata={"n": [1, {"a": None}]})).return_value == {
        "kind": "report",
        "n": [1, {"a": None}],
        "tenant": "nobody",
    }


def test_each_of_many_jobs_has_its_own(use: Use) -> None:
    """Once per job, at the call, and never again at a retry."""
    use("Outer", "Inner")
    many = tasks.breaks_twice.enqueue_many([(), ()])
    assert [result.metadata for result in many] == [{"tenant": "nobody"}] * 2
    assert seen.count("outer") == 2
    drain()
    assert seen.count("outer") == 2
    assert seen.count("outer ValueError") == 4


@pytest.mark.django_db(transaction=True)
def test_commit_asks_nobody_again(use: Use) -> None:
    """The call was before it."""
    use("Outer")
    with transaction.atomic():
        tasks.whose.enqueue_on_commit()
        token = tenant.set("somebody else")
    tenant.reset(token)
    assert seen == ["outer"]
    assert drain() == 1


def test_enqueue_may_be_refused(use: Use, engine: Engine) -> None:
    """The caller gets the exception, and nothing is stored."""
    use("Outer", "Refuses")
    with pytest.raises(PermissionError, match="ordinary is not for everybody"):
        tasks.ordinary.enqueue()
    assert engine.inspector.queue_stats() == engine.inspector.queue_stats([])


@pytest.mark.parametrize(
    ("metadata", "error", "said"),
    [
        ({"at": object()}, TypeError, "metadata 'at'"),
        ({5: "x"}, TypeError, "metadata itself has the mapping key 5"),
        ({"n": float("nan")}, TypeError, "metadata 'n' is nan"),
        ({"text": "x" * 4096}, PayloadTooLarge, "the metadata: 4107 bytes as JSON"),
    ],
)
def test_metadata_are_plain_json_of_4_kib(
    use: Use, metadata: dict[Any, Any], error: type[Exception], said: str
) -> None:
    """The message names the key."""
    with pytest.raises(error, match=said):
        tasks.ordinary.using(metadata=metadata).enqueue()
    assert drain() == 0


def test_middleware_that_adds_no_json_is_told(use: Use) -> None:
    use("Unstorable")
    with pytest.raises(TypeError, match="metadata 'at'"):
        tasks.ordinary.enqueue()


@pytest.mark.parametrize("name", ["BreaksBefore", "BreaksAfter"])
def test_one_that_raises_fails_the_attempt(use: Use, name: str) -> None:
    """Before the function, it is not called; the worker goes on in both cases."""
    use("Outer", name)
    result = ended(tasks.ordinary)
    assert (result.state, result.reason) == ("failed", "exception")
    assert result.errors[0].exception_class is LookupError
    assert ("function" in seen) is (name == "BreaksAfter")
    assert seen[-2:] == ["outer LookupError", "outer out"]
    use()
    assert ended(tasks.ordinary).state == "succeeded"


def test_one_that_raises_is_retried_as_the_task_says(use: Use) -> None:
    use("BreaksBefore")
    result = ended(tasks.breaks_twice)
    assert [error.exception_class for error in result.errors] == [LookupError, LookupError]


def test_one_may_take_the_exception(use: Use) -> None:
    """Then the run has succeeded, with None."""
    use("Swallows")
    result = ended(tasks.breaks)
    assert (result.state, result.return_value) == ("succeeded", None)
    assert seen == ["swallowed"]


def test_kit_for_tests_goes_through_it(use: Use, settings: Any) -> None:
    """Captured jobs, and the backend without Redis."""
    use("Outer")
    with captured_jobs() as jobs:
        tasks.whose.enqueue()
    assert jobs.run()[0].return_value == "nobody"
    assert seen == ["outer", "outer in", "outer out"]
    eager = {"BACKEND": f"{EagerBackend.__module__}.{EagerBackend.__name__}"}
    settings.TASKS = {"default": settings.TASKS["default"] | eager}
    assert tasks.whose.enqueue().return_value == "nobody"
    assert seen[3:] == ["outer", "outer in", "outer out"]


def test_wrong_classes_are_a_check_and_an_error(use: Use) -> None:
    """Both say which."""
    use("Nowhere", "Outer")
    (fault,) = checks.check_configuration()
    assert (fault.id, "middleware.Nowhere" in fault.msg) == ("jobqueue.E007", True)
    with pytest.raises(ImproperlyConfigured, match="can't be imported"):
        tasks.ordinary.enqueue()
    for name, said in (
        ("NeedsArguments", "called without arguments: TypeError"),
        ("Awaited", "whose method `enqueue` is async"),
        ("Yields", "whose method `run` is async"),
    ):
        use(name)
        (fault,) = checks.check_configuration()
        assert (fault.id, said in fault.msg) == ("jobqueue.E007", True)
    use("Empty")
    with pytest.raises(ImproperlyConfigured, match="neither a method `enqueue` nor `run`"):
        tasks.ordinary.enqueue()


def test_each_process_has_its_own_instances(use: Use) -> None:
    """What the parent's hold, such as a connection, is not for its children."""
    use("Outer")
    paths = (f"{PATH}Outer",)
    mine = middleware.load(paths).run[0]
    assert middleware.load(paths).run[0] == mine
    child = os.fork()
    if child == 0:
        os._exit(int(middleware.load(paths).run[0] == mine))
    assert os.waitpid(child, 0)[1] == 0


def test_deep_metadata_are_of_one_job(use: Use) -> None:
    """What middleware changes there is in no other job, and not in the task."""
    use("Tags")
    tags = [result.metadata["tags"] for result in tasks.tagged.enqueue_many([(), ()])]
    assert tags == [["base", 1], ["base", 1]]
    assert ended(tasks.tagged).metadata == {"tags": ["base", 1], "at": [1, 2]}
    assert tasks.tagged.metadata == {"tags": ["base"], "at": (1, 2)}


def test_result_has_the_metadata_as_they_are_stored(engine: Engine) -> None:
    """Tuples are lists, at once."""
    assert tasks.tagged.enqueue().metadata["at"] == [1, 2]


def test_no_metadata_take_none_away(engine: Engine) -> None:
    assert ended(tasks.given.using(metadata={})).metadata["kind"] == "report"


@pytest.mark.parametrize("metadata", [5, "text", [("a", 1)]])
def test_metadata_that_are_no_mapping_are_told_at_once(metadata: Any) -> None:
    """At the decorator, and at `using`."""
    with pytest.raises(compat.InvalidTask, match="must be a mapping"):
        tasks.ordinary.using(metadata=metadata)
    with pytest.raises(compat.InvalidTask, match="must be a mapping"):
        task(metadata=metadata)(tasks.ordinary.func)


def test_unused_it_is_not_entered(engine: Engine) -> None:
    """Without middleware there is nothing to go through."""
    assert middleware.load(()) == ([], [])


def test_enqueue_on_commit_waits_whatever_the_default_is(engine: Engine) -> None:
    """Django's proposal has this name."""
    quick = tasks.ordinary.using(on_commit=False)
    assert not quick.enqueue_on_commit().is_pending  # there is no transaction
    with captured_jobs() as jobs:
        quick.enqueue_on_commit()
    assert jobs[0].task.on_commit
    assert isinstance(jobs[0], compat.TaskResult)
