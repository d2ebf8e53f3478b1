"""@task(name=…): jobs are stored under a name, so that the function can move."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from django_jobqueue import compat, paths, task
from django_jobqueue.exceptions import TaskUnknown


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a function that writes and imports a module."""
    monkeypatch.syspath_prepend(tmp_path)
    before = {*sys.modules}

    def write(name: str, text: str) -> Any:
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield write
    for name in {*sys.modules} - before:
        del sys.modules[name]
    paths.registered()  # forgets what is gone


MOVED = """
from django_jobqueue import task

@task(name="{name}")
def {function}(value):
    return value
"""


def test_name_stands_for_the_path(modules: Any) -> None:
    module = modules("names_new", MOVED.format(name="names_old.tasks.send", function="post"))
    assert module.post.module_path == "names_old.tasks.send"
    assert module.post.name == "names_old.tasks.send"
    assert module.post.using(priority=5).module_path == "names_old.tasks.send"
    assert paths.find("names_old.tasks.send") is module.post
    assert paths.find("names_new.post") is module.post  # jobs that were stored before it had a name
    assert "names_old" not in sys.modules


def test_without_a_name_it_is_the_function_s(modules: Any) -> None:
    module = modules("names_plain", "from django_jobqueue import task\n@task\ndef f(): pass\n")
    assert (module.f.name, module.f.module_path) == ("f", "names_plain.f")


def test_two_of_a_name_are_refused(modules: Any) -> None:
    modules("names_a", MOVED.format(name="names.one", function="a"))
    with pytest.raises(compat.InvalidTask, match=r"'names\.one': names_a\.a and names_b\.b"):
        modules("names_b", MOVED.format(name="names.one", function="b"))


def test_name_of_another_task_s_path_is_refused(modules: Any) -> None:
    """The old function still stands there."""
    modules("names_here", "from django_jobqueue import task\n@task\ndef f(): pass\n")
    with pytest.raises(compat.InvalidTask, match=r"names_here\.f and names_there\.g"):
        modules("names_there", MOVED.format(name="names_here.f", function="g"))


def test_name_is_not_given_to_a_second_task_of_a_known_function(modules: Any) -> None:
    text = MOVED.format(name="names.known", function="f")
    with pytest.raises(compat.InvalidTask, match=r"Two tasks are named 'names\.known'"):
        modules(
            "names_twice",
            text + "\ndef g(value): pass\nplain = task(g)\nnamed = task(name='names.known')(g)\n",
        )


def test_reload_defines_it_again(modules: Any) -> None:
    module = modules("names_again", MOVED.format(name="names.again", function="f"))
    importlib.reload(module)
    assert paths.find("names.again") is module.f


@pytest.mark.parametrize("name", ["plain", "a..b", "a b.c", "1.a", "a." + "b" * 200, 7, "é.a"])
def test_bad_name_is_refused(name: Any) -> None:
    with pytest.raises(compat.InvalidTask, match="must be words with dots"):

        @task(name=name)
        def function() -> None:
            pass


def test_name_is_not_found_by_import(modules: Any) -> None:
    """Only a module that workers import by themselves may give a task another name."""
    module = modules("names_late", MOVED.format(name="names.late", function="f"))
    with pytest.raises(compat.InvalidTask, match="No worker would find this task"):
        paths.check_findable(module.f.module_path)
    with pytest.raises(TaskUnknown):
        paths.find("names.nobody")
