"""The demo's homework: reading files, grading, pages, ownership, one mail."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from html import unescape
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import django
import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.backends.filebased import EmailBackend
from django.test import Client

from demo.seeds import plant
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from django_jobqueue.requests.models import JobRequest
from django_jobqueue.testing import drain, job_context
from homework.answers import AnswerSheet, UnreadableFile, decode, read_answers
from homework.grading import KeyLine, judge, notes
from homework.models import Assignment
from homework.tasks import grade_homework
from library.tasks import scan_chapter
from pages.tasks import is_page_ok
from reports.tasks import count_requests
from tests.support.processes import PATIENCE, ROOT, until

Capture = Callable[..., Any]
SAMPLES = ROOT / "testproject/homework/static/homework/samples"
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
        (b" \r\n\t", "empty"),
        (b"1" * 30_001, "larger than 30 kB"),
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
        ('"Question";Answer\n1;"a; b"', {"1": "a; b"}),
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
    found = notes([KeyLine("1", "choice", "B")], sheet)
    assert ["9" in found[0], "my dog" in found[1]] == [True, True]
    with pytest.raises(UnreadableFile, match="No line"):
        read_answers("hello\nworld")


KEYS = {"choice": "A", "number": "1", "text": "a"}


def test_a_hostile_line_takes_no_time() -> None:
    started = time.monotonic()
    for line in ("1" + " " * 900_000, "q" * 900_000, "1" * 900_000, "1, " + "9" * 900_000):
        sheet = read_answers("2,x\n" + line)
        for kind in ("choice", "number", "text"):
            judge(KeyLine("1", kind, "A" if kind == "choice" else "1"), sheet.answers.get("1", []))
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
    verdict = judge(KeyLine("1", kind, right, tolerance, points=2), [given])
    assert verdict.points == 2 * share
    assert verdict.outcome == {0: "wrong", 0.5: "partial", 1: "correct"}[share]


def test_the_last_of_several_answers_counts_and_none_is_missing() -> None:
    line = KeyLine("1", "choice", "B")
    assert judge(line, []).outcome == judge(line, [" "]).outcome == "missing"
    assert judge(line, ["B", "b"]).comment == ""
    changed = judge(line, ["A", "B"])
    assert changed.outcome == "correct"
    assert "last answer counts" in changed.comment


@pytest.fixture
def demo(transactional_db: None, settings: Any, tmp_path: Path, engine: Engine) -> Engine:
    """The demo's users and assignments, its addresses, and folders for mails and files."""
    settings.ROOT_URLCONF = "config.urls"
    settings.LOGIN_URL = "login"
    settings.DEMO_MAILS = tmp_path / "mails"
    settings.MEDIA_ROOT = tmp_path / "files"
    settings.DEMO_SECONDS_PER_QUESTION = settings.DEMO_SECONDS_PER_PAGE = 0
    settings.JOBQUEUE_REQUESTS = {"WAIT_FOR": 0, "MAIL_DELAY": 0}
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
def handed_in(demo: Engine) -> JobRequest:
    """A request whose grading is queued."""
    submit()
    return JobRequest.objects.get()


def graded(content: bytes | None = None, url: str = HAND_IN, name: str = "middling.txt") -> Any:
    """Hand in a file, run all jobs, and return the request as it is then."""
    submit(name, content, url)
    drain()
    return JobRequest.objects.get()


def page_of(job_request: JobRequest, client: Client | None = None) -> str:
    page = (client or logged_in()).get(job_request.get_absolute_url())
    return page.content.decode()


def test_handing_in_enqueues_and_promises(demo: Engine) -> None:
    answer = submit()
    [job] = demo.inspector.page(State.QUEUED, 0, 10)
    found = JobRequest.objects.get()
    assert (answer.status_code, answer.url) == (303, found.get_absolute_url())
    assert (job.id, job.task) == (str(found.job_id), "homework.tasks.grade_homework")
    page = page_of(found)
    assert "We’ll e-mail you at student@demo.example when it is done." in page
    assert "Homework: Computing basics" in page


def test_a_refused_file_is_not_stored(demo: Engine) -> None:
    answer = submit(content=b"\x00\x01")
    assert "not text" in answer.content.decode()
    assert "Choose the file" in logged_in().post(HAND_IN).content.decode()
    assert not JobRequest.objects.exists()


def test_what_one_handed_in_is_ones_own(handed_in: JobRequest) -> None:
    url = handed_in.get_absolute_url()
    assert logged_in().get(url).status_code == 200
    assert logged_in("other").get(url).status_code == 404
    assert Client().get(url).headers["Location"].startswith("/login/")
    assert str(handed_in) in logged_in().get("/requests/").content.decode()


