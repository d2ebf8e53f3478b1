"""The mail about the end of a request: to the right person, in their language, once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from django_jobqueue import Exponential
from django_jobqueue.engine import Engine, get_engine
from django_jobqueue.jobs.states import State
from django_jobqueue.ledger import rounds
from django_jobqueue.ledger.reconciling import Reconciliation
from django_jobqueue.mail import sending
from django_jobqueue.requests import mail
from django_jobqueue.requests.models import JobRequest, MailState, RequestState
from django_jobqueue.testing import drain
from tests.support.mail_server import MailServer, parsed, queued_settings, smtp_settings
from tests.support.processes import until

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., JobRequest]
TITLE = "Report <b>& more</b>"


@pytest.fixture
def server(engine: Engine, mail_server: MailServer, settings: Any) -> MailServer:
    """The server that gets the mails, without a delay and without long pauses."""
    for name, value in smtp_settings(mail_server).items():
        setattr(settings, name, value)
    settings.JOBQUEUE_REQUESTS = {"MAIL_DELAY": 0}
    return mail_server


@pytest.fixture
def ended() -> Make:
    """Make a request that has just ended, and let it be told."""

    def make(**given: Any) -> JobRequest:
        if "address" not in given and "owner" not in given:
            given["owner"] = User.objects.create(username="ada", email="ada@example.com")
        values = {
            "task": "tests.project.tasks.noop",
            "title": TITLE,
            "alias": "default",
            "queue": "default",
            "state": RequestState.SUCCEEDED,
            "created_at": datetime(2026, 7, 1, 10, 30, tzinfo=UTC),
            "finished_at": timezone.now(),
            "base_url": "https://example.com:8443/",
        }
        found = JobRequest.objects.create(**{**values, **given})
        tell(found)
        return found

    return make


def tell(job_request: JobRequest) -> None:
    """Do as the ledger does when the job of a request has ended."""
    with transaction.atomic():
        mail.notify(job_request)
    job_request.refresh_from_db()


def only(server: MailServer) -> EmailMessage:
    """Run all jobs, and return the one mail."""
    drain()
    (found,) = server.mails
    return found


def parts(message: EmailMessage) -> tuple[str, str]:
    """Return the text and the HTML of a mail."""
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    return text.get_content(), html.get_content() if html is not None else ""


def test_mail_has_a_link_and_no_data(server: MailServer, ended: Make) -> None:
    found = ended(result_text="secret result", error_text="secret error")
    assert found.mail_state == MailState.QUEUED
    message = only(server)
    assert (message["To"], message["Subject"]) == ("ada@example.com", f"Done: {TITLE}")
    assert message["Auto-Submitted"] == "auto-generated"
    text, html = parts(message)
    link = f"https://example.com:8443{found.get_absolute_url()}"
    assert link in text
    assert f'href="{link}"' in html
    assert ("Hello ada," in text, "Hello ada," in html) == (True, True)
    assert (TITLE in text, TITLE in html, escape(TITLE) in html) == (True, False, True)
    assert "secret" not in text + html
    found.refresh_from_db()
    assert (found.mail_state, found.mail_note) == (MailState.SENT, "")
    assert found.notified_at is not None


@pytest.mark.parametrize(
    ("state", "subject", "sentence"),
    [
        ("succeeded", "Done", "is done:"),
        ("partly", "Partly done", "is done, but not all of it:"),
        ("failed", "Not done", "could not be done:"),
        ("cancelled", "Cancelled", "was cancelled:"),
    ],
)
def test_each_end_has_its_words(
    server: MailServer, ended: Make, state: str, subject: str, sentence: str
) -> None:
    ended(state=state)
    message = only(server)
    assert message["Subject"].startswith(f"{subject}: ")
    assert all(sentence in part for part in parts(message))


def test_language_and_zone_are_those_of_the_person(server: MailServer, ended: Make) -> None:
    """The worker has others. Django itself knows the names of months."""
    ended(language="de", zone="Asia/Tokyo")
    message = only(server)
    text, html = parts(message)
    assert (message["Content-Language"], '<html lang="de"' in html) == ("de", True)
    assert "1. Juli 2026 19:30" in text


def test_zone_that_has_no_name_is_no_error(server: MailServer, ended: Make) -> None:
    """A middleware of the project may have set a mere offset."""
    ended(zone="+02", language="xx-not-there")
    assert "2026" in parts(only(server))[0]


def test_anonymous_person_gets_a_link_that_opens(server: MailServer, ended: Make) -> None:
    ended(owner=None, address="bob@example.com")
    message = only(server)
    assert message["To"] == "bob@example.com"
    assert "?key=" in parts(message)[0]
    assert parts(message)[0].startswith("Hello,\r\n")


def test_task_may_have_templates_of_its_own(
    server: MailServer, ended: Make, settings: Any, tmp_path: Path
) -> None:
    """A text of one's own without HTML has none; what is missing is the default's."""
    folder = tmp_path / "django_jobqueue_requests/tests.project.tasks.noop/mail"
    folder.mkdir(parents=True)
    (folder / "body.txt").write_text("{{ job_request.result_text }} at {{ url }}")
    (default,) = settings.TEMPLATES
    settings.TEMPLATES = [{**default, "DIRS": [tmp_path]}]
    ended(result_text="42")
    message = only(server)
    assert message["Subject"].startswith("Done: ")
    text, html = parts(message)
    assert (text.startswith("42 at https://"), html) == (True, "")


def test_subject_is_one_line(server: MailServer, ended: Make) -> None:
    """No title can add a header."""
    ended(title="a\r\nBcc: all@example.com\n" + "x" * 170)
    message = only(server)
    assert message["Bcc"] is None
    assert message["Subject"].startswith("Done: a Bcc: all@example.com x")
    assert len(message["Subject"]) == 150


def test_no_mail_for_those_who_want_none(server: MailServer, ended: Make) -> None:
    found = ended(notify=False)
    assert (drain(), server.mails, found.mail_state) == (0, [], MailState.NONE)


def test_no_mail_for_those_who_saw_the_result(server: MailServer, ended: Make) -> None:
    """Unless somebody sends it again on purpose."""
    found = ended()
    JobRequest.objects.update(seen_at=timezone.now())
    drain()
    found.refresh_from_db()
    assert (server.mails, found.mail_state) == ([], MailState.SKIPPED)
    assert "saw the result" in found.mail_note
    assert mail.resend(found) is True
    only(server)


def test_mail_waits_for_a_look_at_the_page(
    engine: Engine, server: MailServer, ended: Make, settings: Any
) -> None:
    settings.JOBQUEUE_REQUESTS = {"MAIL_DELAY": 60, "MAIL_QUEUE": "mail"}
    found = ended()
    job = engine.inspector.job(str(found.mail_job_id))
    assert (job.state, job.queue) == (State.SCHEDULED, "mail")
    assert 59_000 < (job.due_at or 0) - job.enqueued_at <= 60_000


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("person", ["deleted", "inactive", "without"])
def test_no_mail_without_a_person(
    server: MailServer, ended: Make, person: str, before: bool
) -> None:
    """Whether that is known at the end of the request, or only when the mail is due."""
    user = User.objects.create(username="bob", email="bob@example.com")

    def change() -> None:
        if person == "deleted":
            user.delete()
        else:
            changes: dict[str, Any] = {"inactive": {"is_active": False}, "without": {"email": ""}}
            User.objects.update(**changes[person])

    if before:
        change()
    owner = User.objects.filter(username="bob").first()
    found = ended(owner=owner)
    if not before:
        change()
    drain()
    found.refresh_from_db()
    assert (server.arrived, found.mail_state, found.notified_at) == ([], MailState.SKIPPED, None)
    words = {"deleted": "no account", "inactive": "not active", "without": "no e-mail address"}
    assert words[person] in found.mail_note
    assert mail.resend(found) is False


def test_mail_is_sent_once(server: MailServer, ended: Make) -> None:
    """However often its job runs."""
    found = ended()
    assert found.mail_job_id is not None
    only(server)
    assert mail.send_mail.get_result(str(found.mail_job_id)).state == "succeeded"
    requeue(found)
    only(server)


def requeue(job_request: JobRequest) -> None:
    """Let the mail's job run again, as the admin does."""
    rounds.requeue(get_engine("default"), str(job_request.mail_job_id))


