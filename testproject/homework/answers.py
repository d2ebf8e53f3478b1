"""Read a student's file: decode bytes to text, and parse text into answers by question.

The module uses neither the key, nor Django's models, nor a queue.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MAX_BYTES = 1024 * 1024
ACCEPTED = "Accepted is plain text or CSV with lines such as “1,B”, “1) B” or “1: B”, up to 1 MB."

_LABEL = r'^\s*"?(?:q(?:uestion)?\s*)?(?P<label>\d+[a-z]?)"?'  # 1, 2b, Q3, Question 4, "5"
_BARE_LABEL = re.compile(_LABEL + r"\s*$", re.IGNORECASE)
_LINE = re.compile(
    _LABEL + r"\s*(?:\.?[)\]:=;,]|\.|-(?=\s)|(?=\s))\s*(?P<answer>.*)$", re.IGNORECASE
)


class UnreadableFile(ValueError):
    """The file can't be read; the message tells the student why and what is accepted."""


@dataclass(frozen=True, slots=True)
class AnswerSheet:
    """The contents of a file: the answers to each question in order, and the unread lines."""

    answers: dict[str, list[str]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)  # such as 'line 3: "hello"'

    def add(self, label: str, answer: str) -> None:
        self.answers.setdefault(label.lower().lstrip("0") or "0", []).append(answer.strip())


def decode(data: bytes) -> str:
    """Return the text of an uploaded file: UTF-16 with a byte order mark, UTF-8, else Latin-1.

    Raises: UnreadableFile if it is empty, too large or not text.
    """
    if len(data) > MAX_BYTES:
        raise UnreadableFile(f"The file is larger than 1 MB. {ACCEPTED}")
    if not data:
        raise UnreadableFile(f"The file is empty. {ACCEPTED}")
    text = _decoded(data)
    if any(ord(char) < 32 and char not in "\t\n\r\f" for char in text):
        raise UnreadableFile(
            "The file is not text (a PDF, a picture, a Word or Excel file?): "
            f"save it as CSV or plain text in UTF-8. {ACCEPTED}"
        )
    if not text.strip():
        raise UnreadableFile(f"The file has only blank lines. {ACCEPTED}")
    return "\n".join(text.splitlines())


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError:
            raise UnreadableFile(f"The file begins as UTF-16 but is damaged. {ACCEPTED}") from None
    for encoding in ("utf-8-sig", "cp1252"):  # cp1252 is Latin-1 as Windows writes it.
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UnreadableFile(
        f"The file's encoding is not known: save it as UTF-8 and try again. {ACCEPTED}"
    )


def read_answers(text: str) -> AnswerSheet:
    """Return the answers in a text.

    Raises: UnreadableFile if the text has no answer.
    """
    lines = text.splitlines()
    table = _table(lines)
    sheet = AnswerSheet()
    for number, label, answer in table if table is not None else _plain(lines):
        if label:
            sheet.add(label, answer)
        else:
            sheet.unread.append(f"line {number}: “{shortened(answer)}”")
    if not sheet.answers:
        raise UnreadableFile(f"No line of the file is an answer to a question. {ACCEPTED}")
    return sheet


def _plain(lines: list[str]) -> Iterator[tuple[int, str, str]]:
    """Yield (line number, label, answer) per line; the label is empty if it is no answer."""
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.match(line) or _BARE_LABEL.match(line)
        if found is None:
            yield number, "", line
        else:
            yield number, found["label"], _unquoted(found.groupdict().get("answer") or "")


def _table(lines: list[str]) -> Iterator[tuple[int, str, str]] | None:
    """Return the rows of a CSV file whose first line names question and answer, else None."""
    first = next((line for line in lines if line.strip()), "")
    for delimiter in ",;\t":
        head = [cell.strip().strip('"').lower() for cell in first.split(delimiter)]
        if "question" in head and "answer" in head:
            reader = csv.reader(lines[lines.index(first) + 1 :], delimiter=delimiter)
            skipped = lines.index(first) + 1
            return _rows(reader, skipped, head.index("question"), head.index("answer"))
    return None


def _rows(reader: Any, skipped: int, question: int, answer: int) -> Iterator[tuple[int, str, str]]:
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        number = skipped + reader.line_num
        found = _BARE_LABEL.match(row[question]) if len(row) > question else None
        if found is None:
            yield number, "", ", ".join(row)
        else:
            yield number, found["label"], row[answer] if len(row) > answer else ""


def _unquoted(answer: str) -> str:
    if len(answer) >= 2 and answer[0] == answer[-1] == '"':
        return answer[1:-1].replace('""', '"')
    return answer


def shortened(text: str, most: int = 60) -> str:
    """Return a text as one line of at most `most` characters."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"
