"""SECURITY.md and docs/how-to/secure-redis.md tell what is so.

Named tests exist, and the Redis user of the docs may run what the code runs.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from django_jobqueue.engine.handshake import COMMANDS
from embedded.server import EmbeddedServer
from tests.support import acl

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "django_jobqueue"
PROMISES = (ROOT / "SECURITY.md").read_text("utf-8")
# What redis-py sends by itself: to choose the database; AUTH and HELLO everybody may.
HANDSHAKE = {"select"}
CONTAINERS = {"CLIENT", "CLUSTER"}  # commands whose second word is one too


def rows() -> list[list[str]]:
    """Return the cells of each row of the ASVS table."""
    table = PROMISES.partition("| item |")[2].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.split("\n")][
        2:
    ]


def named_tests() -> list[str]:
    return re.findall(r"`(tests/[\w/]+\.py::\w+)`", PROMISES)


@pytest.mark.parametrize("name", sorted(set(named_tests())))
def test_named_test_exists(name: str) -> None:
    """Under this very name, at the top of its file."""
    path, _, function = name.partition("::")
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_item_names_its_tests() -> None:
    """Items are numbers of the standard, in its order, each with a test."""
    items = [row[0] for row in rows()]
    assert len(items) > 10
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", item) for item in items)
    assert items == sorted(set(items), key=lambda item: [int(part) for part in item.split(".")])
    for item, what, tests in rows():
        assert what.endswith("."), item
        assert re.fullmatch(r"(`tests/[\w/]+\.py::\w+`(, )?)+", tests), item


def test_items_that_come_later_do_not_stand_in_the_table() -> None:
    """What the last lines put off must not be claimed above."""
    later = re.findall(r"\b\d+\.\d+\.\d+\b", PROMISES.partition("Other items")[2])
    assert later
    assert not {row[0] for row in rows()} & set(later)


def test_named_files_exist() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", PROMISES):
        assert (ROOT / target).is_file(), target
    for path in re.findall(r"`((?:tests|docs)/[\w/.-]+)`", PROMISES):
        assert (ROOT / path).exists(), path


def test_the_user_may_run_what_the_code_runs_and_nothing_else(
    redis_server: EmbeddedServer,
) -> None:
    """A new command has to be added to the page, and one that is not used any more removed."""
    with Redis(unix_socket_path=str(redis_server.socket)) as client:
        commands: Any = client.command()
    known = {name.upper() for name in commands}
    used = {name.lower() for name in {*in_lua(), *in_python()} if name.partition("|")[0] in known}
    clustered = acl.commands(acl.FOR_CLUSTER)
    assert clustered == {name for name in used if name.startswith("cluster")}
    assert acl.commands(acl.RULES) == used - clustered | HANDSHAKE
    assert acl.commands(acl.FOR_NEWER) == {"client|setinfo"}


def test_rights_are_asked_for_all_commands_of_the_scripts() -> None:
    """But for TIME, which has no key: a script without it fails before its first write."""
    with_key = {name for names in COMMANDS.values() for name in names.split()}
    mentioned = {
        "BYSCORE",
        "GT",
        "LIMIT",
        "LT",
        "NX",
        "REV",
        "WITHSCORES",
        "WRONGTYPE",
        "XX",
    }  # words of commands and errors
    assert with_key == in_lua() - mentioned - {"TIME"}


def test_the_user_may_use_the_keys_of_the_queue_alone() -> None:
    """The rules are a user, a password, one pattern of keys and commands by name."""
    others = [rule for rule in acl.RULES if not rule.startswith("+")]
    assert others == ["reset", "on", f">{acl.PASSWORD}", "~djq:*"]
    assert not any(rule.startswith("+@") for rule in acl.RULES)


def in_lua() -> set[str]:
    """Return the quoted words in capitals of the scripts."""
    files = sorted((PACKAGE / "engine" / "lua").rglob("*.lua"))
    code = re.sub(r"--.*", "", "\n".join(file.read_text("utf-8") for file in files))
    return set(re.findall(r"'([A-Z]+)'", code))


def in_python() -> set[str]:
    """Return what the engine and the worker send by themselves."""
    files = [*(PACKAGE / "engine").glob("*.py"), *(PACKAGE / "worker").glob("*.py")]
    found = {word for file in files for call in calls(file) for word in sent(call)}
    return found | {word for file in files for word in in_tuples(file)}


def in_tuples(file: Path) -> Iterator[str]:
    """Yield the command of `("EVALSHA", …)`, or `["BLPOP", …]`."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        first = node.elts[0] if isinstance(node, ast.Tuple | ast.List) and node.elts else None
        if isinstance(first, ast.Constant) and re.fullmatch("EVAL(SHA)?|BLPOP", str(first.value)):
            yield str(first.value)


def calls(file: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            yield node


def sent(call: ast.Call) -> Iterator[str]:
    """Yield the command of `execute("HGET", …)`, or `pipe.hget(…)`."""
    words = [word.value for word in call.args if isinstance(word, ast.Constant)]
    if call.args and words and isinstance(words[0], str) and re.fullmatch("[A-Z]+", words[0]):
        first = words[0]
        yield f"{first}|{words[1]!s}" if first in CONTAINERS else first
    if isinstance(call.func, ast.Attribute) and re.search(r"\bpipe$", ast.unparse(call.func.value)):
        name = call.func.attr.upper()
        # redis-py has another command for the other direction.
        if any(given.arg == "desc" for given in call.keywords):
            yield "ZREVRANGE"
        yield name
