"""Short functions of the shared files are written into the code, with the same meaning."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.inlining import Inliner

FILE = """
-- What the functions share.
local MOST = 20 -- of something

local function half(number) return number / 2 end

local function pair(first, second) return first, second end

local function twice(number) return number + number end

local function all_of(first, ...) return math.max(first, ...) end

local function note() call('SET', KEYS[1], MOST) end

local function early() local found = 1 return found end

local function noted() if MOST then note() end end

local function to_state(id, state) return 'state ' .. id .. ' is ' .. state end

local function to_given(id, state) call('HSET', KEYS[1], id, state, id, id) end

local function either(first, second) return first or second end

local function turned(first, second) return second .. first end

local function of_rest(...) return unpack(... or {}) end

local function again(number) return again(number - 1) end

local function added(list, value) return table.concat({list, value}, '+') end

local function joined(first, second)
  return table.concat({first, ', ', second},
    ')')
end

local function long(number)
  local found = number
  return found
end
"""


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("half(MOST)", 10),
        ("half(half(MOST) + 2)", 6),
        ("8 - half(2 + 2)", 6),
        ("math.max(half(2), half(half(12)))", 3),
        ("all_of(1, half(8), 3)", 4),
        ("all_of(1)", 1),
        ("joined('a(', 'b' .. ')')", b"a(), )b)"),
        ("to_state('no', 'state')", b"state no is state"),
        ("added('a', string.gsub('b', 'c', 'd'))", b"a+b"),
        ("added('a', unpack({'b', 'c'}))", b"a+b"),
        ("#added('a'..'b', 1)", 4),
        ("twice(half(6))", 6),
        ("long(half(6))", 3),
        ("{half(6), unpack({long(1), half(4)})}", [3, 1, 2]),
        ("{pair(half(2), half(4))}", [1, 2]),
        ("{early(), early()}", [1, 1]),
        (
            "{noted() or 'nothing', redis.call('GET', KEYS[1]), redis.call('DEL', KEYS[1])}",
            [b"nothing", b"20", 1],
        ),
    ],
)
def test_code_means_what_it_meant(engine: Engine, code: str, expected: object) -> None:
    """A script with the file's functions, and one that has them written into it."""
    inline = Inliner([FILE])
    named = f"local call = redis.call\n{FILE}\nreturn {code.replace('MOST', '20')}"
    short = inline(named)
    for name in ("half", "all_of", "joined", "note"):
        assert f"function {name}(" not in short
    for source in (named, short):
        assert engine.client.redis.eval(source, 1, engine.client.keys("progress", "x")) == expected


def test_what_is_more_than_one_value_or_call_stays_a_function() -> None:
    short = Inliner([FILE])(FILE)
    names = ["twice", "long", "pair", "early", "noted", "to_given", "either", "turned", "of_rest"]
    for name in [*names, "again"]:
        assert f"local function {name}(" in short


def test_call_alone_stays_a_call() -> None:
    """Brackets around it would be no statement, and would cut off all values but the first."""
    assert Inliner([FILE])("note()") == "call('SET', KEYS[1], 20)"
    assert Inliner(["local function three(t) return unpack(t) end"])("three({1})") == (
        "unpack(({1}))"
    )


def test_function_of_the_same_name_is_refused() -> None:
    with pytest.raises(ValueError, match="half is a function of the shared files already"):
        Inliner([FILE])("local function half(number) return number / 3 end")


def test_constant_of_another_name_stays() -> None:
    assert Inliner([FILE])("local MORE = 7\nreturn MORE") == "local MORE = 7\nreturn MORE"


def test_file_without_short_functions_stays() -> None:
    assert Inliner(["local MOST = 20"])("return half(MOST)") == "return half(20)"


def test_functions_of_other_files_stay() -> None:
    text = "local function other(number) return half(number) end"
    assert Inliner([FILE])(text) == "local function other(number) return (number / 2) end"
