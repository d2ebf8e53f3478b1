"""Convert an e-mail to JSON and back, with everything that Django's classes hold."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import datetime
from email import message_from_bytes
from email.message import Message, MIMEPart
from email.mime.base import MIMEBase
from email.policy import default as modern
from email.utils import format_datetime
from typing import Any

from django.core.mail import DNS_NAME, EmailAlternative, EmailAttachment, EmailMessage, make_msgid
from django.utils.module_loading import import_string

from django_jobqueue.jobs.payload import pure

Packed = dict[str, Any]

_CONNECTION = {
    "connection",
    "_connection",
}  # it belongs to this process; the name before and in 6.1
_TEXTS = {"subject", "body", "from_email"}  # they may be lazy translations
_ADDRESSES = {"to", "cc", "bcc", "reply_to"}


class _Part(MIMEPart, MIMEBase):
    """A part that was attached as it is; Django asks for one class or the other."""

    def __init__(self, policy: Any = modern) -> None:
        Message.__init__(self, policy)


def pack(message: EmailMessage) -> Packed:
    """Return a mail as JSON, with a Message-ID that each attempt to send it has.

    Raises: TypeError, naming what JSON can't hold.
    """
    packed = {
        name: _packed(name, value)
        for name, value in vars(message).items()
        if name not in _CONNECTION
    }
    headers = packed["extra_headers"]
    if not any(name.lower() == "message-id" for name in headers):
        headers["Message-ID"] = make_msgid(domain=str(DNS_NAME))
    return {"class": _path_of(type(message)), **packed}


def unpack(packed: Packed) -> EmailMessage:
    """Return the mail that `pack` made JSON of.

    Raises: ImportError if the code no longer has its class.
    """
    cls: type[EmailMessage] = import_string(packed["class"])
    # What its class wants to be made of is in its attributes by now.
    message = cls.__new__(cls)
    vars(message).update(vars(EmailMessage()))
    for name, value in packed.items():
        if name != "class":
            setattr(message, name, _unpacked(name, value))
    return message


def _path_of(cls: type[EmailMessage]) -> str:
    path = f"{cls.__module__}.{cls.__qualname__}"
    try:
        if import_string(path) is cls:
            return path
    except ImportError:
        pass
    raise TypeError(f"{cls!r} can't be queued: a worker finds no class by its name {path}.")


def _packed(name: str, value: Any) -> Any:
    """Return an attribute of a mail as JSON."""
    if name in _TEXTS:
        return str(value)
    if name in _ADDRESSES:
        return [str(address) for address in value]
    if name == "extra_headers":
        return {str(header): _header(content) for header, content in value.items()}
    if name == "attachments":
        return [_packed_attachment(attachment) for attachment in value]
    if name == "alternatives":
        return [[_packed_content(content), str(kind)] for content, kind in value]
    try:
        return pure(value, name)
    except TypeError as error:
        raise TypeError(f"The mail's attribute {name!r} can't be queued: {error}") from None


def _unpacked(name: str, value: Any) -> Any:
    if name == "attachments":
        return [_unpacked_attachment(attachment) for attachment in value]
    if name == "alternatives":
        return [EmailAlternative(_unpacked_content(content), kind) for content, kind in value]
    return value


def _header(value: object) -> str:
    return format_datetime(value) if isinstance(value, datetime) else str(value)


def _packed_attachment(attachment: Any) -> Any:
    """Return an attachment as [filename, content, type], or a part made by hand as {"part": …}."""
    if isinstance(attachment, Message):
        return {"part": _base64(attachment.as_bytes())}
    filename, content, kind = attachment
    return [None if filename is None else str(filename), _packed_content(content), kind]


def _unpacked_attachment(packed: Any) -> Any:
    if isinstance(packed, Mapping):
        made: Any = _Part
        return message_from_bytes(b64decode(packed["part"]), _class=made, policy=modern)
    filename, content, kind = packed
    return EmailAttachment(filename, _unpacked_content(content), kind)


def _packed_content(content: Any) -> Any:
    """Return a text as it is, bytes and whole mails as {"base64": …}."""
    if isinstance(content, EmailMessage):
        content = content.message()
    if isinstance(content, Message):
        content = content.as_bytes()
    if isinstance(content, bytes | bytearray | memoryview):
        return {"base64": _base64(bytes(content))}
    return str(content)


def _unpacked_content(packed: Any) -> Any:
    return b64decode(packed["base64"]) if isinstance(packed, Mapping) else packed


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
