"""Unique: what it refuses when a task is defined, and the key of a call."""

from datetime import timedelta
from typing import Any

import pytest

from django_jobqueue import Limit, Rate, Unique, compat, schedule, task
from django_jobqueue.engine import Engine
from django_jobqueue.flow.unique import key_of
from tests.project import tasks, unique_tasks

SECOND = timedelta(seconds=1)


def reindex(page_id: int, reason: str = "", *rest: int, now: bool = False, **more: int) -> None:
    pass


def no_json(page_id: int, kind: type = int) -> None:
    pass


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"until": "end"}, r"Unique\(until='end'\) must be \"done\", \"start\" or a timedelta"),
        ({"until": None}, r"Unique\(until=None\) must be"),
        ({"until": 5}, r"Unique\(until=5\) must be"),
        ({"until": timedelta(0)}, r"until=datetime.timedelta\(0\)\) must be"),
        ({"until": timedelta(microseconds=999)}, r"a timedelta from 1 ms"),
        ({"until": timedelta(days=367)}, r"to 366 days"),
        ({"debounce": 5}, r"Unique\(debounce=5\) must be a timedelta from 1 ms to 366 days"),
        ({"debounce": -SECOND}, r"Unique\(debounce=.*must be a timedelta"),
        ({"debounce": SECOND, "at_most": 7}, r"Unique\(at_most=7\) must be a timedelta"),
        ({"at_most": SECOND}, r"at_most=datetime.timedelta\(seconds=1\)\) needs debounce"),
        ({"debounce": SECOND, "at_most": SECOND / 2}, r"at_most=.* is shorter than debounce="),
        ({"debounce": SECOND, "until": "start"}, r"until='start', debounce=…\): give one of them"),
        ({"debounce": SECOND, "until": SECOND}, r"until=.*debounce=…\): give one of them"),
    ],
)
def test_bad_values_are_quoted(given: dict[str, Any], said: str) -> None:
    with pytest.raises(compat.InvalidTask, match=said):
        Unique("page_id", **given)


@pytest.mark.parametrize("name", [5, None, ["page_id"]])
def test_names_are_words(name: Any) -> None:
    with pytest.raises(compat.InvalidTask, match=r'give names of arguments, such as Unique\("ord'):
        Unique(name)


@pytest.mark.parametrize("name", ["page", "rest", "more", "", "self"])
def test_name_of_no_argument_is_refused(name: str) -> None:
    """The error tells which there are; what comes by stars has no name."""
    with pytest.raises(compat.InvalidTask) as raised:
        task(unique=Unique(name))(reindex)
    said = f"reindex: Unique({name!r}): the function has no such argument; there is: "
    assert str(raised.value) == f"{said}page_id, reason, now."


def test_context_is_no_argument() -> None:
    with pytest.raises(compat.InvalidTask, match="no such argument; there is: extra"):
        task(takes_context=True, unique=Unique("context"))(tasks.attempt_of.func)


@pytest.mark.parametrize("given", ["page_id", True, Unique, {"page_id"}])
def test_what_is_no_unique_is_refused(given: Any) -> None:
    said = r'must be a Unique, such as Unique\("order_id"\), or None'
    with pytest.raises(compat.InvalidTask, match=said):
        task(unique=given)(reindex)
    with pytest.raises(compat.InvalidTask, match=said):
        tasks.noop.using(unique=given)


def test_refresh_can_not_be_put_off() -> None:
    with pytest.raises(compat.InvalidTask, match=r"refresh_after=60 with Unique\(debounce=…\)"):
        task(unique=Unique(debounce=SECOND), keep_latest=True, refresh_after=60)(tasks.add.func)


