"""What scripts/mutants.py breaks: each small thing of the Lua once, and nothing that can't run."""

import re
from pathlib import Path

import pytest

from django_jobqueue.engine import Engine
from scripts import mutants
from scripts.lua_mutants import mutants_of
from scripts.mutants import Wrong, all_mutants, equivalents


def changes(source: str, *kinds: str) -> list[str]:
    """Return the mutants of some kinds, each as the source that it becomes."""
    return [one.apply(source) for one in mutants_of("x", source) if one.kind in kinds]


@pytest.mark.parametrize(
    ("source", "becomes"),
    [
        ("f()", [""]),
        ("f() g(1).h()", [" g(1).h()", "f() "]),
        ("local a = f()", []),
        ("a.b, c[1] = f(), 2", [""]),
        ("for at = 1, 9, 2 do f() end", ["for at = 1, 9, 2 do  end"]),
        ("if a then f() return 1 end return 2", ["if a then  return 1 end return 2",
                                                  "if a then f()  end return 2"]),
        ("while a[1] do break end", ["while a[1] do  end"]),
        ("local function f(a, ...) g(...) return {a, b = 1, [2] = 3} end",
         ["local function f(a, ...)  return {a, b = 1, [2] = 3} end"]),
        ("f() -- no g()", [" -- no g()"]),
        ("f('g() -- h()')", [""]),
    ],
)  # fmt: skip
def test_statement_is_dropped(source: str, becomes: list[str]) -> None:
    """A call, an assignment, a return out of the middle; no local, no last return."""
    assert changes(source, "drop statement") == becomes


@pytest.mark.parametrize(
    ("source", "becomes"),
    [
        ("return a and b", ["return b", "return a"]),
        ("return a and b or c", ["return b or c", "return c", "return a or c", "return a and b"]),
        ("return a or b or c", ["return b or c", "return a or c", "return a or b"]),
        ("return a == 1 and (b or c) < 2",
         ["return (b or c) < 2", "return a == 1", "return a == 1 and (c) < 2",
          "return a == 1 and (b) < 2"]),
    ],
)  # fmt: skip
def test_operand_is_dropped(source: str, becomes: list[str]) -> None:
    """Each operand of `and` and `or` once, with all that binds more strongly."""
    assert sorted(changes(source, "drop operand")) == sorted(becomes)


@pytest.mark.parametrize(
    ("source", "becomes"),
    [
        ("if a then f() g() end", ["if true then f() g() end", "if false then f() g() end"]),
        ("if a then f() end", ["if true then f() end"]),
        ("if a() then f() end", ["if true then f() end", "if false then f() end"]),
        ("if a then f() else g() end",
         ["if true then f() else g() end", "if false then f() else g() end"]),
        ("if a then f() elseif b then g() end",
         ["if true then f() elseif b then g() end", "if false then f() elseif b then g() end",
          "if a then f() elseif true then g() end"]),
        ("while a do f() end", ["while false do f() end"]),
        ("repeat f() until a", ["repeat f() until true"]),
    ],
)  # fmt: skip
def test_condition_is_always_or_never_true(source: str, becomes: list[str]) -> None:
    """Not never, where one dropped statement says the same."""
    assert changes(source, "always", "never") == becomes


@pytest.mark.parametrize(
    ("kind", "source", "becomes"),
    [
        ("swap comparison", "return a < b", ["return a <= b"]),
        ("swap comparison", "return a >= 1, #b ~= ''", ["return a > 1, #b ~= ''",
                                                         "return a >= 1, #b == ''"]),
        ("raise bound", "return a.b <= 50", ["return a.b <= 51"]),
        ("raise bound", "return 0 > a - 1", ["return 1 > a - 1"]),
        ("drop term", "return t + a - 3 * b",
         ["return t - 3 * b", "return t + a", "return t + a - 3"]),
        ("drop term", "return -a .. 'b-c'", ["return -a"]),
        ("drop not", "return not a and not f(b)",
         ["return a and not f(b)", "return not a and f(b)"]),
        ("call unguarded", "redis.pcall('GET', k)", ["redis.call('GET', k)"]),
        ("call unguarded", "return try('GET', k) or f(a), call('GET', k)",
         ["return redis.call('GET', k) or f(a), call('GET', k)"]),
        ("drop argument", "return math.min(a, #b - 1)",
         ["return math.min(#b - 1)", "return math.min(a)"]),
        ("drop argument", "call('UNLINK', a, key(b, c), d)",
         ["call('UNLINK', key(b, c), d)", "call('UNLINK', a, d)", "call('UNLINK', a, key(b, c))"]),
        ("drop argument", "call('DEL', a)", []),
        ("drop argument", "call('HDEL', k, 'a', 'b')", ["call('HDEL', k, 'b')",
                                                        "call('HDEL', k, 'a')"]),
        ("drop argument", "call('HSET', k, 'a', 1, 'b', f(x, y), ...)",
         ["call('HSET', k, 'b', f(x, y), ...)", "call('HSET', k, 'a', 1, ...)"]),
        ("drop argument", "call('HSET', k, 'a', 1)", []),
        ("drop argument", "call('ZRANGEBYSCORE', k, a, b, 'LIMIT', 0, n)",
         ["call('ZRANGEBYSCORE', k, a, b)"]),
    ],
)  # fmt: skip
def test_other_kinds(kind: str, source: str, becomes: list[str]) -> None:
    """One change at a time, and nothing in strings."""
    assert sorted(changes(source, kind)) == sorted(becomes)


def test_name_says_where_and_what() -> None:
    """Which of several it is counts within the file: the line may move."""
    source = "f(a)\nif b and\n  c then f(a) end\n"
    found = [(one.line, one.name) for one in mutants_of("x", source)]
    assert found == [
        (1, "x: drop statement: f(a)"),
        (2, "x: drop operand: b and"),
        (2, "x: always: b and c"),
        (2, "x: drop operand: and c"),
        (3, "x: drop statement: f(a) #2"),
    ]
    moved = [one.name for one in mutants_of("x", "\n-- More.\n" + source)]
    assert moved == [name for _, name in found]


@pytest.mark.parametrize(
    "source", ["a:b()", "if a then", "f() end", "return a +", "repeat f()", "goto x"]
)
def test_other_lua_is_refused(source: str) -> None:
    """It would be broken by halves."""
    with pytest.raises(SyntaxError, match=r"^x\.lua"):
        mutants_of("x", source)


def test_every_mutant_compiles_and_has_a_name_of_its_own(engine: Engine) -> None:
    """A script that Redis refuses would turn each test red."""
    found = all_mutants()
    assert len({one.name for one in found}) == len(found) > 500
    sources = {file: (mutants.ROOT / path).read_text() for file, path in mutants.files().items()}
    for one in found:
        assert one.apply(sources[one.file]) != sources[one.file]
        engine.client.redis.script_load(one.apply(sources[one.file]))


def test_equivalents_are_mutants() -> None:
    """A name of one that is no more would hide nothing, and mislead."""
    assert equivalents(all_mutants())


@pytest.mark.parametrize(
    ("listed", "error"),
    [
        ('"x: never: a" = "It can\'t be."', "names what is no mutant (any more):\nx: never: a"),
        ('"x: drop statement: f()" = "well"', "gives no reason in a sentence for: x: drop"),
    ],
)
def test_list_of_equivalents_is_checked(
    listed: str, error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is there, and says why."""
    file = tmp_path / "equivalents.toml"
    file.write_text(listed)
    monkeypatch.setattr(mutants, "EQUIVALENTS", file)
    with pytest.raises(Wrong, match=re.escape(error)):
        equivalents(mutants_of("x", "f()"))
