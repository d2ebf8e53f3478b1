"""What `@task` refuses, and what it says to those who come from another queue."""

import functools
import sys
from types import ModuleType
from typing import Any

import pytest
from django.core.mail import send_mail

from django_jobqueue import compat, task
from django_jobqueue.schedules import spec
from django_jobqueue.testing import captured_jobs
from tests.project import tasks


@pytest.mark.parametrize(
    "function", [lambda: 1, len, dict, functools.partial(tasks.add.func, 1), [].append]
)
def test_what_has_no_name_of_its_own_is_refused(function: Any) -> None:
    """A worker could not find it again."""
    with pytest.raises(compat.InvalidTask, match=r"can't be a task. .* with `def`"):
        task(function)


def test_what_is_no_function_is_refused() -> None:
    """A string where Celery and RQ take a queue; a task once more."""
    with pytest.raises(TypeError, match=r"such as @task\(queue_name='high'\)"):
        task("high")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"tests.project.tasks.add is a task already; `using`"):
        task(tasks.add)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("max_retries", "Here, max_attempts counts all runs, the first one too."),
        ("countdown", r"using\(run_after="),
        ("acks_late", "runs again, at most max_recoveries times"),
        ("bind", "takes_context=True"),
        ("queue", "Here, queue_name names the queue."),
        ("max_attemps", "Did you mean 'max_attempts'"),
        ("zzzzz", "Known: atomic, backend, backoff, concurrency, durable"),
    ],
)
def test_options_of_other_queues_lead_to_ours(option: str, says: str) -> None:
    """In the decorator and in `using`."""
    makers: tuple[Any, ...] = (task, tasks.noop.using)
    for make in makers:
        with pytest.raises(TypeError, match=f"has no option '{option}'"):
            make(**{option: 3})
    with pytest.raises(TypeError, match=says):
        makers[0](**{option: 3})


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("delay", r"Here, task.enqueue\(\.\.\.\) stores a job"),
        ("apply_async", r".*task.using\(\.\.\.\) sets options"),
        ("enqueu", "Did you mean 'enqueue'"),
    ],
)
def test_calls_of_other_queues_lead_to_ours(name: str, says: str) -> None:
    with pytest.raises(AttributeError, match=f"A task has no attribute '{name}'. {says}"):
        getattr(tasks.noop, name)


def test_function_of_others_is_a_task_where_workers_define_it() -> None:
    """In the `tasks` of an app, which all import; elsewhere its path leads to the function."""
    with captured_jobs() as jobs:
        tasks.capitalise.enqueue("two words")
    (ended,) = jobs.run()
    assert ended.return_value == "Two Words"
    with pytest.raises(compat.InvalidTask, match=r"'django.core.mail.send_mail' is no task but"):
        task(send_mail).enqueue("subject", "text", None, ["a@example.com"])


class Room:
    @staticmethod
    @task
    def sweep() -> None: ...


def test_method_of_a_class_is_refused_at_its_enqueue() -> None:
    """Outside of a `tasks` that is always imported, its path can't be followed."""
    with pytest.raises(compat.InvalidTask, match=r"No worker would find.*Room.sweep.* top level"):
        Room.sweep.enqueue()


def test_task_of_the_script_that_was_started_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """`__main__` is another module in the worker."""
    script = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", script)
    exec("def work(): ...", script.__dict__)  # noqa: S102 - as if it were the script
    vars(script)["work"] = task(vars(script)["work"])
    with pytest.raises(compat.InvalidTask, match=r"'__main__.work' is in the script that was st"):
        vars(script)["work"].enqueue()


def injected(function: Any) -> Any:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function("connection", *args, **kwargs)

    return inner


@task
@injected
def ask(connection: str, question: str) -> str:
    return f"{connection} {question}"


@pytest.mark.parametrize(
    ("args", "kwargs", "says"),
    [
        ((1,), {}, "missing a required argument: 'b'"),
        ((1, 2, 3), {}, "too many positional arguments"),
        ((1,), {"c": 2}, "missing a required argument: 'b'|unexpected keyword argument 'c'"),
        ((1, 2), {"a": 2}, "multiple values for argument 'a'"),
    ],
)
def test_call_that_does_not_fit_is_refused_at_its_enqueue(
    args: Any, kwargs: Any, says: str
) -> None:
    """Singly, as one of many, and each time."""
    with captured_jobs() as jobs:
        for _ in range(2):
            with pytest.raises(TypeError, match=rf"tasks.add\(a: int, b: int\) can't .*({says})"):
                tasks.add.enqueue(*args, **kwargs)
        if not kwargs:
            with pytest.raises(TypeError, match=says):
                tasks.add.enqueue_many([(1, 2), args])
        tasks.add.enqueue(1, b=2)
        tasks.attempt_of.enqueue("the context is none of the caller's arguments")
    assert len(jobs) == 2


def test_decorator_may_give_more_than_it_gets() -> None:
    """Only what the outermost function refuses is refused."""
    with captured_jobs() as jobs:
        ask.enqueue("why")
    assert jobs.run()[0].return_value == "connection why"
    assert spec.check_call(ask, ["why"], {}) == (["why"], {})  # of a schedule