@pytest.mark.parametrize(
    ("name", "mark"), [("excellent.csv", "15"), ("middling.txt", "9.5"), ("poor.csv", "1")]
)
def test_the_samples_get_their_marks(demo: Engine, name: str, mark: str) -> None:
    found = graded(name=name)
    assert (found.state, found.result_text.splitlines()[0]) == ("succeeded", f"{mark} of 15 points")
    progress: Any = grade_homework.get_result(str(found.job_id)).progress
    assert progress[:2] == (10, 10)
    assert f"{mark} of 15 points" in page_of(found)


def test_one_mail_tells_that_it_is_graded(
    demo: Engine, mailoutbox: list[EmailMultiAlternatives]
) -> None:
    """It leads to the mark, and does not tell it."""
    found = graded()
    [mail] = mailoutbox
    assert (mail.to, mail.subject) == (["student@demo.example"], f"Done: {found}")
    assert f"http://testserver{found.get_absolute_url()}" in mail.body
    assert "points" not in mail.body


def test_a_file_without_answers_is_not_graded_and_the_student_reads_why(
    demo: Engine, mailoutbox: list[EmailMultiAlternatives]
) -> None:
    found = graded(b"I could not do it")
    assert found.state == "failed"
    assert "No line of the file" in page_of(found)
    assert grade_homework.get_result(str(found.job_id)).attempts == 1
    assert mailoutbox[0].subject == f"Not done: {found}"


def test_one_assignment_shows_a_job_that_fails(demo: Engine) -> None:
    """So that a newcomer sees a traceback too, and the student no secrets."""
    url = Assignment.objects.get(slug="a-key-that-is-wrong").get_absolute_url()
    until(lambda: graded_again(url).state == "failed", what="three attempts")
    assert "about nine" not in page_of(JobRequest.objects.get())


def graded_again(url: str) -> JobRequest:
    """Run what is due of a homework, which is handed in the first time."""
    if not JobRequest.objects.exists():
        submit(url=url)
    drain()
    return JobRequest.objects.get()


def test_a_request_leads_to_its_job(handed_in: JobRequest) -> None:
    job = f"/admin/django_jobqueue/job/{handed_in.job_id}/change/"
    admin = f"/admin/django_jobqueue_requests/jobrequest/{handed_in.pk}/change/"
    assert job in logged_in("admin").get(admin).content.decode()


def test_a_scan_is_asked_for_without_a_log_in(
    demo: Engine, mailoutbox: list[EmailMultiAlternatives]
) -> None:
    """The link in the mail opens the page and the file."""
    form = {"book": "Walden", "chapter": "3", "address": "reader@example.com"}
    answer = Client().post("/library/", form)
    assert answer.status_code == 303
    drain()
    [mail] = mailoutbox
    assert mail.to == ["reader@example.com"]
    [link] = [word for word in str(mail.body).split() if word.startswith("http://testserver/")]
    page = Client().get(link.removeprefix("http://testserver")).content.decode()
    assert "Chapter 3 of Walden" in page
    [download] = re.findall(r'href="([^"]+/download/[^"]*)"', page)
    content = b"".join(Client().get(unescape(download)))
    assert content.startswith(b"Walden, chapter 3, page 1\n")
    assert Client().get(download.partition("?")[0]).status_code in (302, 404)


def test_the_library_knows_its_books(demo: Engine) -> None:
    """A user gives no address: the mail goes to that of the account."""
    page = logged_in().post("/library/", {"book": "Emma", "chapter": "56"}).content.decode()
    assert "“Emma” has 55 chapters." in page
    assert 'name="address"' not in page
    assert 'name="address"' in Client().get("/library/").content.decode()


def test_a_chapter_is_scanned_once(demo: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    first = scan_chapter("Emma", 1)
    monkeypatch.setattr("library.tasks.PAGES", 0)
    with default_storage.open(scan_chapter("Emma", 1)["file"]) as second:
        assert second.read() == default_storage.open(first["file"]).read() != b""


def test_a_report_is_done_in_part(demo: Engine) -> None:
    """One key is wrong, and the page says which."""
    assert logged_in().post("/report/").status_code == 303
    drain()
    found = JobRequest.objects.get()
    assert (found.state, len(found.failures)) == ("partly", 1)
    page = page_of(found)
    assert "The key of question 1 is &#x27;about nine&#x27;" in page
    content = b"".join(logged_in().get(found.download_url)).decode()
    assert "Computing basics,10,15" in content


def test_requests_are_counted(handed_in: JobRequest) -> None:
    count: Any = count_requests
    assert count(job_context(count)) == {"open": 1}


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
