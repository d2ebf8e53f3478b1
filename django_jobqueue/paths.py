"""The tasks of this process by path, and whether a worker finds them there."""

import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import accumulate
from types import FunctionType, ModuleType
from typing import Any
from weakref import WeakSet, WeakValueDictionary

from django.apps import apps
from django.utils.module_loading import import_string

from django_jobqueue import compat
from django_jobqueue.exceptions import TaskUnknown
from django_jobqueue.jobs import failure

_MAIN = "__main__."

_tasks: dict[str, "compat.Task[..., Any]"] = {}
_found: dict[str, "compat.Task[..., Any]"] = {}  # those whose modules were imported to the end
_findable: set[str] = set()  # paths at which every worker finds its task
_functions: WeakSet[Any] = WeakSet()  # of all tasks
_definers: WeakValueDictionary[str, ModuleType] = WeakValueDictionary()  # by path


def path_of(name: str, func: Any) -> str:
    """Return the path under which the jobs of a task are stored: its own name, or its function's.

    A name has a dot; that of a function has none.
    """
    return name if "." in name else f"{func.__module__}.{func.__qualname__}"


def module_path(task: Any) -> str:
    """Return the path under which the jobs of a task are stored."""
    return path_of(task.name, task.func)


def note(task: "compat.Task[..., Any]") -> None:
    """Note a task that this process has defined.

    Raises: InvalidTask if its module, or for a name of its own any, has defined another one of it.
    """
    path = task.module_path
    _refuse_other(path, task.func)
    if task.func not in _functions:  # else it is a copy with other defaults
        _refuse_second(task)
        _functions.add(task.func)
        _tasks.pop(path, None)  # a module that is reloaded has another function now
        _found.pop(path, None)
    _tasks.setdefault(path, task)
    # Workers start with the imports that this process starts with; and a worker that imports the
    # path's module finds what the module defines, under whatever name.
    is_own = path == path_of("", task.func)
    if (not apps.ready or (is_own and _is_defined_by_module(task.func))) and not _is_main(task):
        _findable.add(path)


def registered() -> dict[str, "compat.Task[..., Any]"]:
    """Return the tasks that this process knows, by path."""
    _forget_half_imported()
    return dict(sorted(_tasks.items()))


def find(path: str) -> "compat.Task[..., Any]":
    """Return the task at a path, importing its module once; the path must have been verified.

    Raises: TaskUnknown if there is none, or the path leads to something else.
    """
    if path in _found:
        return _found[path]
    _forget_half_imported()
    if path not in _tasks:
        found = _imported(path)
        if path not in _tasks:  # else the task has another name than its function
            _tasks[path] = _checked(path, found)
    return _found.setdefault(path, _tasks[path])


def check_findable(path: str) -> None:
    """Raise InvalidTask if no worker would find a task at this path."""
    if path in _findable:
        return
    if path in _tasks and _is_main(_tasks[path]):
        raise compat.InvalidTask(
            f"Task {path!r} is in the script that was started, which no worker imports: move it "
            "to a module, such as `tasks` of an app."
        )
    try:
        _checked(path, _imported(path))
    except TaskUnknown as error:
        raise compat.InvalidTask(
            f"No worker would find this task: {error} Define it by @task at the top level of its "
            "module, or in the module `tasks` of an installed app, which all workers import."
        ) from error
    _findable.add(path)


def _is_main(task: "compat.Task[..., Any]") -> bool:
    return f"{task.func.__module__}.".startswith(_MAIN)


def _refuse_other(path: str, func: Any) -> None:
    """Raise InvalidTask if another function has the path of this one, because one has a name."""
    _forget_half_imported()
    known = _tasks.get(path)
    if known is None or path_of("", known.func) == path_of("", func):
        return
    if known.module_path == path:
        raise compat.InvalidTask(
            f"Two tasks are named {path!r}: {path_of('', known.func)} and {path_of('', func)}. A "
            "worker finds a task by this name, so it could run only one of them. Rename one."
        )


def _refuse_second(task: "compat.Task[..., Any]") -> None:
    """Raise InvalidTask if the import that defines the task has defined another of its path."""
    path, module = task.module_path, sys.modules.get(task.func.__module__)
    if module is None or not _is_defined_by_module(task.func):
        return
    if _definers.get(path) is module:
        raise compat.InvalidTask(
            f"{task.func.__module__} defines two tasks {path!r}{_lines(_tasks.get(path), task)}: a "
            "worker finds a task by this name, so it could run only one of them. Rename one."
        )
    _definers[path] = module


def _lines(*tasks: "compat.Task[..., Any] | None") -> str:
    """Return where the functions of two tasks stand, if that can be told."""
    found = [getattr(each, "func", None) for each in tasks]
    numbers = [str(one.__code__.co_firstlineno) for one in found if isinstance(one, FunctionType)]
    return f", in lines {' and '.join(numbers)}" if len(numbers) == len(tasks) else ""


def _is_defined_by_module(function: Any) -> bool:
    """Return whether the function's module is being imported, and the function is no method."""
    module = sys.modules.get(function.__module__)
    is_importing = getattr(getattr(module, "__spec__", None), "_initializing", False)
    return is_importing and function.__name__ == function.__qualname__


def _forget_half_imported() -> None:
    """Forget the tasks of modules whose import raised later on: they may lack what they need.

    Python has dropped these modules, so that the next look-up imports them again.
    """
    for path, task in list(_tasks.items()):
        if path not in _found and not all(map(sys.modules.__contains__, _modules_of(task))):
            _tasks.pop(path, None)  # another thread may have done so
            _findable.discard(path)


def _modules_of(task: "compat.Task[..., Any]") -> Iterator[str]:
    """Yield the names of a function's packages and of its module."""
    return accumulate((task.func.__module__ or "").split("."), "{}.{}".format)


def _imported(path: str) -> object:
    try:
        for package in accumulate(path.split(".")[:-2], "{}.{}".format):
            import_module(package)  # Python does not, if the module itself is there
        return import_string(path)
    except (Exception, SystemExit) as error:  # an import may raise anything
        raise TaskUnknown(f"There is no task {path!r}: {failure.message(error)}.") from error


def _checked(path: str, found: object) -> "compat.Task[..., Any]":
    if not isinstance(found, compat.Task):
        raise TaskUnknown(f"{path!r} is no task but {type(found).__name__}.")
    return found
