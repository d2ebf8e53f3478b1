"""Files that requests offer: who gets them, how long, and that none is left behind."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.utils import timezone

from django_jobqueue.engine import Engine, get_engine
from django_jobqueue.ledger.reconciling import Reconciliation
from django_jobqueue.requests import purge
from django_jobqueue.requests.models import JobRequest
from django_jobqueue.requests.outcome import Outcome, save_file
from django_jobqueue.testing import drain
from django_jobqueue.worker.maintenance_process import LedgerTicks
from tests.project import asked_tasks

from .conftest import JSON, ask


@pytest.fixture
def export(engine: Engine, ada: User) -> JobRequest:
    """A request that has ended with a file."""
    row = ask(ada, asked_tasks.export, "Überblick 1.csv", "1;2")
    drain()
    row.refresh_from_db()
    assert row.state == "succeeded"
    return row


def expire(row: JobRequest) -> None:
    JobRequest.objects.filter(pk=row.pk).update(file_expires_at=timezone.now())
    row.refresh_from_db()


def test_a_file_is_downloaded(client: Client, export: JobRequest) -> None:
    assert f'href="/requests/{export.public_id}/download/"' in page(client, export)
    found = client.get(f"/requests/{export.public_id}/", headers=JSON).json()
    answer: Any = client.get(found["result"]["file"])
    assert b"".join(answer.streaming_content) == b"1;2"
    said = answer.headers["Content-Disposition"]
    assert said.startswith("attachment; filename*=utf-8''%C3%9Cberblick")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in answer.headers["Cache-Control"]


def page(client: Client, row: JobRequest) -> str:
    return client.get(f"/requests/{row.public_id}/").content.decode()


def test_a_download_counts_as_seen(client: Client, export: JobRequest) -> None:
    client.get(f"/requests/{export.public_id}/download/")
    export.refresh_from_db()
    assert export.seen_at is not None


def test_a_file_is_its_owners_alone(export: JobRequest, bob: User, log_in: Any) -> None:
    assert log_in(bob).get(f"/requests/{export.public_id}/download/").status_code == 404


def test_the_name_in_the_storage_cannot_be_guessed(engine: Engine) -> None:
    first, second = save_file("../../a.txt", "x"), save_file("a.txt", b"x")
    assert first.rpartition("/")[2] == second.rpartition("/")[2] == "a.txt"
    assert first.startswith("job_requests/")
    assert len(first.split("/")[1]) == 22
    assert first != second


def test_a_file_expires(client: Client, export: JobRequest) -> None:
    kept = (export.file_expires_at or timezone.now()) - timezone.now()
    assert timedelta(days=6, hours=23) < kept <= timedelta(days=7)
    expire(export)
    assert client.get(f"/requests/{export.public_id}/download/").status_code == 410
    assert "The file has expired." in page(client, export)
    assert "/download/" not in page(client, export)


def test_a_request_without_a_file_has_no_download(client: Client, done: JobRequest) -> None:
    assert client.get(f"/requests/{done.public_id}/download/").status_code == 404


def test_a_file_that_is_gone_from_the_storage_is_gone(client: Client, export: JobRequest) -> None:
    default_storage.delete(str(export.file.name))
    assert client.get(f"/requests/{export.public_id}/download/").status_code == 410


def test_expired_files_are_deleted_and_others_stay(export: JobRequest, ada: User) -> None:
    other = ask(ada, asked_tasks.export, "b.csv", "3")
    drain()
    other.refresh_from_db()
    name = str(export.file.name)
    expire(export)
    assert purge.purge() == (0, 1)
    assert (default_storage.exists(name), default_storage.exists(str(other.file.name))) == (
        False,
        True,
    )
    export.refresh_from_db()
    assert (export.file.name, export.is_file_expired) == ("", True)
    assert purge.purge() == (0, 0)


def test_ended_requests_are_purged_with_their_files(export: JobRequest, ada: User) -> None:
    name = str(export.file.name)
    waiting = ask(ada, asked_tasks.say)
    long_ago = timezone.now() - timedelta(days=91)
    JobRequest.objects.update(created_at=long_ago)
    JobRequest.objects.filter(pk=export.pk).update(finished_at=long_ago)
    assert purge.purge() == (1, 0)
    assert list(JobRequest.objects.all()) == [waiting]
    assert not default_storage.exists(name)


def test_request_that_was_retried_meanwhile_is_not_purged(
    export: JobRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is the file that it has by then."""
    long_ago = timezone.now() - timedelta(days=91)
    JobRequest.objects.update(finished_at=long_ago, file_expires_at=long_ago)
    (seen,) = JobRequest.objects.all()
    JobRequest.objects.update(finished_at=None, file="another.csv")
    assert not purge._drop_request(seen)
    assert not purge._drop_file(seen)
    assert JobRequest.objects.get().file.name == "another.csv"


