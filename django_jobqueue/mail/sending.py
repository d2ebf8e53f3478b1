"""Find the backend that really sends a mail, and decide whether a failed mail is tried again."""

import smtplib
from typing import Any

from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.mail.backends.base import BaseEmailBackend
from django.utils.module_loading import import_string

from django_jobqueue.jobs.result import JobResult
from django_jobqueue.retry import Exponential

ATTEMPTS = 10
AUTHENTICATION_REQUIRED = 530  # RFC 4954
PAUSES = Exponential(base=5, factor=3, cap=3600)  # from 5 s to an hour, four hours in all

_mailers: Any = getattr(mail, "mailers", None)  # before Django 6.1 there are none


def backend(using: str | None, path: str) -> BaseEmailBackend:
    """Return the mailer `using`; without one, a backend of the class at `path`.

    Raises: ImproperlyConfigured if there is no such mailer.
    """
    if using is None:
        made: BaseEmailBackend = import_string(path)()
        return made
    if _mailers is None:
        raise ImproperlyConfigured(
            f'using={using!r}: this Django has no MAILERS. Set OPTIONS["MAIL_BACKEND"] instead.'
        )
    found: BaseEmailBackend = _mailers[using]
    return found


def default_backend() -> BaseEmailBackend:
    """Return the backend that the project's own mails are given to."""
    found: BaseEmailBackend = _mailers.default if _mailers else mail.get_connection()
    return found


def pause(error: BaseException, result: JobResult[..., Any]) -> float | None:
    """Return the seconds until a mail is tried again; None: it can never be sent."""
    return None if is_permanent(error) else PAUSES.delay(result.attempts)


def is_permanent(error: BaseException) -> bool:
    """Return whether a mail is refused for good.

    A wrong log-in is not, because somebody will correct it.
    """
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code >= 500 and not _is_of_settings(error)
    # An address or header that no mail can have; a bad certificate is a ValueError too.
    return isinstance(error, ValueError) and not isinstance(error, OSError)


def _is_of_settings(error: smtplib.SMTPResponseException) -> bool:
    """Return whether the server refuses the connection or the log-in, whatever the mail."""
    kinds = (smtplib.SMTPAuthenticationError, smtplib.SMTPConnectError, smtplib.SMTPHeloError)
    return isinstance(error, kinds) or error.smtp_code == AUTHENTICATION_REQUIRED
