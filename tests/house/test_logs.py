"""Log lines name jobs and say what happened to them; they never quote what a job holds."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "django_jobqueue"
LOGGERS = {"logger", "log", "logging", "_log"}
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
# What calls, results, addresses and log-ins are called in this package.
PRIVATE = {
    "args",
    "arguments",
    "call",
    "connection_kwargs",
    "data",
    "kwargs",
    "payload",
    "password",
    "return_value",
    "signing_keys",
    "text",
    "traceback",
    "url",
    "username",
    "value",
}


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield each call of a logger in the package, with its place."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and _is_log(node.func):
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node


def _is_log(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and function.attr in LEVELS
        and isinstance(function.value, ast.Name)
        and function.value.id in LOGGERS
    )


def names_in(node: ast.AST) -> set[str]:
    """Return all names, attributes and keywords in an expression."""
    found = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            found.add(inner.id)
        elif isinstance(inner, ast.Attribute):
            found.add(inner.attr)
        elif isinstance(inner, ast.keyword) and inner.arg:
            found.add(inner.arg)
    return found


CALLS = list(calls())


def test_calls_are_found() -> None:
    """In the worker and in what callers use."""
    files = {place.partition(":")[0] for place, _ in CALLS}
    assert {
        "on_commit.py",
        "engine/handshake.py",
        "worker/log_lines.py",
    } <= files
    assert len(CALLS) > 25


@pytest.mark.parametrize(("place", "call"), CALLS, ids=[place for place, _ in CALLS])
def test_line_holds_nothing_private(place: str, call: ast.Call) -> None:
    """Its form is a constant, and what is put in has no private name."""
    assert isinstance(call.func, ast.Attribute)
    form, *values = call.args[call.func.attr == "log" :]  # the level comes first
    assert isinstance(form, ast.Constant), "a form that is glued together can't be grouped"
    for value in (*values, *call.keywords):
        assert not names_in(value) & PRIVATE
