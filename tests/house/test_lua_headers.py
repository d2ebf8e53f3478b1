"""The scripts keep their rules: the header is the contract, the body is short and bounded."""

import re
from pathlib import Path

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.scripts import SHARED, Script, Scripts, standard
from tests.support.clock import TEST_CLOCK

LUA = Path(__file__).resolve().parents[2] / "django_jobqueue" / "engine" / "lua"
NAMES = sorted(standard().all)
FILES = {name: LUA / standard().all[name].path for name in NAMES}
FILES |= {name: LUA / "shared" / f"{name}.lua" for name in SHARED}
BODY_LINES = 40
HEADER_LINES = 27
SHARED_LINES = 150  # of code; comments and blank lines are free
ARGUMENT = re.compile(r"^--   (\w+)(\.\.\.)?(?: {2}| |$)(.*)$", re.MULTILINE)
DEFINES = r"\blocal (?:function )?(\w+(?:, \w+)*)"
# Commands that a shared server, or one with a million keys, would suffer from; or that
# make a script's effect depend on what the keys are not told about.
FORBIDDEN = {"KEYS", "SCAN", "HSCAN", "SSCAN", "ZSCAN", "FLUSHDB", "FLUSHALL", "PUBLISH", "SELECT"}
DENIED_AT_MAXMEMORY = {"HSET", "SET", "ZADD", "RPUSH", "LPUSH", "SADD", "HINCRBY", "INCR", "HSETNX"}


def source(name: str) -> str:
    return FILES[name].read_text("utf-8")


def split(name: str) -> tuple[str, str]:
    """Return the header and the code without its comments."""
    header, _, body = source(name).partition("\n\n")
    return header, re.sub(r"--.*", "", body)


def code_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("name", NAMES)
def test_header_has_its_fields(name: str) -> None:
    """One sentence, then Moves, KEYS, ARGV, Returns, Atomic, each with something to say."""
    header, _ = split(name)
    assert all(line.startswith("--") for line in header.splitlines())
    assert len(header.splitlines()) <= HEADER_LINES
    assert re.match(r"-- [A-Z][^\n]*[.:]?\n", header)
    fields = standard().all[name].header
    assert list(fields) == ["Moves", "KEYS", "ARGV", "Returns", "Atomic"]
    assert all(text.strip(" -\n") for text in fields.values())


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_is_explained_and_used(name: str) -> None:
    """A name in the header is a local of the script: an unused one is a mistake."""
    header, body = split(name)
    body += "epoch" if "is_attached(epoch)" in standard().all[name].source else ""
    given = ARGUMENT.findall(header.partition("-- ARGV:")[2].partition("-- Returns:")[0])
    script = standard().all[name]
    assert [argument for argument, _, _ in given] == [*script.names, *filter(None, [script.rest])]
    for argument, _, meaning in given:
        assert meaning.strip()
        assert re.search(rf"\b{argument}\b", body), f"{argument} is not used"


@pytest.mark.parametrize("name", NAMES)
def test_only_the_last_argument_is_a_list(name: str) -> None:
    """What follows a list could not be told from it."""
    header, _ = split(name)
    dots = [bool(many) for _, many, _ in ARGUMENT.findall(header)]
    assert not any(dots[:-1])


@pytest.mark.parametrize("name", NAMES)
def test_body_is_short(name: str) -> None:
    """What needs more is two transitions, or belongs into the prelude."""
    _, body = split(name)
    assert len(code_lines(body)) <= BODY_LINES
    assert max(len(line) for line in source(name).splitlines()) <= 100


@pytest.mark.parametrize("name", SHARED)
def test_shared_files_are_short(name: str) -> None:
    """They hold what more than one transition needs, and no more."""
    assert len(code_lines(re.sub(r"--.*", "", source(name)))) <= SHARED_LINES
    assert max(len(line) for line in source(name).splitlines()) <= 100


@pytest.mark.parametrize("name", [*NAMES, *SHARED])
def test_positions_and_forbidden_commands_stand_nowhere(name: str) -> None:
    """No KEYS[2], no ARGV[1], nothing unbounded, nobody's JSON."""
    code = re.sub(r"--.*", "", source(name))
    if name == "prelude":
        assert code.count("KEYS[1]") == 1
        code = code.replace("KEYS[1]", "")
    assert not re.search(r"\b(KEYS|ARGV)\b", code)
    assert set(re.findall(r"\bp?call\('(\w+)'", code)) & FORBIDDEN == set()
    assert not re.search(r"cjson|cmsgpack|loadstring|math\.random|os\.", code)


@pytest.mark.parametrize("name", [*NAMES, *SHARED[1:]])
def test_clock_is_read_in_one_place(name: str) -> None:
    """The tests swap one function, and all deadlines move with it."""
    assert "TIME" not in re.sub(r"--.*", "", source(name))
    assert source("now").count("'TIME'") == 1


