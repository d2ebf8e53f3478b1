"""Which refusals are final."""

import smtplib
import ssl

import pytest

from django_jobqueue.mail import sending


@pytest.mark.parametrize(
    "error",
    [
        ssl.SSLCertVerificationError(1, "certificate verify failed"),
        smtplib.SMTPConnectError(554, b"no service"),
        smtplib.SMTPHeloError(504, b"say EHLO"),
        smtplib.SMTPSenderRefused(530, b"Authentication required", "a@example.com"),
    ],
)
def test_fault_of_the_server_or_the_settings_is_not_final(error: Exception) -> None:
    """Somebody will mend it, and then the mail can be sent."""
    assert not sending.is_permanent(error)
