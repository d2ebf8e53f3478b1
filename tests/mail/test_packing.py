"""A mail that was stored as JSON is the mail that would have been sent at once."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage as Part
from email.mime.image import MIMEImage
from typing import Any

import django
import pytest
from django.core.mail import EmailAttachment, EmailMessage, EmailMultiAlternatives
from django.utils.functional import lazystr

from django_jobqueue.mail.packing import pack, unpack

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
HEADERS = {"Message-ID": "<1@example.com>", "Date": "Sat, 28 Nov 2026 12:00:00 +0000"}


class Newsletter(EmailMultiAlternatives):
    """A project's own class, with an attribute that its mail backend reads."""

    content_subtype = "html"
    tags: list[str]


def again(message: EmailMessage) -> EmailMessage:
    """Return the mail as a worker makes it."""
    return unpack(json.loads(json.dumps(pack(message))))


def sent(message: EmailMessage) -> bytes:
    """Return the bytes of a mail, with the same boundaries each time."""
    found = message.message()
    for number, part in enumerate(part for part in found.walk() if part.is_multipart()):
        if part.get_content_maintype() == "multipart":
            part.set_boundary(f"boundary-{number}")
    return bytes(found.as_bytes())


def plain() -> EmailMessage:
    return EmailMessage(
        subject="Grüße",
        body="Über\nalles. " + "x" * 2000,
        from_email="Ünal <from@example.com>",
        to=["Zoë <to@example.com>", "two@example.com"],
        cc=["cc@example.com"],
        bcc=["bcc@example.com"],
        reply_to=["reply@example.com"],
        headers={**HEADERS, "List-Unsubscribe": "<https://example.com/u>", "To": "a list"},
    )


def with_html() -> EmailMessage:
    message = EmailMultiAlternatives(body="text", to=["to@example.com"], headers=HEADERS)
    message.attach_alternative("<p>ä</p>", "text/html")
    message.attach_alternative(PICTURE, "image/png")
    return message


def with_attachments() -> EmailMessage:
    message = with_html()
    message.attach("notes.txt", "text ä", "text/plain")
    message.attach("bytes.txt", "text ä".encode(), "text/plain")
    message.attach("pictüre.png", PICTURE, "image/png")
    message.attach(None, PICTURE, "image/png")
    memory: Any = memoryview(PICTURE)
    message.attachments.append(EmailAttachment("memory.bin", memory, "image/png"))
    message.attach("forwarded.eml", plain(), "message/rfc822")
    message.attach("parsed.eml", plain().message(), "message/rfc822")
    return message


def with_part() -> EmailMessage:
    """An inline picture: the part is made by hand."""
    message = with_html()
    part: Any
    if django.VERSION >= (6, 0):
        part = Part()
        part.set_content(PICTURE, "image", "png", cid="<logo>", disposition="inline")
        del part["MIME-Version"]
    else:
        part = MIMEImage(PICTURE, "png")
        part.add_header("Content-ID", "<logo>")
        part.add_header("Content-Disposition", "inline", filename="lögo.png")
    message.attach(part)
    return message


class Invoice(EmailMultiAlternatives):
    """A mail that is made of something else than a mail."""

    def __init__(self, number: int) -> None:
        super().__init__(f"Invoice {number}", to=["ada@example.com"], headers=HEADERS)
        self.number = number


def of_something_else() -> EmailMessage:
    return Invoice(7)


def of_own_class() -> EmailMessage:
    message = Newsletter(subject="News", body="<p>x</p>", to=["to@example.com"], headers=HEADERS)
    message.encoding = "iso-8859-1"
    return message


@pytest.mark.parametrize(
    "make", [plain, with_html, with_attachments, with_part, of_own_class, of_something_else]
)
def test_mail_is_the_same_after_its_way(make: Callable[[], EmailMessage]) -> None:
    """Byte by byte, and to the same recipients; the class stays too."""
    message, found = make(), again(make())
    assert sent(found) == sent(message)
    assert (found.recipients(), type(found)) == (message.recipients(), type(message))


def test_attributes_of_other_backends_travel() -> None:
    """Those of ESPs are set on the mail, such as tags."""
    message = plain()
    message.tags = ["welcome"]  # type: ignore[attr-defined]
    assert vars(again(message))["tags"] == ["welcome"]


def test_lazy_texts_are_made_now() -> None:
    """In the language of the request, which the worker does not know."""
    message = EmailMessage(subject=lazystr("Hello"), to=[lazystr("to@example.com")], body="x")  # type: ignore[list-item]
    packed = pack(message)
    assert (packed["subject"], packed["to"]) == ("Hello", ["to@example.com"])


def test_mail_gets_one_message_id_for_all_attempts() -> None:
    """And the mail that was given stays as it is."""
    message = EmailMessage(to=["to@example.com"], headers={"X-A": "1"})
    packed = pack(message)
    assert message.extra_headers == {"X-A": "1"}
    first, second = unpack(packed).message(), unpack(packed).message()
    assert first["Message-ID"] == second["Message-ID"] != ""
    own = EmailMessage(to=["to@example.com"], headers={"message-id": "<own@example.com>"})
    assert unpack(pack(own)).message().get_all("Message-ID") == ["<own@example.com>"]


def test_times_in_headers_are_spelled_out() -> None:
    message = EmailMessage(headers={"Date": datetime(2026, 11, 28, 12, tzinfo=UTC)})  # type: ignore[dict-item]
    assert pack(message)["extra_headers"]["Date"] == "Sat, 28 Nov 2026 12:00:00 +0000"


def test_connection_stays_behind() -> None:
    """It is a socket of this process."""
    packed = pack(plain())
    assert not {"connection", "_connection"} & set(packed)


def test_what_json_cannot_hold_is_named() -> None:
    message = plain()
    message.when = datetime(2026, 1, 1)  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"attribute 'when' .* pass value\.isoformat\(\) instead"):
        pack(message)


def test_class_that_no_worker_finds_is_refused() -> None:
    class Local(EmailMessage):
        """Nobody can import it."""

    with pytest.raises(TypeError, match="Local"):
        pack(Local())
