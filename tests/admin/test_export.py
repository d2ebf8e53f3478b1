"""The export of jobs as CSV and JSON: what is in it, and what is not."""

import csv
import io
import json
from typing import Any

import pytest
from django.test import Client

from django_jobqueue.admin.jobs import export
from django_jobqueue.engine import Engine
from django_jobqueue.exceptions import QueueUnavailable
from tests.admin.conftest import Seed
from tests.support import payloads
from tests.support.jobs import fill
from tests.support.pages import JOBS, said

SPILL = "tests.project.elsewhere.spill"
CALL = b'{"args":[50,"4711"],"kwargs":{"note":"hello"}}'


def take(client: Client, form: str, chosen: list[str], query: str = "", **extra: str) -> Any:
    data = {"action": f"export_{form}", "_selected_action": chosen, "index": 0} | extra
    return client.post(f"{JOBS}{query}", data)


def text_of(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode()


def cells(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text_of(answer))))


def test_csv_has_a_row_per_job(admin_client: Client, seed: Seed) -> None:
    failed = seed.failed(
        task=SPILL, data=CALL, exception="app.Bad", traceback="app.Bad: no", tags=("a", "b")
    )
    done = seed.succeeded(result=b'{"mark":1}')
    answer = take(admin_client, "csv", [failed, done])
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="jobs.csv"'
    first, second = cells(answer)
    assert (first["id"], first["state"], first["tags"]) == (failed, "failed", "a b")
    assert (first["args"], first["exception"]) == ('[50, "4711"]', "app.Bad: no")
    assert (second["result"], second["attempts"]) == ('{"mark": 1}', "1")


def test_json_is_one_document(admin_client: Client, engine: Engine) -> None:
    made = fill(engine, 230)
    answer = take(admin_client, "json", ["-"], "?state=queued&order=oldest", select_across="1")
    found = json.loads(text_of(answer))
    assert [row["id"] for row in found] == made
    assert {row["state"] for row in found} == {"queued"}
    nothing = take(admin_client, "json", ["-"], "?state=failed", select_across="1")
    assert json.loads(text_of(nothing)) == []


def test_contents_take_their_permissions(staff: Any, seed: Seed) -> None:
    job = seed.failed(task=SPILL, data=CALL, traceback="app.Bad: of Zoë", exception="app.Bad")
    client = staff("view_job")
    (row,) = json.loads(text_of(take(client, "json", [job])))
    assert not {"args", "kwargs", "metadata", "result", "exception"} & row.keys()
    assert "hello" not in text_of(take(client, "csv", [job]))


def test_secrets_take_one_more(staff: Any, seed: Seed) -> None:
    job = seed.failed(task=SPILL, data=CALL)
    text = text_of(take(staff("view_job", "view_payload"), "csv", [job]))
    assert "hello" in text
    assert "4711" not in text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t"])
def test_no_cell_is_a_formula(admin_client: Client, seed: Seed, engine: Engine, start: str) -> None:
    """Whatever stands in Redis."""
    evil = f"{start}cmd|' /C calc'!A0"
    job = seed.queued()
    key = engine.client.keys("job", job)
    engine.client.redis.hset(key, mapping={"task": evil, "worker": evil, "reason": evil})
    (row,) = cells(take(admin_client, "csv", [job]))
    assert [row[name] for name in ("task", "worker", "reason")] == [f"'{evil}"] * 3
    engine.client.redis.hset(key, "task", "tests.project.tasks.noop")


def test_what_nobody_signed_is_left_out(admin_client: Client, seed: Seed, engine: Engine) -> None:
    job = seed.queued()
    kept = payloads.read(engine, job)
    payloads.put(engine, job, b"1.forged." + CALL)
    (row,) = json.loads(text_of(take(admin_client, "json", [job])))
    assert row["args"] is None
    payloads.put(engine, job, kept)


def test_a_file_has_a_bounded_number_of_jobs(
    admin_client: Client, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "MOST", 5)
    fill(engine, 6)
    answer = admin_client.post(
        JOBS,
        {"action": "export_csv", "_selected_action": "-", "index": 0, "select_across": "1"},
        follow=True,
    )
    assert said(answer) == ["6 jobs are selected, and a file has at most 5: narrow the list."]


def test_a_file_that_breaks_off_is_no_whole_one(
    admin_client: Client, engine: Engine, settings: Any
) -> None:
    """Redis goes away while it is sent."""
    fill(engine, 230)
    answer = take(admin_client, "json", ["-"], select_across="1")
    lines = iter(answer.streaming_content)
    next(lines)
    entry = settings.TASKS["default"]
    settings.TASKS = {"default": entry | {"OPTIONS": {"URL": "unix:///no/such/socket"}}}
    with pytest.raises(QueueUnavailable):
        list(lines)
