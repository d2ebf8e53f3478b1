"""Load lua/*/*.lua and call them by name with named arguments.

The header of each file is the contract: the names under `ARGV:` become the keyword
arguments in Python and the local variables in Lua, so that no code depends on positions.
A script with the argument `epoch` is gated: it replies DETACHED before its first line if the
process is not attached to these keys, unless it calls `is_attached` itself.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from django_jobqueue.jobs.text import raw

_FIELD = re.compile(r"^-- (Moves|KEYS|ARGV|Returns|Atomic):", re.MULTILINE)
_CONSTANT = re.compile(r"^local ([A-Z_]+) = ([\de]+)(?: --.*)?$", re.MULTILINE)
_DEFINES = re.compile(r"^local (?:function )?(\w+(?:, \w+)*)", re.MULTILINE)
_COMMENT = re.compile(r"--.*")
_NAME = re.compile(r"^--   (\w+)(\.\.\.)?(?: |$)", re.MULTILINE)

SHARED = ("now", "prelude", "claiming", "storing")  # files of shared functions, in this order
GATE = "if not is_attached(epoch) then return detached() end\n"

Argument = bytes | str | int | float

# Arguments with names that Redis holds already, so that they may be texts of any bytes.
NAMED = frozenset({"id", "fence", "name", "queue", "queues", "schedules", "seen"})


class Script:
    """One script: its source with the shared functions, and the order of its arguments."""

    def __init__(self, path: str, body: str, prelude: Sequence[str]) -> None:
        self.path = path  # of its file under lua/
        self.name = path.rpartition("/")[2].removesuffix(".lua")
        self.header = dict(_sections(path, body))
        found = _NAME.findall(self.header["ARGV"])
        self.names = [argument for argument, _ in found]
        self.rest = self.names.pop() if found and found[-1][1] else None
        self._named = [at for at, name in enumerate(self.names, 2) if name in NAMED]
        self.is_gated = "epoch" in self.names
        code = GATE + body if self.is_gated and "is_attached(" not in body else body
        self.source = "\n\n".join(
            [*_needed(prelude, code), _locals(self.names, self.rest) + "\n" + code]
        )
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    def arguments(
        self, prefix: str, rest: Sequence[Argument], given: Mapping[str, Argument]
    ) -> list[Argument]:
        """Return the words that follow the script in EVALSHA, with `rest` at the end.

        Raises: KeyError for a missing argument, TypeError for an unknown one.
        """
        words: list[Argument] = [1, prefix, *map(given.__getitem__, self.names)]
        for at in self._named:
            words[at] = raw(str(words[at]))
        words += [raw(str(word)) for word in rest] if self.rest in NAMED else rest
        if len(given) != len(self.names):
            raise TypeError(f"{self.name}: unknown arguments {sorted(set(given) - {*self.names})}")
        return words


class Scripts:
    """All scripts of the protocol by name, one per file."""

    def __init__(self, clock: str | None = None) -> None:
        """Load the files; `clock` replaces the source of lua/shared/now.lua (tests only)."""
        sources = dict(_sources(files(__package__) / "lua"))
        shared = [sources.pop(f"shared/{name}.lua").strip() for name in SHARED]
        if clock is not None:
            shared[0] = clock.strip()
        text = "\n\n".join(shared)
        constants = dict(_CONSTANT.findall(text))
        prelude = _inlined(_CONSTANT.sub("", text), constants).split("\n\n")
        scripts = [
            Script(path, _inlined(body, constants), prelude) for path, body in sources.items()
        ]
        self.all = {script.name: script for script in sorted(scripts, key=lambda one: one.name)}


@cache
def standard() -> Scripts:
    """Return the scripts with the server's clock, loaded once per process."""
    return Scripts()


def _sources(folder: Traversable, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path relative to the folder, and the text, of each Lua file in it."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _sources(entry, f"{path}{entry.name}/")
        elif entry.name.endswith(".lua"):
            yield path + entry.name, entry.read_text()


def _sections(path: str, body: str) -> Sequence[tuple[str, str]]:
    header = body.split("\n\n", 1)[0]
    parts = _FIELD.split(header)
    sections = list(zip(parts[1::2], parts[2::2], strict=True))
    if [title for title, _ in sections] != ["Moves", "KEYS", "ARGV", "Returns", "Atomic"]:
        raise ValueError(f"lua/{path}: its header lacks a field, or has them in another order")
    return sections


def _inlined(text: str, constants: Mapping[str, str]) -> str:
    """Return the code with the values of constants in place of their names."""
    return re.sub(r"\b[A-Z_]+\b", lambda name: constants.get(name[0], name[0]), text)


def _needed(prelude: Sequence[str], body: str) -> list[str]:
    """Return the paragraphs of the prelude that a body needs, in their order.

    Each call creates all functions of its script again, so unused ones are left out.
    """
    needed: list[str] = []
    for paragraph in reversed(prelude):
        names = [name for names in _DEFINES.findall(paragraph) for name in names.split(", ")]
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
