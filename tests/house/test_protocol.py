"""Keys, scripts, methods, the table of moves and the tests tell of the same things."""

import ast
import re
from pathlib import Path

import pytest

from django_jobqueue.engine.keys import INDEX_OF, INDEXES, JOB_PARTS, KINDS, Keys
from django_jobqueue.engine.scripts import standard
from django_jobqueue.jobs.states import TRANSITIONS, State

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / "django_jobqueue" / "engine"
STATES = {state.value for state in State}


def lua() -> str:
    """Return the code of all scripts without comments."""
    files = sorted((ENGINE / "lua").rglob("*.lua"))
    return re.sub(r"--.*", "", "\n".join(file.read_text("utf-8") for file in files))


def kinds_in_lua() -> set[str]:
    """Return the kinds of keys that the scripts build.

    `key(state, …)` stands for every state but running, whose index is `leases`.
    """
    code = lua()
    found = set(re.findall(r"\bkey\('([\w-]+)'", code)) | set(
        re.findall(r"\bPREFIX \.\. '([\w-]+)'", code)
    )
    found |= set(re.findall(r"\bpart\('\w+', '([\w-]+)'", code))  # get_job.lua reads by kind
    variables = set(re.findall(r"\bkey\((\w+),", code))
    assert variables <= {"state", "kind", "index"}, variables
    return found | ((STATES - {"running"}) if "state" in variables else set())


def moving() -> set[str]:
    """Return the scripts whose header names a move."""
    return {
        name
        for name, script in standard().all.items()
        if not script.header["Moves"].strip().startswith("nothing")
        or "->" in script.header["Moves"]
    }


def called_in_engine() -> dict[str, set[str]]:
    """Return {script: methods of engine/*.py that call it}."""
    found: dict[str, set[str]] = {}
    for file in sorted(ENGINE.glob("*.py")):
        for function in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Call):
                    for name in names_of(node):
                        found.setdefault(name, set()).add(f"{file.stem}.{function.name}")
    return found


def names_of(call: ast.Call) -> list[str]:
    """Return the script that `….run("x")`, `self._run("x")`, `run("x")` or `evaluate("x")` runs."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name in {"run", "_run", "evaluate"} and call.args and isinstance(call.args[0], ast.Constant):
        return [str(call.args[0].value)]
    return []


def test_every_key_of_the_scripts_is_described() -> None:
    """A kind that keys.py does not know would be in no documentation, and in no audit."""
    assert kinds_in_lua() - set(KINDS) == set()


def test_every_described_key_is_used() -> None:
    """What no script builds is no part of the protocol."""
    assert set(KINDS) - kinds_in_lua() == set()


def test_kinds_are_described_in_full() -> None:
    """Type, meaning and lifetime are what the reference page is made of."""
    types = {"HASH", "STRING", "SET", "ZSET", "LIST"}
    for name, kind in KINDS.items():
        assert kind.type in types, name
        assert kind.holds, name
        assert kind.until, name


def test_indexes_and_parts_are_kinds() -> None:
    """Each state has one index, and each index is a sorted set by queue."""
    assert set(INDEXES) | set(JOB_PARTS) <= set(KINDS)
    assert {KINDS[index].type for index in INDEXES} == {"ZSET"}
    assert {KINDS[index].of for index in INDEXES} == {"queue"}
    assert set(INDEX_OF) == STATES


def test_all_keys_of_an_alias_share_one_slot() -> None:
    """The hash tag is the alias, whatever follows."""
    keys = Keys("djq", "mail")
    assert keys("meta") == "djq:{mail}:meta"
    assert keys("queued", "a.b") == "djq:{mail}:queued:a.b"


def test_python_builds_keys_in_one_module() -> None:
    """Elsewhere a kind is an argument, never glued to a prefix."""
    glued = re.compile(rf"(prefix|\}})\}}?:?({'|'.join(KINDS)})\b|prefix \+")
    package = ROOT / "django_jobqueue"
    found = [
        path.relative_to(package).as_posix()
        for path in sorted(package.rglob("*.py"))
        if glued.search(path.read_text("utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize("name", sorted(standard().all))
def test_every_script_has_its_method(name: str) -> None:
    """One transition, one script, one method."""
    others = {
        "cancel_tagged": "cancel",
        "cancel_workflow": "cancel",
        "forget_schedule": "forget",
        "forget_worker": "forget",
        "get_cached": "latest",
        "get_job": "job",
        "acl_missing": "check_rights",
        "refresh_cached": "refresh",
        "register_schedules": "register",
        "tell_worker": "tell",
    }
    verbs = {method.partition(".")[2] for method in called_in_engine().get(name, set())}
    assert verbs == {others.get(name, name)}


def test_no_method_calls_a_script_that_is_not_there() -> None:
    """A typing error is found here, not in production."""
    assert set(called_in_engine()) == set(standard().all)


def test_table_of_moves_has_the_scripts_that_move() -> None:
    """TRANSITIONS and the headers name the same ones."""
    assert set(TRANSITIONS) == moving()


@pytest.mark.parametrize("name", sorted(TRANSITIONS))
def test_header_names_the_states_of_the_table(name: str) -> None:
    """Every state before and after stands in the `Moves:` of the script."""
    text = standard().all[name].header["Moves"]
    for pair in TRANSITIONS[name]:
        for state in pair:
            word = "nothing" if state is None else state.value
            assert word in text or "any state" in text, f"{word} is missing in: {text}"
    named = {word for word in re.findall(r"\w+", text.replace("but running", "")) if word in STATES}
    table = {state.value for pair in TRANSITIONS[name] for state in pair if state is not None}
    assert named <= table


@pytest.mark.parametrize("name", sorted(standard().all))
def test_every_script_has_its_test_file(name: str) -> None:
    """And the file tests it by its engine method."""
    file = ROOT / "tests" / "engine" / f"test_{name}.py"
    assert file.is_file()
    assert re.match(rf'"""{name}: ', file.read_text("utf-8"))
