"""A real mail server on loopback, which can refuse mails, be slow, and be away."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import django
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support.processes import free_port

HOST = "127.0.0.1"


class MailServer:
    """Keep the mails that arrive, and answer each as told."""

    def __init__(self) -> None:
        self.port = free_port()
        self.arrived: list[Envelope] = []  # also those that are then refused
        self.kept: list[Envelope] = []
        self.refusal = ""  # the answer to each mail, such as "451 Later"; "": it is taken
        self.refused: dict[str, str] = {}  # answers to single recipients
        self.answers = threading.Event()  # while it is not set, a mail is taken but not answered
        self.answers.set()
        self.sessions = 0
        self._controller: Controller | None = None

    @property
    def mails(self) -> list[EmailMessage]:
        """Return the mails that were taken, parsed."""
        return [parsed(envelope) for envelope in self.kept]

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def start(self) -> None:
        """Begin to listen; what had arrived stays."""
        self._controller = Controller(self, hostname=HOST, port=self.port)
        self._controller.start()

    def stop(self) -> None:
        """Be away: connections are refused."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, answer: list[str]
    ) -> list[str]:
        self.sessions += 1
        session.host_name = hostname
        return answer

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = self.refusal or "250 OK"
        if not self.refusal:
            self.kept.append(envelope)
        self.arrived.append(envelope)
        await asyncio.to_thread(self.answers.wait)  # cancelled if the client goes
        return answer


@contextmanager
def running_mail_server() -> Iterator[MailServer]:
    """Run a mail server for the block."""
    server = MailServer()
    server.start()
    try:
        yield server
    finally:
        server.answers.set()
        server.stop()


def smtp_settings(server: MailServer) -> dict[str, Any]:
    """Return the settings by which Django sends its mails to the server at once."""
    if django.VERSION >= (6, 1):
        return {"MAILERS": {"default": _smtp(server)}}
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": HOST,
        "EMAIL_PORT": server.port,
    }


def queued_settings(server: MailServer, **options: Any) -> dict[str, Any]:
    """Return the settings by which Django queues its mails, and workers send them to the server."""
    backend = "django_jobqueue.mail.QueuedEmailBackend"
    if django.VERSION >= (6, 1):
        queued = {"BACKEND": backend, "OPTIONS": {"using": "smtp", **options}}
        return {"MAILERS": {"default": queued, "smtp": _smtp(server)}}
    return smtp_settings(server) | {"EMAIL_BACKEND": backend}


def _smtp(server: MailServer) -> dict[str, Any]:
    return {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "OPTIONS": {"host": HOST, "port": server.port},
    }


def parsed(envelope: Envelope) -> EmailMessage:
    """Return the mail of an envelope."""
    data = envelope.content
    assert isinstance(data, bytes)
    found = message_from_bytes(data, policy=default)
    assert isinstance(found, EmailMessage)
    return found
