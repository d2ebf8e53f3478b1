"""Load lua/*/*.lua and call them by name with named arguments.

The header of each file is the contract: the names under `ARGV:` become the keyword
arguments in Python and the local variables in Lua, so that no code depends on positions.
A script with the argument `epoch` is gated: it replies DETACHED before its first line if the
process is not attached to these keys, unless its code uses `epoch` itself.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import groupby
from typing import NamedTuple

from django_jobqueue.engine.inlining import Inliner
from django_jobqueue.jobs.text import raw

_FIELD = re.compile(r"^-- (Moves|KEYS|ARGV|Returns|Atomic):", re.MULTILINE)
_DEFINES = re.compile(r"^local (?:function )?(\w+(?:, \w+)*)", re.MULTILINE)
_USES_EPOCH = re.compile(r"^[^-\n]*\bepoch\b", re.MULTILINE)
_COMMENT = re.compile(r"--.*")
_CALL = re.compile(r"\b(?<!function )(\w+)\((\)?)")
_WORD = re.compile(r"\w+")
_NAME = re.compile(r"^--   (\w+)(\.\.\.)?(?: |$)", re.MULTILINE)

# Files of shared functions, in this order; see `_source` for the rare ones.
SHARED = (
    "now", "prelude",
    "rare/fair", "rare/arguments", "rare/scoring", "rare/moving", "rare/noting", "rare/rates",
    "rare/parking", "rare/tagging", "rare/unique", "rare/requeueing",
    "rare/ending", "rare/correcting", "rare/recovering", "rare/completing", "rare/duplicates",
    "rare/expiring", "rare/limits",
    "rare/finishing", "rare/workflows", "rare/notes",
    "claiming", "storing", "staging", "walking", "maintaining",
)  # fmt: skip
Calls = dict[str, int]  # rare functions: the numbers of their files
GATE = "if not is_attached(epoch) then return detached() end\n"

Argument = bytes | str | int | float

# Arguments with names that Redis holds already, so that they may be texts of any bytes.
NAMED = frozenset({"first", "id", "fence", "name", "queue", "queues", "schedules", "seen"})


class Paragraph(NamedTuple):
    """One function of a shared file, or some names that belong together."""

    text: str
    file: str
    names: list[str]  # that it defines
    words: frozenset[str]  # of its code

    @property
    def is_rare(self) -> bool:
        return self.file.startswith("rare/")


class Script:
    """One script: its source with the shared functions, and the order of its arguments."""

    def __init__(self, path: str, body: str, prelude: Sequence[Paragraph]) -> None:
        self.path = path  # of its file under lua/
        self.name = path.rpartition("/")[2].removesuffix(".lua")
        self.header = dict(_sections(path, body))
        found = _NAME.findall(self.header["ARGV"])
        self.names = [argument for argument, _ in found]
        self.rest = self.names.pop() if found and found[-1][1] else None
        self._named = [at for at, name in enumerate(self.names, 2) if name in NAMED]
        self.is_gated = "epoch" in self.names
        self._body = body
        self._prelude = prelude

    @cached_property
    def source(self) -> str:
        """The code for the server, made when it is first asked for: few processes call all."""
        gate = GATE if self.is_gated and not _USES_EPOCH.search(self._body) else ""
        code = f"{_locals(self.names, self.rest)}\n{gate}{self._body}"
        return _source(_needed(self._prelude, code), code)

    @cached_property
    def sha(self) -> str:
        return hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    def arguments(
        self, prefix: str, rest: Sequence[Argument], given: Mapping[str, Argument]
    ) -> list[Argument]:
        """Return the words that follow the script in EVALSHA, with `rest` at the end.

        Raises: KeyError for a missing argument, TypeError for an unknown one.
        """
        words: list[Argument] = ["1", prefix, *map(given.__getitem__, self.names)]
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
        shared = {name: sources.pop(f"shared/{name}.lua").strip() for name in SHARED}
        if clock is not None:
            shared["now"] = clock.strip()
        # The clock of a test may be an expression that is long for each of its calls.
        inline = Inliner(shared[name] for name in SHARED if "/" not in name and name != "now")
        prelude = [
            Paragraph(text, name, _names(text), _words(text))
            for name, file in shared.items()
            for text in inline(file).split("\n\n")
        ]
        scripts = [Script(path, inline(body), prelude) for path, body in sources.items()]
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


def _needed(prelude: Sequence[Paragraph], body: str) -> list[Paragraph]:
    """Return the paragraphs of the prelude that a body needs, in their order.

    Each call creates all functions of its script again, so unused ones are left out.
    """
    needed: list[Paragraph] = []
    below = _words(body)
    for paragraph in reversed(prelude):
        if not below.isdisjoint(paragraph.names):
            needed.insert(0, paragraph)
            below |= paragraph.words
    return needed


def _names(text: str) -> list[str]:
    return [name for names in _DEFINES.findall(text) for name in names.split(", ")]


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(_COMMENT.sub("", text)))


def _source(paragraphs: Sequence[Paragraph], body: str) -> str:
    """Return the source: the functions before the body, the rare ones within one of their own.

    That creates those of a file when one of them is called first: to create all hundred of them
    costs as much as ten commands.
    """
    parts: list[str] = []
    calls: Calls = {}
    for is_rare, group in groupby(paragraphs, lambda paragraph: paragraph.is_rare):
        if is_rare:
            files = [list(file) for _, file in groupby(group, lambda paragraph: paragraph.file)]
            for number, file in enumerate(files):
                calls |= {name: number for paragraph in file for name in paragraph.names}
            parts.append(_dispatcher([_created(calls, file) for file in files]))
        else:
            parts.append(_called(calls, "\n\n".join(paragraph.text for paragraph in group)))
    return "\n\n".join([*parts, _called(calls, body)])


def _created(calls: Calls, file: Sequence[Paragraph]) -> str:
    """Return code that creates the functions of a file, and puts them into a table."""
    own = {name for paragraph in file for name in paragraph.names}
    others = {name: number for name, number in calls.items() if name not in own}
    text = _called(others, "\n\n".join(paragraph.text for paragraph in file))
    return f"{text}\n\nfunctions = {{{', '.join(f'{name} = {name}' for name in sorted(own))}}}"


def _dispatcher(files: Sequence[str]) -> str:
    """Return the function `rare`, which takes the number of a file and the function's name."""
    cases = "\nelse".join(f"if file == {number} then\n{text}" for number, text in enumerate(files))
    return (
        "local created, rare\nrare = function(file, name, ...)\n"
        "created = created or {}\nlocal functions = created[file]\n"
        f"if not functions then\n{cases}\nend\ncreated[file] = functions\nend\n"
        "return functions[name](...)\nend"
    )


def _called(calls: Calls, text: str) -> str:
    """Return code that calls the rare functions by file and name."""

    def call(found: re.Match[str]) -> str:
        if found[1] not in calls:
            return found[0]
        return f"rare({calls[found[1]]}, '{found[1]}'" + (found[2] or ", ")

    return _CALL.sub(call, text)


def _locals(names: Sequence[str], rest: str | None) -> str:
    lines = [f"local {name} = ARGV[{position}]" for position, name in enumerate(names, 1)]
    if rest and not names:
        lines.append(f"local {rest} = ARGV")
    elif rest:
        lines.append(f"local {rest} = {{unpack(ARGV, {len(names) + 1})}}")
    return "\n".join(lines)