@pytest.mark.parametrize("name", [*NAMES, *SHARED[1:]])
def test_every_loop_is_bounded(name: str) -> None:
    """A range read has a LIMIT or ranks; a `while` steps through arguments or counts."""
    code = re.sub(r"--.*", "", source(name))
    ranks = r"-?\d+'?, '?-?\d+|'0', MAX_NAMES - 1|int\(start\), int\(stop - 1\)"
    reads = r"call\('(ZRANGEBYSCORE|ZRANGEBYLEX|ZRANGE|LRANGE)',([^\n]*(?:\n  +'LIMIT'[^\n]*)?)"
    for command in re.findall(reads, code):
        assert "LIMIT" in command[1] or re.search(ranks, command[1]), command
    for condition in re.findall(r"\bwhile (.*?) do\b", code):
        assert condition in {"words[at]", "corrected < room", "true"}, condition
    # `promote` counts to its limit, and returns.
    assert "while true" not in code or name == "rare/correcting"


@pytest.mark.parametrize("name", [*NAMES, *SHARED])
def test_fields_are_read_by_name(name: str) -> None:
    """`job.fence`, never `job[8]`: a number says nothing, and is wrong after the next change."""
    code = re.sub(r"--.*", "", source(name))
    found = set(re.findall(r"\b\w+\[\d+\]", code))
    assert found <= {"KEYS[1]", "time[1]", "time[2]", "flat[1]", "queues[1]", "owners[1]"}


@pytest.mark.parametrize("name", NAMES)
def test_constants_are_written_into_the_code(name: str) -> None:
    """A constant that functions share as a local costs each call."""
    code = re.sub(r"--.*|'[^']*'", "", standard().all[name].source)
    assert set(re.findall(r"\b[A-Z][A-Z_]+\b", code)) <= {"KEYS", "ARGV", "PREFIX"}


def test_every_file_is_a_script_of_its_own_name() -> None:
    """Two of one name, in different folders, would hide one another."""
    assert sorted(LUA.rglob("*.lua")) == sorted(FILES.values())
    assert len(FILES) == len(NAMES) + len(SHARED)


GATE = r"if not is_attached\(epoch\) then return rare\(\d+, 'detached'\) end"


@pytest.mark.parametrize("name", NAMES)
def test_gate_comes_before_the_first_line(name: str) -> None:
    """Whoever takes `epoch` asks for it, once: by the loader's line or by itself."""
    script = standard().all[name]
    _, body = split(name)
    first = source(name).partition("\n")[0]
    asks = len(re.findall(GATE, script.source))
    assert asks == int("epoch" in script.names and name != "finish")
    gate = script.source.rpartition(first)[0].splitlines()[-1]
    assert gate.startswith("if not is_attached(epoch)") == (asks == 1 and "is_attached" not in body)
    # `finish` ends a run whatever the epoch, and the claim in it looks at that.
    assert name != "finish" or "claim(epoch, " in body


@pytest.mark.parametrize("name", NAMES)
def test_script_compiles_with_what_it_needs(engine: Engine, name: str) -> None:
    """With the server's clock and with that of the tests; unknown names are found by use."""
    client = engine.client.redis
    for scripts in (standard(), Scripts(clock=TEST_CLOCK)):
        script = scripts.all[name]
        assert client.script_load(script.source) == script.sha


@pytest.mark.parametrize("name", NAMES)
def test_script_holds_every_prelude_function_that_it_calls(name: str) -> None:
    """What is left out of the prelude is not needed, directly or indirectly."""
    code = re.sub(r"--.*", "", standard().all[name].source)
    defined = set(re.findall(r"\w+", " ".join(re.findall(DEFINES, code))))
    shared = "\n".join(map(source, SHARED))
    everything = set(re.findall(r"\w+", " ".join(re.findall(f"(?m)^{DEFINES}", shared))))
    called = set(re.findall(r"\b(\w+)\b", re.sub(r"'[^']*'", "", code))) & everything
    assert called <= defined


def test_missing_and_unknown_arguments_are_refused(engine: Engine) -> None:
    """A slip in Python is an error before anything is sent."""
    with pytest.raises(KeyError, match="reason"):
        engine.client.run("cancel", id="x")
    with pytest.raises(TypeError, match="cancel: unknown arguments"):
        engine.client.run("cancel", id="x", reason="r", colour="red")
    with pytest.raises(KeyError, match="explode"):
        engine.client.run("explode")


HEADER = (
    "-- Do.\n-- Moves: nothing\n-- KEYS: p\n-- ARGV:\n--   a  what\n-- Returns: 1\n-- Atomic: it\n"
)


@pytest.mark.parametrize(
    "header",
    [
        HEADER.replace("-- Moves: nothing\n", ""),
        HEADER.replace("-- Atomic: it\n", ""),
        HEADER.replace("-- KEYS: p\n", "").replace(
            "-- Returns: 1\n", "-- Returns: 1\n-- KEYS: p\n"
        ),
        "",
    ],
)
def test_header_without_a_field_is_refused(header: str) -> None:
    """At load time, by name."""
    assert Script("x.lua", f"{HEADER}\nreturn a", []).names == ["a"]
    with pytest.raises(ValueError, match=r"lua/x\.lua: its header lacks a field"):
        Script("x.lua", f"{header}\nreturn 1", [])


@pytest.mark.parametrize("name", [*NAMES, *SHARED])
def test_names_that_short_functions_use_have_one_meaning(name: str) -> None:
    """Their code is written into others: a local of such a name there would be taken for it."""
    taken = re.findall(r"\blocal (call|redis|string|table|math|unpack|PREFIX)\b", source(name))
    assert not taken or name == "prelude"
