"""Export jobs as CSV and JSON: what the list shows and, if it is allowed, arguments and results.

Spreadsheets run what begins like a formula, and anybody may have named a job: such a cell gets a
quote before it.
"""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from django.http import StreamingHttpResponse

from django_jobqueue.admin.jobs.rows import JobRows
from django_jobqueue.admin.viewer import Viewer
from django_jobqueue.engine import get_engine
from django_jobqueue.exceptions import BadSignature, JobQueueError
from django_jobqueue.jobs.states import State
from django_jobqueue.models import Job
from django_jobqueue.steering.call import read_contents

MOST = 10_000  # jobs of one file
PAGE = 100
COLUMNS = (
    "id",
    "task",
    "state",
    "reason",
    "queue",
    "priority",
    "tags",
    "attempts",
    "max_attempts",
    "recoveries",
    "enqueued",
    "started",
    "finished",
    "worker",
)
CONTENTS = ("args", "kwargs", "metadata", "result", "exception")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def as_csv(rows: JobRows, viewer: Viewer) -> StreamingHttpResponse:
    return _file(_csv_lines(rows, viewer), "text/csv; charset=utf-8", "csv")


def as_json(rows: JobRows, viewer: Viewer) -> StreamingHttpResponse:
    return _file(_json_lines(rows, viewer), "application/json", "json")


def _file(lines: Iterator[str], kind: str, ending: str) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(lines, content_type=kind)
    answer["Content-Disposition"] = f'attachment; filename="jobs.{ending}"'
    answer["Cache-Control"] = "no-store"
    return answer


def _csv_lines(rows: JobRows, viewer: Viewer) -> Iterator[str]:
    columns = COLUMNS + (CONTENTS if viewer.may("view_payload") else ())
    yield _csv_line(columns)
    for record in _records(rows, viewer):
        yield _csv_line([_cell(record[name]) for name in columns])


def _csv_line(cells: Any) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _cell(value: object) -> str:
    """Return a value as a cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA) else text


def _json_lines(rows: JobRows, viewer: Viewer) -> Iterator[str]:
    separator = "[\n"
    for record in _records(rows, viewer):
        yield separator + json.dumps(record)
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


def _records(rows: JobRows, viewer: Viewer) -> Iterator[dict[str, Any]]:
    count = min(MOST, rows.count())
    for start in range(0, count, PAGE):
        page = rows.fetch(start, min(count, start + PAGE))
        rows.source.raise_faults()  # a file that breaks off is not taken for a whole one
        for row in page:
            yield _record(row, viewer)


def _record(row: Job, viewer: Viewer) -> dict[str, Any]:
    job = row.snapshot
    record: dict[str, Any] = {
        "id": job.id,
        "task": job.task,
        "state": job.state.value,
        "reason": job.reason,
        "queue": job.queue,
        "priority": job.priority,
        "tags": " ".join(job.tags),
        "attempts": job.attempts + (job.state is State.RUNNING),
        "max_attempts": job.max_attempts,
        "recoveries": job.recoveries,
        "enqueued": _instant(job.enqueued_at),
        "started": _instant(job.started_at),
        "finished": _instant(job.finished_at),
        "worker": job.worker,
    }
    return record | _contents(row, viewer) if viewer.may("view_payload") else record


def _contents(row: Job, viewer: Viewer) -> dict[str, Any]:
    """Return arguments, result and error of a job; what is hidden on its page is hidden here."""
    engine, secrets = get_engine(row.alias), viewer.may("view_sensitive")
    found: dict[str, Any] = dict.fromkeys(CONTENTS)
    try:
        job = engine.inspector.job(row.id)
    except JobQueueError:  # gone, or Redis is away
        return found
    errors = [run.message or run.exception for run in job.current_runs if run.exception]
    found["exception"] = errors[-1] if errors else ""
    with suppress(BadSignature, ValueError, RecursionError):  # what nobody signed is not exported
        job.open(engine.signer)
        found |= read_contents(engine, job, secrets=secrets)
    return found


def _instant(ms: int | None) -> str | None:
    """Return a time in ISO 8601, in UTC."""
    if not ms:
        return None
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return None