def test_request_that_runs_again_is_told_of_its_new_end(server: MailServer, ended: Make) -> None:
    """The mail about the earlier end is dropped, if it was not sent yet."""
    found = ended(state=RequestState.FAILED)
    JobRequest.objects.update(mail_state=MailState.NONE, state=RequestState.OPEN)
    drain()
    assert server.mails == []
    found.state = RequestState.SUCCEEDED
    found.save()
    tell(found)
    assert only(server)["Subject"].startswith("Done")


def test_refused_mail_is_tried_again_and_bears_the_same_id(
    server: MailServer, ended: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts as not sent until the server has taken it."""
    monkeypatch.setattr(sending, "PAUSES", Exponential(base=0.3, factor=1, jitter=0))
    server.refusal = "451 Later"
    found = ended()
    until(lambda: drain() and len(server.arrived) > 1, what="two attempts")
    found.refresh_from_db()
    assert (found.mail_state, found.notified_at) == (MailState.QUEUED, None)
    server.refusal = ""
    until(lambda: drain() and server.mails, what="it is taken")
    ids = {parsed(envelope)["Message-ID"] for envelope in server.arrived}
    assert ids == {f"<{found.mail_job_id}@example.com>"}


@pytest.mark.parametrize("by", ["resend", "requeue"])
def test_mail_that_can_never_be_sent_is_noted(
    server: MailServer, ended: Make, caplog: pytest.LogCaptureFixture, by: str, admin_client: Client
) -> None:
    """The admin shows it, and can send it again in two ways."""
    server.refusal = "554 No such mailbox"
    found = ended()
    drain()
    found.refresh_from_db()
    assert (found.mail_state, found.notified_at) == (MailState.FAILED, None)
    assert "No such mailbox" in found.mail_note
    assert f"was not sent. Its job is {found.mail_job_id}" in caplog.text
    server.refusal = ""
    page = admin_client.get(f"/admin/django_jobqueue_requests/jobrequest/{found.pk}/change/")
    assert "could not be sent" in page.content.decode()
    assert f"/admin/django_jobqueue/job/{found.mail_job_id}/change/" in page.content.decode()
    if by == "resend":
        assert mail.resend(found) is True
    else:
        requeue(found)
    only(server)
    found.refresh_from_db()
    assert (found.mail_state, found.mail_note) == (MailState.SENT, "")


def test_mail_whose_job_is_cancelled_is_noted(
    server: MailServer, ended: Make, settings: Any
) -> None:
    """No run of the job is needed for that."""
    settings.JOBQUEUE_REQUESTS = {"MAIL_DELAY": 60}
    found = ended()
    rounds.cancel(get_engine("default"), str(found.mail_job_id))
    drain()
    Reconciliation(get_engine("default")).run_all()
    found.refresh_from_db()
    assert (found.mail_state, "cancelled" in found.mail_note) == (MailState.FAILED, True)


def test_unsent_mails_are_counted(server: MailServer, ended: Make) -> None:
    """Those that wait, and those that were given up."""
    assert mail.unsent() == (0, 0.0, 0)
    ended(finished_at=timezone.now() - timedelta(minutes=1))
    waiting, seconds, failed = mail.unsent()
    assert (waiting, failed, 60 <= seconds < 90) == (1, 0, True)
    server.refusal = "554 Never"
    drain()
    assert mail.unsent() == (0, 0.0, 1)


def test_error_of_the_enqueue_is_noted(
    server: MailServer, ended: Make, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It must not undo the end of the request."""
    settings.TASKS = {"default": {**settings.TASKS["default"], "QUEUES": ["other"]}}
    found = ended()
    assert found.mail_state == MailState.FAILED
    assert "default" in found.mail_note
    assert "was not enqueued" in caplog.text


def test_queued_backend_of_the_project_is_passed_by(
    engine: Engine, mail_server: MailServer, settings: Any, ended: Make
) -> None:
    """The mail has a job already, whose end is noted."""
    for name, value in queued_settings(mail_server).items():
        setattr(settings, name, value)
    settings.JOBQUEUE_REQUESTS = {"MAIL_DELAY": 0}
    ended()
    assert drain() == 1
    assert len(mail_server.mails) == 1


def test_server_that_hangs_is_not_waited_for_long(server: MailServer) -> None:
    """The transaction holds the row, and in SQLite the database."""
    assert mail._backend().timeout == mail.SERVER_TIMEOUT  # type: ignore[attr-defined]
