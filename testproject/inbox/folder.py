"""Read the folder that Django's file-based e-mail backend writes."""

import email.policy
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.parser import BytesParser
from pathlib import Path

# The backend writes this after each mail; a file can contain several mails.
SEPARATOR = b"\n" + b"-" * 79 + b"\n"


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail, as a reader sees it."""

    subject: str
    sender: str
    to: tuple[str, ...]  # addresses only, in lower case
    sent_at: datetime | None
    message_id: str
    body: str


def mails(folder: Path, *, most: int = 100) -> list[Mail]:
    """Return the newest mails of a folder, the newest first; a missing folder has none."""
    return [_mail(data) for data in _newest(folder, most)]


def _newest(folder: Path, most: int) -> Iterator[bytes]:
    if not folder.is_dir():
        return
    files = sorted(folder.glob("*.log"), key=lambda file: (file.stat().st_mtime_ns, file.name))
    left = most
    for file in reversed(files):
        for data in reversed(file.read_bytes().split(SEPARATOR)):
            if data.strip() and left > 0:
                left -= 1
                yield data


def _mail(data: bytes) -> Mail:
    message = BytesParser(policy=email.policy.default).parsebytes(data)
    body = message.get_body(("plain",))
    to = message["To"]
    date = message["Date"]
    return Mail(
        subject=str(message["Subject"] or ""),
        sender=str(message["From"] or ""),
        to=tuple(address.addr_spec.lower() for address in to.addresses) if to else (),
        sent_at=date.datetime if date else None,
        message_id=str(message["Message-ID"] or ""),
        body=body.get_content() if body else "",
    )
