"""One word per thing: the words that the design gave up are nobody's name."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "django_jobqueue"
FORBIDDEN = {"broker", "consumer", "producer", "ack", "horse", "dead", "registry", "message"}
FORBIDDEN_FILES = {"utils", "util", "helpers", "helper", "common", "misc", "base"}
# Words of Django's own, and of Python's: what is said to a person.
ALLOWED = {
    "message",  # a sentence of a system check or an error
    "messages",
    "message_user",  # ModelAdmin's own
    "send_messages",  # that of Django's e-mail backends
    "email_messages",
}
FILES = sorted(
    path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts
)
SCRIPTS = [path for path in FILES if path.suffix == ".lua"]


def words(name: str) -> set[str]:
    """Split snake_case and CamelCase; a plural counts as its singular."""
    found = {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}
    return found | {word.removesuffix("s") for word in found}


def names_in_python(path: Path) -> Iterator[str]:
    """Yield every name that a module gives to something."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname


def names_in_lua(path: Path) -> set[str]:
    """Return every word of the code and of its strings; comments are prose."""
    code = re.sub(r"--.*", "", path.read_text("utf-8"))
    return set(re.findall(r"\w+", code))


def given_up(names: Iterator[str] | set[str]) -> list[str]:
    return sorted({name for name in names if name not in ALLOWED and words(name) & FORBIDDEN})


@pytest.mark.parametrize("name", ["ACK", "ackJob", "dead_letters", "JobRegistry", "messages_of"])
def test_forbidden_words_are_found_in_compounds(name: str) -> None:
    """The check itself sees through case and plural."""
    assert given_up({name}) == [name]


@pytest.mark.parametrize("name", ["deadline", "callback", "back", "acknowledged", "package"])
def test_longer_words_are_no_offence(name: str) -> None:
    """A word is a word, not a part of one."""
    assert given_up({name}) == []


def test_python_uses_the_words_of_the_design() -> None:
    """Classes, functions, arguments and variables."""
    found = {
        path.relative_to(PACKAGE).as_posix(): given_up(names_in_python(path))
        for path in FILES
        if path.suffix == ".py" and "migrations" not in path.parts
    }
    assert {path: names for path, names in found.items() if names} == {}


def test_lua_uses_the_words_of_the_design() -> None:
    """Locals, fields of the records and kinds of keys."""
    found = {path.name: given_up(names_in_lua(path)) for path in SCRIPTS}
    assert {path: names for path, names in found.items() if names} == {}


def test_files_are_named_after_what_they_hold() -> None:
    """Nothing is called after the fact that it did not fit elsewhere."""
    found = [
        path.relative_to(PACKAGE).as_posix()
        for path in FILES
        for part in path.relative_to(PACKAGE).with_suffix("").parts
        if part in FORBIDDEN_FILES or (words(part) & FORBIDDEN and part != "messages")
        if "templates" not in path.parts  # base.html is Django's word for a page that others extend
        if "locale" not in path.parts
    ]
    assert found == []
