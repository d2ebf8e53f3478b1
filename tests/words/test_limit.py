"""Limit: what a task may say of the jobs that run at once, and which keys its calls have."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from django_jobqueue import Limit, Rate, conf, task
from django_jobqueue.compat import InvalidTask
from django_jobqueue.flow import key_templates, limits
from django_jobqueue.jobs.job import Job
from tests.project import keyed_tasks, tasks


def lend(item_id: Any, tenant_id: Any = 7, *more: Any, urgent: bool = False, **rest: Any) -> None:
    """Be called with all kinds of arguments."""


def keys(given: Any, *args: Any, **kwargs: Any) -> list[str]:
    """Return the keys of a call."""
    arguments = key_templates.arguments_of(Task, args, kwargs)
    return [key_templates.render(one, "lend", arguments) for one in given]


class Task:
    """As much of a task as counts here."""

    func = staticmethod(lend)
    takes_context = False
    sensitive = ()


def test_limit_is_frozen_and_compared_by_value() -> None:
    limit = Limit(2, key="item:{item_id}", when="skip")
    assert limit == Limit(2, key="item:{item_id}", when="skip") != Limit(2, key="item:{item_id}")
    assert Limit(2).when == "wait"
    with pytest.raises(FrozenInstanceError):
        limit.count = 3  # type: ignore[misc]
    with pytest.raises(TypeError):
        Limit(1, "item:{item_id}")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: Limit(0),
            r"Limit\(0\): the number of jobs must be a whole number from 1 to 1,000",
        ),
        (lambda: Limit(1_000_001), "from 1 to 1,000,000"),
        (lambda: Limit(True), r"Limit\(True\)"),
        (lambda: Limit("1"), r"Limit\('1'\)"),  # type: ignore[arg-type]
        (lambda: Limit(1.0), r"Limit\(1.0\)"),  # type: ignore[arg-type]
        (lambda: Limit(1, when="never"), "when='never' must be one of wait, skip, cancel_older"),  # type: ignore[arg-type]
        (lambda: Limit(1, key=7), "key=7 must be a string of at most 200"),  # type: ignore[arg-type]
        (lambda: Limit(1, key="x" * 201), "must be a string of at most 200 characters"),
        (lambda: Limit(1, key="a:{"), "key='a:{' is no template: "),
        (lambda: Limit(1, key="a:}"), "key='a:}' is no template: "),
        (lambda: Limit(1, key="a:{}"), "may only have names of arguments in its braces"),
        (lambda: Limit(1, key="a:{0}"), "may only have names of arguments"),
        (lambda: Limit(1, key="a:{x.y}"), "may only have names of arguments"),
        (lambda: Limit(1, key="a:{x[y]}"), "may only have names of arguments"),
        (lambda: Limit(1, key="a:{x!r}"), "may only have names of arguments"),
        (lambda: Limit(1, key="a:{x:>5}"), "may only have names of arguments"),
    ],
)
def test_bad_limit_is_refused(make: Callable[[], Limit], said: str) -> None:
    """The message has the value, and what is allowed."""
    with pytest.raises(InvalidTask, match=said):
        make()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (1, "add: concurrency=1 must be a Limit or a list of them"),
        ("Limit(1)", "must be a Limit or a list of them"),
        ([Limit(1), 2], "must be a Limit or a list of them"),
        ([Limit(1), Limit(2)], "each with a key of its own"),
        ([Limit(1, key=f"{n}") for n in range(6)], "must be at most 5 limits"),
        (Limit(1, key="item:{item}"), "names the argument 'item', which add does not have; it "
                                      "has: a, b"),
    ],
)  # fmt: skip
def test_bad_option_is_refused_at_the_definition(given: Any, said: str) -> None:
    with pytest.raises(InvalidTask, match=said):
        task(concurrency=given)(tasks.add.func)
    with pytest.raises(InvalidTask, match=said):
        tasks.add.using(concurrency=given)


def test_context_is_no_argument() -> None:
    """Callers do not give it."""
    with pytest.raises(InvalidTask, match="names the argument 'context'"):
        task(concurrency=Limit(1, key="{context}"), takes_context=True)(tasks.attempt_of.func)


@pytest.mark.parametrize("name", ["more", "rest"])
def test_starred_arguments_are_none(name: str) -> None:
    """Nobody knows what they hold."""
    with pytest.raises(InvalidTask, match=f"names the argument '{name}'"):
        key_templates.check_names(f"x:{{{name}}}", "lend", Task)


def test_sensitive_argument_is_in_no_key() -> None:
    """Keys are shown to whoever may look at jobs."""
    said = "names the argument 'a', which is sensitive: keys stand in Redis and in the admin"
    with pytest.raises(InvalidTask, match=said):
        task(concurrency=Limit(1, key="x:{a}"), sensitive=["a"])(tasks.add.func)
    with pytest.raises(InvalidTask, match=said):
        task(rate=Rate("5/m", key="x:{a}"), sensitive=["a"])(tasks.add.func)


@pytest.mark.parametrize(
    ("template", "args", "key"),
    [
        ("item:{item_id}", (5,), "item:5"),
        ("item:{item_id}", ("5",), "item:5"),
        ("{item_id}/{tenant_id}", (5,), "5/7"),
        ("{item_id}", (True,), "true"),
        ("{item_id}", (None,), "null"),
        ("{urgent}", (5,), "false"),
        ("one for all", (5,), "one%20for%20all"),
        ("{{x}}", (5,), "{x}"),
        ("{item_id}", ("New\tYork 100%\n",), "New%09York%20100%25%0A"),
        ("{item_id}", ("Zoë:{item_id}",), "Zoë:{item_id}"),
        ("{item_id}", ("\u2028\x85",), "%E2%80%A8%C2%85"),
    ],
)
def test_key_of_a_call(template: str, args: tuple[Any, ...], key: str) -> None:
    """It is one word, and the same however the arguments are given."""
    assert keys([template], *args) == [key]
    assert keys([template], item_id=args[0]) == [key]


@pytest.mark.parametrize("value", [1.5, [1], {"a": 1}])
def test_value_that_can_not_be_in_a_key_is_refused(value: Any) -> None:
    with pytest.raises(InvalidTask, match=r"the argument 'item_id' is .* a whole number, True"):
        keys(["{item_id}"], value)


def test_long_and_empty_keys_are_refused() -> None:
    """At the enqueue: until then nobody knows."""
    assert keys(["{item_id}"], "x" * 200) == ["x" * 200]
    with pytest.raises(InvalidTask, match="has 201 characters; it may have 1 to 200"):
        keys(["{item_id}"], "x" * 201)
    with pytest.raises(InvalidTask, match="has 0 characters"):
        keys(["{item_id}"], "")


def filled(given: Any, *args: Any) -> tuple[str, ...]:
    job = Job("x", given.module_path)
    job.args = list(args)
    limits.fill(job, given)
    return job.limits


def test_job_has_a_word_for_each_limit() -> None:
    """A call with limits of its own says that they are."""
    own = tasks.add.using(concurrency=[Limit(3, key="a:{a}", when="skip"), Limit(1)])
    assert filled(own, 1, 2) == ("=3s:a:1", "=1w:tests.project.tasks.add")
    limited = keyed_tasks.add
    job = Job("x", limited.module_path)
    job.args = [1, 2]
    limits.fill(job, limited)
    assert job.limits == ("2o:sum:2",)
    assert limits.numbers_of(limited) == "2o"
    assert limits.numbers_of(tasks.add) == ""


def test_using_keeps_and_changes_limits() -> None:
    limited = task(concurrency=[Limit(2), Limit(1, key="a:{a}")])(tasks.add.func)
    assert limited.using(priority=1).concurrency == limited.concurrency
    assert limited.using(concurrency=Limit(3)).concurrency == (Limit(3),)
    assert limited.using(concurrency=[]).concurrency == ()


@pytest.mark.parametrize(
    "value",
    [5, {"mail": 0}, {"mail": True}, {"mail": "5"}, {"a b": 5}, {5: 5}, {"mail": 1_000_001}],
)
def test_bad_limits_of_queues_are_refused(value: Any) -> None:
    (fault,) = conf.faults({"LIMITS": value})
    assert "it must be a mapping of queue names to whole numbers from 1 to 1,000,000" in fault


def test_limits_of_queues(configure: Callable[..., None]) -> None:
    configure(LIMITS={"mail": 5, "a.b-c": 1_000_000})
    assert conf.load("default").limits == {"mail": 5, "a.b-c": 1_000_000}
    configure()
    assert conf.load("default").limits == {}


# Rates


@pytest.mark.parametrize(
    ("rate", "word"),
    [
        (Rate("100/m"), "100r60000.100"),
        (Rate("1/s", burst=1), "1r1000.1"),
        (Rate("1000000/h", burst=10), "1000000r3600000.10"),
        (Rate("5/d"), "5r86400000.5"),
    ],
)
def test_rate_is_a_word(rate: Rate, word: str) -> None:
    assert limits.numbers_of(tasks.add.using(rate=rate)) == word


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Rate("0/m"), r"Rate\('0/m'\): it must be a number from 1 to 1,000,000, a slash"),
        (lambda: Rate("1000001/m"), r"Rate\('1000001/m'\)"),
        (lambda: Rate("100"), r'such as "100/m"'),
        (lambda: Rate("100/min"), "a slash and s, m, h or d"),
        (lambda: Rate("\u0663/m"), "it must be a number"),
        (lambda: Rate(" 5/m"), "it must be a number"),
        (lambda: Rate("1.5/m"), "it must be a number"),
        (lambda: Rate(5), r"Rate\(5\): it must be a number"),  # type: ignore[arg-type]
        (
            lambda: Rate("5/m", burst=0),
            r"'5/m'\): burst=0 must be a whole number from 1 to 5",
        ),
        (lambda: Rate("5/m", burst=6), "burst=6 must be a whole number from 1 to 5"),
        (lambda: Rate("5/m", burst=True), "burst=True must be"),
        (lambda: Rate("5/m", key="{"), "is no template"),
    ],
)
def test_bad_rate_is_refused(make: Callable[[], Rate], said: str) -> None:
    with pytest.raises(InvalidTask, match=said):
        make()


def test_bad_option_rate_is_refused_at_the_definition() -> None:
    with pytest.raises(InvalidTask, match='rate=5 must be a Rate, such as Rate\\("100/m"\\)'):
        task(rate=5)(tasks.add.func)  # type: ignore[call-overload]
    with pytest.raises(InvalidTask, match="names the argument 'x'"):
        tasks.add.using(rate=Rate("5/m", key="{x}"))


def test_rate_comes_after_the_limits() -> None:
    """A call that changes one of them has its own numbers for all: they are matched by order."""
    both = tasks.add.using(concurrency=Limit(2), rate=Rate("5/m", key="sum:{a}"))
    path = "tests.project.tasks.add"
    assert filled(both, 1, 2) == (f"=2w:{path}", "=5r60000.5:sum:1")
    assert limits.numbers_of(both) == "2w 5r60000.5"
    assert filled(keyed_tasks.call_api, 7) == ("1w:api", "20r1000.5:api:7")
    assert filled(keyed_tasks.call_api.using(concurrency=[]), 7) == ("=20r1000.5:api:7",)
