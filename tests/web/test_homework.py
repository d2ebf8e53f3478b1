"""The demo's homework: reading files, grading, pages, ownership, one mail."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import django
import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.mail import EmailMessage
from django.core.mail.backends.filebased import EmailBackend
from django.test import Client

from demo.seeds import plant
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from django_jobqueue.testing import drain
from homework.answers import AnswerSheet, UnreadableFile, decode, read_answers
from homework.grading import KeyLine, judge, notes
from homework.models import Assignment, Question, Submission
from homework.tasks import grade_submission, mail_mark, tell_of_lost_gradings
from homework.views import SAMPLES
from pages.tasks import is_page_ok
from tests.support.processes import PATIENCE

Capture = Callable[..., Any]
HAND_IN = "/homework/assignments/computing-basics/"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"1,B\r\n2,C", "1,B\n2,C"),
        ("1,é".encode(), "1,é"),
        ("1,é".encode("utf-8-sig"), "1,é"),
        ("1,é".encode("utf-16"), "1,é"),
        ("1,é".encode("latin-1"), "1,é"),
        ("1,“é”".encode("cp1252"), "1,“é”"),
    ],
)
def test_a_file_is_decoded(data: bytes, text: str) -> None:
    assert decode(data) == text


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "empty"),
        (b" \r\n\t", "blank lines"),
        (b"1" * (1024 * 1024 + 1), "larger than 1 MB"),
        (b"\x89PNG\r\n\x1a\n\x00", "not text"),
        ("1,B".encode("utf-16-le"), "not text"),
        (b"\xff\xfe1", "damaged"),
        (b"1,\x81\x8d", "encoding"),
    ],
)
def test_a_file_that_cannot_be_read_is_explained(data: bytes, fault: str) -> None:
    with pytest.raises(UnreadableFile, match=fault) as caught:
        decode(data)
    assert "Accepted is" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("1,B", {"1": ["B"]}),
        ("1;B\n2\tC", {"1": ["B"], "2": ["C"]}),
        ("1) B\n2: C\n3. D\n4 = A\n5 - B\n6.) C", dict(zip("123456", "BCDABC", strict=True))),
        ("Question 1: B\nQ2 C\nq03)D", {"1": "B", "2": "C", "3": "D"}),
        ("1, -4\n2: -5\n3 -6", {"1": "-4", "2": "-5", "3": "-6"}),
        ("2b) yes\n3)\n4", {"2b": "yes", "3": "", "4": ""}),
        ("question,answer\n1,B\n2,", {"1": "B", "2": ""}),
        ('name;Answer;QUESTION\nSam;"a; b";1', {"1": "a; b"}),
        ('1,"A, C"', {"1": "A, C"}),
        ("1,A\n1,B", {"1": ["A", "B"]}),
        ("# a note\n\n1: http://x/?a=1,2", {"1": "http://x/?a=1,2"}),
    ],
)
def test_answers_are_read(text: str, answers: dict[str, Any]) -> None:
    lists = {label: [a] if isinstance(a, str) else a for label, a in answers.items()}
    assert read_answers(text) == AnswerSheet(lists)


def test_what_is_no_answer_is_noted_and_nothing_else_is_an_error() -> None:
    sheet = read_answers("1,B\nmy dog ate the rest\n9,C")
    assert sheet.unread == ["line 2: “my dog ate the rest”"]
    found = notes([KeyLine("1", "", "choice", "B")], sheet)
    assert ["9" in found[0], "my dog" in found[1]] == [True, True]
    with pytest.raises(UnreadableFile, match="No line"):
        read_answers("hello\nworld")


KEYS = {"choice": "A", "number": "1", "text": "a"}


def test_a_hostile_line_takes_no_time() -> None:
    started = time.monotonic()
    for line in ("1" + " " * 900_000, "q" * 900_000, "1" * 900_000, "1, " + "9" * 900_000):
        sheet = read_answers("2,x\n" + line)
        for kind in ("choice", "number", "text"):
            judge(
                KeyLine("1", "", kind, "A" if kind == "choice" else "1"), sheet.answers.get("1", [])
            )
    assert time.monotonic() - started < PATIENCE


@pytest.mark.parametrize(
    ("kind", "right", "given", "share"),
    [
        ("choice", "B", "b", 1),
        ("choice", "B", "option b)", 1),
        ("choice", "B", "C", 0),
        ("choice", "B", "bread", 0),
        ("choice", "A, C", "CA", 1),
        ("choice", "A, C", "a", 0.5),
        ("choice", "A, C", "A, B, C", 0.5),
        ("choice", "A, C", "A, B", 0),
        ("number", "1024", "1,024 bytes", 1),
        ("number", "1024", "1.024,0", 1),
        ("number", "3.14", "3,14", 1),
        ("number", "-4", "−4", 1),
        ("number", "0.5", "1/2", 1),
        ("number", "80", "80.4", 1),
        ("number", "80", "84", 0.5),
        ("number", "80", "90", 0),
        ("number", "80", "eighty", 0),
        ("number", "80", "1/0", 0),
        ("number", "80", "1e999", 0),
        ("text", "first in, first out|FIFO", "  First in first out! ", 1),
        ("text", "first in, first out|FIFO", "fifo", 1),
        ("text", "Zürich", "ZURICH", 1),
        ("text", "Canberra", "Canbera", 0.5),
        ("text", "Canberra", "Sydney", 0),
    ],
)
def test_an_answer_is_judged(kind: str, right: str, given: str, share: float) -> None:
    tolerance = 0.5 if right == "80" else 0.0
    verdict = judge(KeyLine("1", "?", kind, right, tolerance, points=2), [given])
    assert verdict.points == 2 * share
    assert verdict.outcome == {0: "wrong", 0.5: "partial", 1: "correct"}[share]


def test_the_last_of_several_answers_counts_and_none_is_missing() -> None:
    line = KeyLine("1", "?", "choice", "B")
    assert judge(line, []).outcome == judge(line, [" "]).outcome == "missing"
    assert judge(line, ["B", "b"]).comment == ""
    changed = judge(line, ["A", "B"])
    assert changed.outcome == "correct"
    assert "last answer counts" in changed.comment


@pytest.fixture
def demo(db: None, settings: Any, tmp_path: Path, engine: Engine) -> Engine:
    """The demo's users and assignments, its addresses, and a mail folder."""
    settings.ROOT_URLCONF = "config.urls"
    settings.LOGIN_URL = "login"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # quick
    settings.DEMO_MAILS = tmp_path / "mails"
    settings.DEMO_SECONDS_PER_QUESTION = 0
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
    plant()
    return engine


