"""Load lua/*.lua and call them by name with named arguments.

The header of each file is the contract: the names under `ARGV:` become the keyword
arguments in Python and the local variables in Lua, so positions are written nowhere.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from redis.exceptions import NoScriptError

_FIELD = re.compile(r"^-- (Moves|KEYS|ARGV|Returns|Atomic):", re.MULTILINE)
_DEFINES = re.compile(r"^local (?:function )?(\w+)", re.MULTILINE)
_COMMENT = re.compile(r"--.*")
_NAME = re.compile(r"^--   (\w+)(\.\.\.)?(?: |$)", re.MULTILINE)

SHARED = ("now", "prelude", "storing")  # what scripts share, in this order

Argument = bytes | str | int | float
Execute = Callable[..., Any]  # sends the words of a command and returns the reply


class Script:
    """One script: its source with the prelude, and the order of its arguments."""

    def __init__(self, name: str, body: str, prelude: Sequence[str]) -> None:
        self.name = name
        self.header = dict(_sections(name, body))
        found = _NAME.findall(self.header["ARGV"])
        self.names = [argument for argument, _ in found]
        self.rest = self.names.pop() if found and found[-1][1] else None
        # It works only for a process that was introduced to these very keys.
        self.is_gated = "epoch" in self.names
        self.source = "\n\n".join(
            [*_needed(prelude, body), _locals(self.names, self.rest) + "\n" + body]
        )
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    def __call__(
        self, execute: Execute, prefix: str, rest: Sequence[Argument] = (), /, **given: Argument
    ) -> Any:
        """Run the script; `rest` fills the argument whose name ends in dots.

        Raises: KeyError for a missing argument, TypeError for an unknown one, RedisError.
        """
        arguments = [given[name] for name in self.names]
        if len(given) != len(arguments):
            raise TypeError(f"{self.name}: unknown arguments {sorted(set(given) - {*self.names})}")
        try:
            return execute("EVALSHA", self.sha, 1, prefix, *arguments, *rest)
        except NoScriptError:
            return execute("EVAL", self.source, 1, prefix, *arguments, *rest)


class Scripts:
    """All scripts of the protocol as attributes, one per file."""

    def __init__(self, clock: str | None = None) -> None:
        """Load the files; `clock` replaces the source of lua/now.lua (tests only)."""
        folder = files(__package__) / "lua"
        shared = [(folder / f"{name}.lua").read_text().strip() for name in SHARED]
        if clock is not None:
            shared[0] = clock.strip()
        prelude = "\n\n".join(shared).split("\n\n")
        self.all: dict[str, Script] = {}
        for file in sorted(folder.iterdir(), key=lambda file: file.name):
            name, _, suffix = file.name.rpartition(".")
            if suffix == "lua" and name not in SHARED:
                self.all[name] = Script(name, file.read_text(), prelude)

    def __getattr__(self, name: str) -> Script:
        try:
            script: Script = self.__dict__["all"][name]
        except KeyError:
            raise AttributeError(f"there is no lua/{name}.lua") from None
        self.__dict__[name] = script
        return script


@cache
def standard() -> Scripts:
    """Return the scripts with the server's clock, loaded once per process."""
    return Scripts()


def _sections(name: str, body: str) -> Sequence[tuple[str, str]]:
    header = body.split("\n\n", 1)[0]
    parts = _FIELD.split(header)
    sections = list(zip(parts[1::2], parts[2::2], strict=True))
    if [title for title, _ in sections] != ["Moves", "KEYS", "ARGV", "Returns", "Atomic"]:
        raise ValueError(f"lua/{name}.lua: its header lacks a field, or has them in another order")
    return sections


def _needed(prelude: Sequence[str], body: str) -> list[str]:
    """Return the paragraphs of the prelude that a body needs, in their order.

    Each call makes all functions of its script anew, so those it does not use are left out.
    """
    needed: list[str] = []
    for paragraph in reversed(prelude):
        names = _DEFINES.findall(paragraph)
        below = _COMMENT.sub("", "\n".join([*needed, body]))
        if any(re.search(rf"\b{name}\b", below) for name in names):
            needed.insert(0, paragraph)
    return needed


def _locals(names: Sequence[str], rest: str | None) -> str:
    lines = [f"local {name} = ARGV[{position}]" for position, name in enumerate(names, 1)]
    if rest and not names:
        lines.append(f"local {rest} = ARGV")
    elif rest:
        lines.append(f"local {rest} = {{unpack(ARGV, {len(names) + 1})}}")
    return "\n".join(lines)
