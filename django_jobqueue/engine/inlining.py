"""Write the constants and the short functions of shared Lua files into the code that uses them.

Each call of a script creates all its functions again, and a local that functions share costs more
than a value. So a function that only returns a value, or makes one call, costs nothing here.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

CONSTANT = re.compile(r"^local ([A-Z_]+) = ([\de]+)(?: --.*)?$", re.MULTILINE)
# A function that returns at once, or makes one call.
SHORT = re.compile(
    r"^local function (\w+)\(([^)]*)\)\s+(return\b)?\s*(.+(?:\n    .+)*)\s+end$",
    re.MULTILINE,
)
NAME = re.compile(r"\b[A-Z_]+\b")
REST = "..."  # the parameter for all further arguments
WORD = re.compile(r"'[^']*'|\w+|\.\.\.")
PLAIN = re.compile(r"\w+(?:\.\w+)*|'[^']*'")  # needs no brackets of its own
CALL = re.compile(r"[\w.]+\(")
MARK = re.compile(r"'[^']*'|[][(){},]")
MAY_SKIP = re.compile(r"\b(?:and|or)\b")


class Short(NamedTuple):
    """A function that is no more than what it returns, or the call that it makes."""

    parameters: list[str]  # the last may be REST
    code: str

    @classmethod
    def read(cls, name: str, parameters: str, returns: str, code: str) -> "Short | None":
        """Return the function; None if it is longer, or its code would not do the same elsewhere.

        What it is given must be evaluated once and in the same order: `...` as arguments of a call.
        """
        names, words = WORD.findall(parameters), WORD.findall(code)
        is_whole = len(_values(f"{code})", 0)[0]) == 1 if returns else _is_call(code)
        in_order = [word for word in words if word in names] == names and name not in words
        always = not MAY_SKIP.search(code[: code.rindex(names[-1])]) if names and in_order else True
        is_rest_given = REST not in names or ", ...)" in code
        return cls(names, code) if is_whole and in_order and always and is_rest_given else None


class Inliner:
    """Know the constants and the short functions of some files, and write them into code."""

    def __init__(self, files: Iterable[str]) -> None:
        text = "\n\n".join(files)
        self._constants = dict(CONSTANT.findall(text))
        self._short = {
            found[1]: short
            for found in SHORT.finditer(text)
            if (short := Short.read(*found.groups()))
        }
        self._definitions = {found[0] for found in SHORT.finditer(text)}
        self._call = re.compile(rf"\b({'|'.join(self._short) or '(?!)'})\(")

    def __call__(self, text: str) -> str:
        """Return the code without their definitions, and with their values.

        Raises: ValueError if it defines one of them otherwise.
        """
        text = self._with_values(SHORT.sub(self._undefined, CONSTANT.sub(self._without, text)))
        start = 0
        while found := self._call.search(text, start):
            start = found.start()  # what a call is given may have calls
            values, end = _values(text, found.end())
            text = text[:start] + self._code(self._short[found[1]], values) + text[end:]
        return text

    def _with_values(self, text: str) -> str:
        return NAME.sub(lambda name: self._constants.get(name[0], name[0]), text)

    def _without(self, found: re.Match[str]) -> str:
        return "" if found[1] in self._constants else found[0]

    def _undefined(self, found: re.Match[str]) -> str:
        if found[1] in self._short and found[0] not in self._definitions:
            raise ValueError(f"{found[1]} is a function of the shared files already: {found[0]}")
        return "" if found[1] in self._short else found[0]

    def _code(self, short: Short, values: list[str]) -> str:
        names = [name for name in short.parameters if name != REST]
        given = dict(zip(names, map(_as_one, values), strict=False))
        given[REST] = ", ".join(values[len(names) :])
        code = short.code if given[REST] else short.code.replace(", ...", "")
        code = WORD.sub(lambda word: given.get(word[0], word[0]), _in_brackets(code))
        return self._with_values(code).replace("' .. '", "")  # 'job' .. ':' is 'job:'


def _values(text: str, start: int) -> tuple[list[str], int]:
    """Return the arguments of a call that begin at `start`, and where the call ends."""
    values, depth, begin = list[str](), 0, start
    for found in MARK.finditer(text, start):
        depth += (found[0] in "([{") - (found[0] in ")]}")
        if depth < 0 or (found[0] == "," and not depth):
            value = text[begin : found.start()].strip()
            values.append(_in_brackets(value))
            begin = found.end()
        if depth < 0:
            break
    return values, begin


def _is_call(code: str) -> bool:
    call = CALL.match(code)
    return call is not None and _values(code, call.end())[1] == len(code)


def _in_brackets(code: str) -> str:
    """Return an expression that operators beside it can't tear apart.

    A call stays as it is: it may return several values, which brackets would cut off.
    """
    return code if PLAIN.fullmatch(code) or _is_call(code) else f"({code})"


def _as_one(value: str) -> str:
    """Return an argument for a parameter, which takes the first of several values."""
    return f"({value})" if _is_call(value) else value
