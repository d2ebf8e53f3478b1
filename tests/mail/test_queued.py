"""QueuedEmailBackend: each mail is a job, and workers send it with another backend."""

import smtplib
from collections.abc import Callable
from typing import Any

import django
import pytest
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage, EmailMultiAlternatives, send_mail
from django.db import transaction

from django_jobqueue import Exponential
from django_jobqueue.engine import Engine
from django_jobqueue.exceptions import PayloadTooLarge, QueueUnavailable
from django_jobqueue.jobs.states import State
from django_jobqueue.mail import QueuedEmailBackend, sending
from django_jobqueue.mail.queued import default_sending_backend, deliver, sending_backend
from django_jobqueue.testing import drain
from tests.support.mail_server import HOST, MailServer, parsed, queued_settings, smtp_settings
from tests.support.processes import WorkerProcess, until

NEW = django.VERSION >= (6, 1)


@pytest.fixture
def queued(engine: Engine, mail_server: MailServer, settings: Any) -> MailServer:
    """The server that gets the project's mails, all of which are queued."""
    for name, value in queued_settings(mail_server).items():
        setattr(settings, name, value)
    return mail_server


def jobs(engine: Engine, state: State = State.QUEUED) -> list[Any]:
    return list(engine.inspector.page(state, 0, 100))


def test_mail_is_sent_by_a_worker(engine: Engine, queued: MailServer) -> None:
    """With all that it has; blind copies stand in the envelope alone."""
    message = EmailMultiAlternatives(
        subject="Report",
        body="text",
        to=["to@example.com"],
        bcc=["bcc@example.com"],
        headers={"X-Own": "1"},
    )
    message.attach_alternative("<p>html</p>", "text/html")
    message.attach("data.bin", bytes(range(256)), "application/octet-stream")
    assert message.send() == 1
    assert queued.mails == []
    assert drain() == 1
    (found,) = queued.mails
    assert queued.kept[0].rcpt_tos == ["to@example.com", "bcc@example.com"]
    assert (found["Subject"], found["X-Own"], found["Bcc"]) == ("Report", "1", None)
    html, (attachment,) = found.get_body(("html",)), list(found.iter_attachments())
    assert html is not None
    assert html.get_content().strip() == "<p>html</p>"
    assert attachment.get_content() == bytes(range(256))


def test_mail_is_sent_by_a_real_worker(
    queued: MailServer, worker_process: Callable[..., WorkerProcess]
) -> None:
    """Its own process has the settings of the server."""
    assert send_mail("Hello", "text", None, ["to@example.com"]) == 1
    worker_process("--processes", "1", "--burst", TEST_MAIL=queued.address).wait()
    assert [found["Subject"] for found in queued.mails] == ["Hello"]


def test_job_shows_the_recipients_and_hides_the_mail(engine: Engine, queued: MailServer) -> None:
    """A mail may hold a link to set a new password."""
    EmailMessage(subject="s", body="secret", to=["a@example.com"], cc=["b@example.com"]).send()
    job = engine.inspector.job(jobs(engine)[0].id)
    job.open(engine.signer)
    assert job.args[0] == ["a@example.com", "b@example.com"]
    assert deliver.sensitive == ("mail",)