@pytest.mark.parametrize(
    "given",
    [{"concurrency": Limit(1, key="site:{version}")}, {"rate": Rate("1/s", key="site:{version}")}],
)
def test_debounced_job_keeps_its_key(given: Any) -> None:
    """A later call gives it other arguments, and it would run beside those of their key."""
    with pytest.raises(
        compat.InvalidTask, match=r"'site:\{version\}' names the argument 'version'"
    ):
        unique_tasks.reindex.using(**given)
    for unique in (Unique("page_id", "version", debounce=SECOND), Unique("page_id"), Unique()):
        assert unique_tasks.reindex.using(unique=unique, **given).unique == unique
    own = Limit(1, key="page:{page_id}")
    assert unique_tasks.reindex.using(concurrency=own).concurrency == (own,)


def test_using_changes_it() -> None:
    """Also to none, and other changes leave it."""
    plain = task(tasks.add.func)
    unique = plain.using(unique=Unique("a"))
    assert unique.unique == Unique("a") == unique.using(priority=5).unique
    assert unique.using(unique=Unique("b")).unique == Unique("b")
    assert unique.using(unique=None).unique is None
    assert plain.unique is None


def test_it_is_a_frozen_value() -> None:
    given = Unique("page_id", debounce=SECOND)
    assert hash(given) == hash(Unique("page_id", debounce=SECOND))
    assert repr(given).startswith("Unique(names=('page_id',), until='done', debounce=")
    with pytest.raises(AttributeError):
        given.until = "start"  # type: ignore[misc]


def test_kind_says_until_when() -> None:
    assert Unique().kind == "done"
    assert Unique(until="start").kind == "start"
    assert Unique(until=SECOND).kind == "+1000"
    assert Unique(debounce=SECOND, at_most=2 * SECOND).kind == "newest,1000,2000"
    assert Unique(debounce=SECOND).kind == "newest,1000,10000"


def test_key_is_that_of_the_arguments() -> None:
    """However they are given, with their defaults; others are left out if some are named."""
    some, whole = task(unique=Unique("page_id"))(reindex), Unique()

    def key(spec: Unique, *args: Any, **kwargs: Any) -> str:
        return key_of(some, spec, args, kwargs)

    assert len(key(whole, 1)) == 32
    assert key(whole, 1) == key(whole, page_id=1) == key(whole, 1, "", now=False)
    assert key(whole, 1) != key(whole, 1, "x")
    assert key(whole, 1, x=1, y=2) == key(whole, 1, y=2, x=1) != key(whole, 1)
    assert key(whole, 1, "", 5) != key(whole, 1, "")
    assert key(Unique("page_id"), 1) == key(Unique("page_id"), 1, "x", now=True)
    assert key(Unique("page_id"), 1) != key(Unique("page_id"), 2)
    assert key(Unique("page_id", "now"), 1) == key(Unique("now", "page_id"), 1)
    assert key(Unique("page_id"), 1) != key(Unique("page_id"), "1")


def test_key_belongs_to_the_task() -> None:
    add, echo = task(tasks.add.func), task(tasks.echo.func)
    assert key_of(add, Unique(), [1, 2], {}) != key_of(echo, Unique(), [1, 2], {})


def test_defaults_that_are_no_json_count_for_nothing() -> None:
    plain = task(no_json)
    for spec in (Unique(), Unique("kind")):
        assert key_of(plain, spec, [1], {}) == key_of(plain, spec, [], {"page_id": 1})


def test_debounce_says_when_it_runs(engine: Engine) -> None:
    """No run_after can, nor a spread."""
    debounced = task(unique=Unique("a", debounce=SECOND))(tasks.add.func)
    with pytest.raises(compat.InvalidTask, match=r"run_after=.* with Unique\(debounce=…\)"):
        debounced.using(run_after=SECOND).enqueue(1, 2)
    with pytest.raises(compat.InvalidTask, match="run_after="):
        debounced.enqueue_many([(1, 2), (3, 4)], spread=60)


@pytest.mark.usefixtures("declarations")
def test_schedule_takes_a_unique_task() -> None:
    spec = schedule("poll", task(unique=Unique())(tasks.noop.func), every=60)
    assert spec.task.unique == Unique()