def logged_in(name: str = "student") -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def submit(name: str = "middling.txt", content: bytes | None = None, url: str = HAND_IN) -> Any:
    data = (SAMPLES / name).read_bytes() if content is None else content
    return logged_in().post(url, {"file": SimpleUploadedFile(name, data)})


@pytest.fixture
def handed_in(demo: Engine, django_capture_on_commit_callbacks: Capture) -> Submission:
    """A submission whose grading is queued."""
    with django_capture_on_commit_callbacks(execute=True):
        submit()
    return Submission.objects.get()


class Context:
    """What the task gets from the worker."""

    max_attempts = 3

    def __init__(self, attempt: int = 1) -> None:
        self.attempt = attempt
        self.told: list[tuple[int, int]] = []

    def progress(self, current: int, total: int, text: str = "") -> None:
        self.told.append((current, total))


def grade(submission: Submission, attempt: int = 1) -> Context:
    """Run the task as the worker does, and look at the submission again."""
    context = Context(attempt)
    run: Any = grade_submission.func
    try:
        run(context, submission.pk)
    finally:
        submission.refresh_from_db()
    return context


def test_handing_in_stores_enqueues_and_promises(
    demo: Engine, django_capture_on_commit_callbacks: Capture
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = submit()
        assert demo.inspector.count(State.QUEUED) == 0, "enqueued before the commit"
    [job] = demo.inspector.page(State.QUEUED, 0, 10)
    found = Submission.objects.get()
    assert (answer.status_code, answer.url) == (302, found.get_absolute_url())
    assert (job.id, job.task) == (found.job_id, "homework.tasks.grade_submission")
    page = logged_in().get(answer.url).content.decode()
    assert "You will get an e-mail when your homework has been graded." in page
    assert logged_in().get(f"{answer.url}status/").json()["done"] is False


def test_a_refused_file_is_not_stored(demo: Engine) -> None:
    answer = submit(content=b"\x00\x01")
    assert "not text" in answer.content.decode()
    assert "Choose the file" in logged_in().post(HAND_IN).content.decode()
    assert not Submission.objects.exists()


@pytest.mark.parametrize("suffix", ["", "status/"])
def test_a_submission_is_its_owners_alone(handed_in: Submission, suffix: str) -> None:
    url = handed_in.get_absolute_url() + suffix
    assert logged_in().get(url).status_code == 200
    assert logged_in("other").get(url).status_code == 404
    assert logged_in("admin").get(url).status_code == 404
    assert Client().get(url).headers["Location"].startswith("/login/")


@pytest.mark.parametrize(
    ("name", "mark"), [("excellent.csv", 15), ("middling.txt", 9.5), ("poor.csv", 1)]
)
def test_the_samples_get_their_marks(demo: Engine, name: str, mark: float) -> None:
    submit(name)
    found = Submission.objects.get()
    context = grade(found)
    assert (found.state, found.mark, found.out_of) == ("graded", mark, 15)
    assert context.told == [(done, 10) for done in range(1, 11)]
    page = logged_in().get(found.get_absolute_url()).content.decode()
    assert "of 15 points" in page


def test_grading_twice_changes_no_mark_and_sends_one_mail(
    handed_in: Submission, mailoutbox: list[EmailMessage]
) -> None:
    grade(handed_in)
    Question.objects.update(answer="Z")
    grade(handed_in)
    assert handed_in.mark == 9.5
    assert [mail_mark.func(handed_in.pk), mail_mark.func(handed_in.pk)] == [True, False]
    [mail] = mailoutbox
    assert mail.to == ["student@demo.example"]
    assert "Mark: 9.50 of 15" in mail.body
    assert mail.extra_headers["Message-ID"].startswith(f"<homework-{handed_in.pk}-")


def test_a_mail_that_was_refused_is_sent_by_the_next_run(
    handed_in: Submission, mailoutbox: list[EmailMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    grade(handed_in)
    with monkeypatch.context() as broken:
        broken.setattr(EmailMessage, "send", _refuse)
        with pytest.raises(OSError, match="refused"):
            mail_mark.func(handed_in.pk)
    assert mail_mark.func(handed_in.pk) is True
    assert len(mailoutbox) == 1


def _refuse(*given: object) -> None:
    raise OSError("refused")


def test_a_file_without_answers_is_given_up_and_mailed(
    demo: Engine, mailoutbox: list[EmailMessage]
) -> None:
    submit(content=b"I could not do it")
    found = Submission.objects.get()
    grade(found)
    assert (found.state, found.mark) == ("ungraded", None)
    assert "Hand it in again" in logged_in().get(found.get_absolute_url()).content.decode()
    mail_mark.func(found.pk)
    assert "could not be graded" in mailoutbox[0].subject
    assert "No line of the file" in mailoutbox[0].body


def test_an_unexpected_error_is_told_after_the_last_attempt(
    handed_in: Submission, mailoutbox: list[EmailMessage]
) -> None:
    Question.objects.filter(kind="number").update(answer="no number")
    for attempt in (1, 2):
        with pytest.raises(ValueError, match="not a number"):
            grade(handed_in, attempt)
        assert handed_in.is_open
    with pytest.raises(ValueError, match="not a number"):
        grade(handed_in, attempt=3)
    assert handed_in.state == "ungraded"
    mail_mark.func(handed_in.pk)
    assert "no fault of your file" in mailoutbox[0].body


def test_a_job_that_ended_without_a_word_is_settled_by_the_page(handed_in: Submission) -> None:
    assert grade_submission.get_result(handed_in.job_id).cancel()
    page = logged_in().get(handed_in.get_absolute_url()).content.decode()
    assert "could not be graded" in page
    assert "A teacher has stopped the grading" in page
    handed_in.refresh_from_db()
    assert handed_in.state == "ungraded"


def test_the_mail_comes_even_if_nobody_looks_at_the_page(
    handed_in: Submission,
    mailoutbox: list[EmailMessage],
    django_capture_on_commit_callbacks: Capture,
) -> None:
    """As the schedule does it, once a minute; and once."""
    assert tell_of_lost_gradings.func() == 0
    assert grade_submission.get_result(handed_in.job_id).cancel()
    with django_capture_on_commit_callbacks(execute=True):
        assert (tell_of_lost_gradings.func(), tell_of_lost_gradings.func()) == (1, 0)
    drain()
    assert "A teacher has stopped the grading" in mailoutbox[0].body


def test_a_submission_leads_to_its_job(handed_in: Submission) -> None:
    text = logged_in("admin").get("/admin/homework/submission/").content.decode()
    assert f"/admin/django_jobqueue/job/{handed_in.job_id}/change/" in text


def test_one_assignment_shows_a_job_that_fails(demo: Engine) -> None:
    """So that a newcomer sees a traceback too."""
    submit(url=Assignment.objects.get(slug="a-key-that-is-wrong").get_absolute_url())
    with pytest.raises(ValueError, match="not a number"):
        grade(Submission.objects.get())


def test_a_submission_that_the_queue_lost_can_be_enqueued_again(
    handed_in: Submission, engine: Engine, django_capture_on_commit_callbacks: Capture
) -> None:
    engine.client.redis.flushdb()
    engine.client.attach()
    url = handed_in.get_absolute_url()
    assert "Send it to the grader again" in logged_in().get(url).content.decode()
    assert logged_in("other").post(f"{url}again/").status_code == 404
    with django_capture_on_commit_callbacks(execute=True):
        logged_in().post(f"{url}again/")
    assert engine.inspector.count(State.QUEUED) == 1


def test_a_key_that_no_answer_could_meet_is_refused(demo: Engine) -> None:
    question = Assignment.objects.all()[0].questions.filter(kind="number")[0]
    question.answer = "eighty"
    with pytest.raises(ValidationError, match="not a number"):
        question.full_clean()


def test_the_mailbox_shows_the_newest_first_and_only_ones_own(demo: Engine, settings: Any) -> None:
    assert "No mail yet" in logged_in().get("/mailbox/").content.decode()
    backend = EmailBackend(file_path=settings.DEMO_MAILS)
    for subject, name in (("First", "student"), ("<b>Second</b>", "student"), ("Third", "other")):
        message = EmailMessage(
            subject=subject, body="x" * 79 + "\n-- \n", to=[f"{name}@demo.example"]
        )
        backend.send_messages([message])
    page = logged_in().get("/mailbox/").content.decode()
    assert page.index("&lt;b&gt;Second") < page.index("First")
    assert "Third" not in page
    assert logged_in("admin").get("/mailbox/").content.decode().count("<article") == 3


@pytest.mark.parametrize("path", ["//evil.example/", "http://evil.example/", "x", "/a b", "/\\x"])
def test_only_paths_of_the_demo_are_checked(demo: Engine, path: str) -> None:
    answer = Client().post("/pages/", {"path": path})
    assert "other sites are not fetched" in answer.content.decode()
    assert demo.inspector.count(State.QUEUED) == 0


def test_a_check_is_shown_to_the_session_that_asked(
    demo: Engine, settings: Any, django_capture_on_commit_callbacks: Capture
) -> None:
    settings.DEMO_URL = "http://127.0.0.1:8000"
    asker = Client(headers={"host": "evil.example"})
    with django_capture_on_commit_callbacks(execute=True):
        assert asker.post("/pages/", {"path": "/homework/"}).status_code == 302
    [job] = demo.inspector.page(State.QUEUED, 0, 10)
    assert is_page_ok.get_result(job.id).args == ["http://127.0.0.1:8000/homework/"]
    assert "Waiting for a worker" in asker.get("/pages/").content.decode()
    assert asker.get("/pages/status/").json()["done"] is False
    assert "/homework/</code>" not in Client().get("/pages/").content.decode()


class Pages(BaseHTTPRequestHandler):
    """/ok answers, /away leads elsewhere, /home to /ok, the rest is not found."""

    def do_GET(self) -> None:
        status = {"/ok": 200, "/away": 302, "/home": 302}.get(self.path, 404)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", {"/home": "/ok"}.get(self.path, "http://localhost:1/"))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def pages() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_is_page_ok(pages: str) -> None:
    paths = ("/ok", "/home", "/nothing", "/away")
    assert [is_page_ok(pages + path) for path in paths] == [True, True, False, False]
    assert is_page_ok("http://127.0.0.1:1/") is False
    with pytest.raises(ValueError, match="no http"):
        is_page_ok("file:///a/file")
