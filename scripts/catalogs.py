"""Files of translated messages: read and write .po, and write the .mo that Django loads.

They are what GNU gettext's programs would make of them, without a need for these programs.
"""

import ast
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

_FORMAT = re.compile(r"%(?:\(\w+\))?[-+ #0]*[\d.]*[a-zA-Z]")
_FIELD = re.compile(r'^(msgctxt|msgid|msgid_plural|msgstr(?:\[\d+\])?) (".*")$')
_MAGIC = 0x950412DE


class Message(NamedTuple):
    """What a program asks for: a text, perhaps with another one for many, and its context."""

    text: str
    plural: str = ""
    context: str = ""

    def placeholders(self) -> set[str]:
        """Return the formats that a translation fills in."""
        return placeholders(self.plural or self.text)


@dataclass
class Catalog:
    """The messages of one language: the head, and the translations in the order of the file."""

    head: str
    translations: dict[Message, list[str]] = field(default_factory=dict)
    places: dict[Message, list[str]] = field(default_factory=dict)
    fuzzy: set[Message] = field(default_factory=set)

    @property
    def forms(self) -> int:
        """Return how many forms a message with a plural has in this language."""
        found = re.search(r"nplurals=(\d)", self.head)
        return int(found[1]) if found else 2

    def missing(self) -> list[Message]:
        """Return the messages without a complete translation."""
        return [
            message
            for message, texts in self.translations.items()
            if message in self.fuzzy
            or not all(texts)
            or len(texts) != (self.forms if message.plural else 1)
        ]


def placeholders(text: str) -> set[str]:
    """Return the formats of a text, such as %(count)s."""
    return set(_FORMAT.findall(text.replace("%%", "")))


def read_po(path: Path) -> Catalog:
    """Return what a .po file holds; what is obsolete in it is left out."""
    catalog = Catalog("")
    for lines in _entries(path.read_text("utf-8").splitlines()):
        fields = _fields(lines)
        texts = [text for name, text in fields.items() if name.startswith("msgstr")]
        if fields["msgid"] == "":
            catalog.head = texts[0]
            continue
        message = Message(
            fields["msgid"], fields.get("msgid_plural", ""), fields.get("msgctxt", "")
        )
        catalog.translations[message] = texts
        if any(line.startswith("#,") and "fuzzy" in line for line in lines):
            catalog.fuzzy.add(message)
    return catalog


def _entries(lines: Iterable[str]) -> Iterator[list[str]]:
    entry: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            entry.append(line)
        elif entry:
            if any(one.startswith("msgid ") for one in entry):
                yield entry
            entry = []


def _fields(lines: Iterable[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in lines:
        found = _FIELD.match(line)
        if found:
            name = found[1]
            fields[name] = ast.literal_eval(found[2])
        elif line.startswith('"'):
            fields[name] += ast.literal_eval(line)
    return fields


def po(catalog: Catalog) -> str:
    """Return the text of a .po file."""
    entries = [f'msgid ""\nmsgstr {_quoted(catalog.head)}\n']
    for message, texts in catalog.translations.items():
        lines = [f"#: {place}" for place in catalog.places.get(message, [])]
        if message in catalog.fuzzy:
            lines.append("#, fuzzy")
        if message.placeholders():
            lines.append("#, python-format")
        if message.context:
            lines.append(f"msgctxt {_quoted(message.context)}")
        lines.append(f"msgid {_quoted(message.text)}")
        if message.plural:
            lines.append(f"msgid_plural {_quoted(message.plural)}")
            lines += [f"msgstr[{at}] {_quoted(text)}" for at, text in enumerate(texts)]
        else:
            lines.append(f"msgstr {_quoted(texts[0])}")
        entries.append("\n".join(lines) + "\n")
    return "\n".join(entries)


def _quoted(text: str) -> str:
    """Return a text as a .po file has it: a line of its own for each but the last."""
    lines = [_literal(line) for line in text.splitlines(keepends=True)] or ['""']
    return lines[0] if len(lines) == 1 else "\n".join(['""', *lines])


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def mo(catalog: Catalog) -> bytes:
    """Return the .mo file of the complete translations: two tables of lengths and places."""
    left_out = set(catalog.missing())
    texts = {b"": catalog.head.encode()}
    for message, forms in catalog.translations.items():
        if message not in left_out:
            texts[_key(message)] = "\0".join(forms).encode()
    keys = sorted(texts)
    values = [texts[key] for key in keys]
    first = 28  # after the header
    start = first + 16 * len(keys)
    tables: list[int] = []
    data = b""
    for item in (*keys, *values):
        tables += [len(item), start + len(data)]
        data += item + b"\0"
    header = (_MAGIC, 0, len(keys), first, first + 8 * len(keys), 0, start)
    return struct.pack(f"<{7 + len(tables)}I", *header, *tables) + data


def _key(message: Message) -> bytes:
    text = f"{message.text}\0{message.plural}" if message.plural else message.text
    return (f"{message.context}\4{text}" if message.context else text).encode()