def test_what_can_not_be_purged_holds_up_nothing(
    export: JobRequest, ada: User, caplog: pytest.LogCaptureFixture
) -> None:
    long_ago = timezone.now() - timedelta(days=91)
    JobRequest.objects.filter(pk=export.pk).update(
        file="../outside.csv", file_expires_at=long_ago, finished_at=long_ago
    )
    JobRequest.objects.create(title="another", finished_at=long_ago)
    assert purge.purge() == (1, 0)
    assert [one.pk for one in JobRequest.objects.all()] == [export.pk]
    assert f"Request {export.pk} can't be purged." in caplog.text


def test_many_are_purged_in_chunks(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "CHUNK", 2)
    JobRequest.objects.bulk_create(
        JobRequest(title=str(number), finished_at=timezone.now() - timedelta(days=100))
        for number in range(5)
    )
    assert purge.purge(seconds=0) == (0, 0)
    assert purge.purge() == (5, 0)


def test_workers_purge_now_and_then(
    export: JobRequest,
) -> None:
    """Their maintenance process tells whoever keeps rows."""
    expire(export)
    ticks = LedgerTicks(get_engine("default"), Reconciliation(get_engine("default")))
    ticks.run_due("epoch")
    export.refresh_from_db()
    assert export.file.name == ""


def test_a_command_purges(export: JobRequest) -> None:
    expire(export)
    out = StringIO()
    call_command("purge_job_requests", stdout=out)
    assert out.getvalue() == "Deleted 0 requests and 1 files.\n"


def test_whoever_deletes_a_request_deletes_its_file(export: JobRequest) -> None:
    name = str(export.file.name)
    with transaction.atomic():
        export.delete()
        assert default_storage.exists(name)  # it may still be rolled back
    assert not default_storage.exists(name)


def test_a_file_stays_that_another_job_has_returned_too(
    engine: Engine, ada: User, bob: User
) -> None:
    """A task that returns the same file to all, say that of today."""
    name = save_file("today.csv", "1;2")
    first = ask(ada, asked_tasks.answer, dict(Outcome(file=name)))
    second = ask(bob, asked_tasks.answer, dict(Outcome(file=name)))
    drain()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.file.name, second.file.name) == (name, name)

    expire(first)
    assert purge.purge() == (0, 1)
    assert default_storage.exists(name)
    second.delete()
    assert not default_storage.exists(name)


def test_a_file_stays_that_another_request_of_the_job_offers(export: JobRequest, bob: User) -> None:
    name = str(export.file.name)
    other = JobRequest.objects.get(pk=export.pk)
    other.pk, other.public_id, other.owner = None, "other", bob
    other.save()
    export.delete()
    assert default_storage.exists(name)
    other.delete()
    assert not default_storage.exists(name)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("marks of Ada.csv", "marks of Ada.csv"),
        ("a\nb.csv", "a_b.csv"),
        ("a\x00b.csv", "a_b.csv"),
        ("\u202evsc.exe", "_vsc.exe"),
        ("..\\..\\a.txt", ".._.._a.txt"),
        ("Änderungen.pdf", "Änderungen.pdf"),
        ("", "file"),
        ("..", "file"),
        ("a/..", "file"),
        ("x" * 300 + ".csv", "x" * 196 + ".csv"),
        ("ä" * 300 + ".csv", "ä" * 98 + ".csv"),
        ("a." + "x" * 300, "a." + "x" * 198),
    ],
)
def test_any_name_makes_a_file_that_can_be_downloaded(
    engine: Engine, client: Client, ada: User, name: str, kept: str
) -> None:
    """People choose names of files, too."""
    row = ask(ada, asked_tasks.answer, Outcome(file=save_file(name, "1;2")))
    drain()
    row.refresh_from_db()
    assert row.file_name == kept
    answer: Any = client.get(f"/requests/{row.public_id}/download/")
    assert b"".join(answer.streaming_content) == b"1;2"
