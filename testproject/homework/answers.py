"""Read a student's file: decode bytes to text, and parse text into answers by question.

The module uses neither the key nor Django's models.
"""

import re
from dataclasses import dataclass, field

from django.utils.text import Truncator

from django_jobqueue.requests.outcome import PublicError

MAX_BYTES = 30_000  # the text is an argument of a job
ACCEPTED = "Accepted is plain text or CSV with lines such as “1,B”, “1) B” or “1: B”, up to 30 kB."

_LABEL = r'^\s*"?(?:q(?:uestion)?\s*)?(?P<label>\d+[a-z]?)"?'  # 1, 2b, Q3, Question 4, "5"
_BARE_LABEL = re.compile(_LABEL + r"\s*$", re.IGNORECASE)
_LINE = re.compile(
    _LABEL + r"\s*(?:\.?[)\]:=;,]|\.|-(?=\s)|(?=\s))\s*(?P<answer>.*)$", re.IGNORECASE
)
_IGNORED = re.compile(r'#|"?question"?\s*[,;\t]', re.IGNORECASE)  # comments, the head of a table


class UnreadableFile(PublicError, ValueError):
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
        raise UnreadableFile(f"The file is larger than 30 kB. {ACCEPTED}")
    text = _decoded(data)
    if any(ord(char) < 32 and char not in "\t\n\r\f" for char in text):
        raise UnreadableFile(
            "The file is not text (a PDF, a picture, a Word or Excel file?): "
            f"save it as CSV or plain text in UTF-8. {ACCEPTED}"
        )
    if not text.strip():
        raise UnreadableFile(f"The file is empty. {ACCEPTED}")
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
    sheet = AnswerSheet()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or _IGNORED.match(line):
            continue
        found = _LINE.match(line) or _BARE_LABEL.match(line)
        if found is None:
            sheet.unread.append(f"line {number}: “{shortened(line)}”")
        else:
            sheet.add(found["label"], _unquoted(found.groupdict().get("answer") or ""))
    if not sheet.answers:
        raise UnreadableFile(f"No line of the file is an answer to a question. {ACCEPTED}")
    return sheet


def _unquoted(answer: str) -> str:
    if len(answer) >= 2 and answer[0] == answer[-1] == '"':
        return answer[1:-1].replace('""', '"')
    return answer


def shortened(text: str) -> str:
    return Truncator(" ".join(text.split())).chars(60)