def test_mails_of_a_call_are_stored_together(
    engine: Engine, queued: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One round trip for all; those without recipients don't count."""
    calls: list[int] = []
    enqueue = engine.jobs.enqueue

    def counted(found: Any, *more: Any) -> Any:
        calls.append(len(found))
        return enqueue(found, *more)

    monkeypatch.setattr(engine.jobs, "enqueue", counted)
    mails = [EmailMessage(subject=f"{n}", to=["to@example.com"] * bool(n)) for n in range(4)]
    backend = mail.mailers.default if NEW else mail.get_connection()
    assert backend.send_messages(mails) == 3
    assert calls == [3]
    assert drain() == 3
    assert sorted(found["Subject"] for found in queued.mails) == ["1", "2", "3"]


@pytest.mark.django_db(transaction=True)
def test_mail_waits_for_the_commit(engine: Engine, queued: MailServer) -> None:
    """After a rollback there is none."""
    with transaction.atomic():
        send_mail("kept", "text", None, ["to@example.com"])
        assert jobs(engine) == []
    with pytest.raises(LookupError), transaction.atomic():  # noqa: PT012
        send_mail("dropped", "text", None, ["to@example.com"])
        raise LookupError
    drain()
    assert [found["Subject"] for found in queued.mails] == ["kept"]


def test_refused_mail_is_tried_again_with_the_same_id(
    engine: Engine, queued: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when nobody listens."""
    monkeypatch.setattr(sending, "PAUSES", Exponential(base=0.3, factor=1, jitter=0))
    queued.refusal = "451 Later, please"
    send_mail("Hello", "text", None, ["to@example.com"])
    assert deliver.max_attempts == sending.ATTEMPTS > 5
    assert deliver.timeout is not None
    (job,) = jobs(engine)

    def attempts() -> int:
        return int(engine.inspector.job(job.id).attempts)

    until(lambda: drain() and len(queued.arrived) >= 2, what="two attempts")
    queued.stop()
    before = attempts()
    until(lambda: drain() and attempts() > before, what="an attempt without a server")
    queued.refusal = ""
    queued.start()
    until(lambda: drain() and queued.kept, what="it is taken")
    assert len({parsed(envelope)["Message-ID"] for envelope in queued.arrived}) == 1
    assert engine.inspector.job(job.id).state is State.SUCCEEDED


@pytest.mark.parametrize("refusal", ["554 No such thing", ""])
def test_mail_that_can_never_be_sent_fails_at_once(
    engine: Engine, queued: MailServer, refusal: str
) -> None:
    """It is a failed job in the admin, after one attempt."""
    queued.refusal = refusal
    queued.refused = {} if refusal else {"to@example.com": "550 Unknown"}
    send_mail("Hello", "text", None, ["to@example.com"])
    assert drain() == 1
    (job,) = jobs(engine, State.FAILED)
    assert job.attempts == 1


@pytest.mark.parametrize(
    ("error", "is_permanent"),
    [
        (smtplib.SMTPRecipientsRefused({"a": (550, b""), "b": (550, b"")}), True),
        (smtplib.SMTPRecipientsRefused({"a": (550, b""), "b": (451, b"")}), False),
        (smtplib.SMTPSenderRefused(553, b"", "a"), True),
        (smtplib.SMTPDataError(451, b""), False),
        (smtplib.SMTPAuthenticationError(535, b""), False),
        (smtplib.SMTPServerDisconnected(), False),
        (ConnectionRefusedError(), False),
        (TimeoutError(), False),
        (ValueError("a header with a line break"), True),
    ],
    ids=repr,
)
def test_errors_that_pass_are_told_from_others(error: Exception, is_permanent: bool) -> None:
    assert sending.is_permanent(error) is is_permanent


def test_mail_that_is_too_large_is_refused(
    engine: Engine, queued: MailServer, configure: Callable[..., None]
) -> None:
    """The error says what to do; with fail_silently there is none, as for an absent Redis."""
    message = EmailMessage(to=["to@example.com"])
    message.attach("large.bin", bytes(65_536), "application/octet-stream")
    with pytest.raises(PayloadTooLarge, match=r"65536 allowed.*MAX_PAYLOAD"):
        message.send()
    silent = QueuedEmailBackend(fail_silently=True, **({"using": "smtp"} if NEW else {}))
    assert silent.send_messages([message]) == 0
    assert jobs(engine) == []


def test_absent_redis_is_told_unless_silent(
    engine: Engine, queued: MailServer, settings: Any, tmp_path: Any
) -> None:
    tasks = settings.TASKS["default"]
    options = tasks["OPTIONS"] | {"URL": f"unix://{tmp_path}/nobody"}
    settings.TASKS = {"default": tasks | {"OPTIONS": options}}
    message = EmailMessage(to=["to@example.com"])
    with pytest.raises(QueueUnavailable):
        message.send()
    assert QueuedEmailBackend(fail_silently=True).send_messages([message]) == 0


def test_queue_can_be_chosen(engine: Engine, queued: MailServer) -> None:
    backend = QueuedEmailBackend(queue_name="mail")
    assert backend.send_messages([EmailMessage(to=["to@example.com"])]) == 1
    assert [job.queue for job in jobs(engine)] == ["mail"]


def test_log_in_of_one_mail_is_refused(queued: MailServer) -> None:
    """It would have to be stored."""
    with pytest.raises(ValueError, match="username and password"):
        QueuedEmailBackend(username="me", password="secret")


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_older_settings_are_taken_by_each_django(
    engine: Engine, mail_server: MailServer, settings: Any
) -> None:
    """Django 6.1 still has them, for projects without MAILERS."""
    if NEW:
        del settings.MAILERS
    settings.EMAIL_BACKEND = "django_jobqueue.mail.QueuedEmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = HOST, mail_server.port
    assert send_mail("Hello", "text", None, ["to@example.com"]) == 1
    assert drain() == 1
    assert [found["Subject"] for found in mail_server.mails] == ["Hello"]
    assert type(default_sending_backend()).__module__.endswith("backends.smtp")


@pytest.mark.skipif(NEW, reason="the older settings")
def test_backend_that_sends_is_a_setting(
    engine: Engine, queued: MailServer, configure: Callable[..., None]
) -> None:
    assert type(sending_backend(None, "default")).__module__.endswith("backends.smtp")
    configure(MAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend")
    assert type(default_sending_backend()).__module__.endswith("backends.dummy")
    configure(MAIL_BACKEND="django_jobqueue.mail.QueuedEmailBackend")
    with pytest.raises(ImproperlyConfigured, match=r"MAIL_BACKEND.* is one itself"):
        default_sending_backend()
    with pytest.raises(ImproperlyConfigured, match="no MAILERS"):
        sending_backend("smtp", "default")


@pytest.mark.skipif(not NEW, reason="MAILERS")
def test_mailer_that_sends_is_named(queued: MailServer, settings: Any) -> None:
    assert type(default_sending_backend()).__module__.endswith("backends.smtp")
    default = settings.MAILERS["default"]
    for using in (None, "default"):
        settings.MAILERS = {"default": default | {"OPTIONS": {"using": using}}}
        with pytest.raises(ImproperlyConfigured, match="name the other mailer"):
            send_mail("s", "b", None, ["to@example.com"])
    settings.MAILERS = {"default": default, "smtp": default | {"OPTIONS": {"using": "x"}}}
    with pytest.raises(ImproperlyConfigured, match=r"MAILERS\[\"smtp\"\].* is one itself"):
        default_sending_backend()


def test_mails_that_are_not_queued_are_sent_with_the_project_own_backend(
    mail_server: MailServer, settings: Any
) -> None:
    for name, value in smtp_settings(mail_server).items():
        setattr(settings, name, value)
    backend = default_sending_backend()
    assert (backend.host, backend.port) == (HOST, mail_server.port)  # type: ignore[attr-defined]
