"""Whatever is capped is told, with its value, in docs/reference/tasks.md."""

import ast
import re
from pathlib import Path

import pytest

from django_jobqueue import conf, exceptions, retry
from django_jobqueue.admin import display
from django_jobqueue.admin.jobs import actions
from django_jobqueue.conf import NAMES, Options
from django_jobqueue.engine import jobs
from django_jobqueue.flow import key_templates
from django_jobqueue.jobs import envelope, job, payload, redaction, text

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "django_jobqueue"
PAGE = ROOT / "docs" / "reference" / "tasks.md"
OPTION = {field: Options.__dataclass_fields__[field].default for field in NAMES.values()}
# First words of the row, and what the code says.
CAPS = {
    "arguments of a job": OPTION["max_payload"],
    "return value": OPTION["max_result"],
    "metadata": payload.MAX_METADATA,
    "nesting of a value": payload.MAX_DEPTH,
    "length of an integer": payload.MAX_BITS,
    "traceback of a run": redaction.MAX_TRACEBACK,
    "records of runs": int(
        re.findall(
            r"local MAX_ATTEMPT_RECORDS = (\d+)",
            (PACKAGE / "engine/lua/shared/prelude.lua").read_text(),
        )[0]
    ),
    "progress text, line of the log": text.MAX_LINE,
    "lines in the log": text.MAX_LINES,
    "jobs in one round trip": jobs.CHUNK,
    "name of a queue": int(re.findall(r"\{1,(\d+)\}", job.QUEUE_PATTERN.pattern)[0]),
    "ids of calls": int(
        re.findall(
            r"local MAX_DUPLICATES = (\d+)",
            (PACKAGE / "engine/lua/shared/prelude.lua").read_text(),
        )[0]
    ),
    "tags of a job": envelope.MAX_TAGS,
    "length of a tag": envelope.MAX_TAG,
    "length of a key of a limit or a rate": key_templates.MAX_KEY,
    "`Retry(after=…)`": exceptions.YEAR,
    "`backoff`": retry.MAX_DELAY,
    "value shown": display.LONGEST,
    "jobs changed by one action": actions.INLINE,
    "failed jobs that are kept": conf.DEFAULT_RETENTION_COUNT["failed"],
    "succeeded or cancelled jobs that are kept": conf.DEFAULT_RETENTION_COUNT["succeeded"],
}
# Constants that are no caps on what users give: two defaults, a bound on stored numbers, and an end
# for loops in tests.
OTHERS = {"MAX_NUMBER", "MAX_RUNS"}
LISTED = {
    "MAX_BITS",
    "MAX_DELAY",
    "MAX_DEPTH",
    "MAX_KEY",
    "MAX_LINE",
    "MAX_LINES",
    "MAX_METADATA",
    "MAX_TAG",
    "MAX_TAGS",
    "MAX_TRACEBACK",
}


def rows() -> dict[str, str]:
    """Return {what: at most} of the page's table."""
    table = PAGE.read_text("utf-8").partition("\n### Caps\n")[2].strip().split("\n\n")[0]
    cells = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    return {what.strip(): value.strip() for what, value, _ in cells}


@pytest.mark.parametrize("what", sorted(CAPS))
def test_cap_is_told_with_its_value(what: str) -> None:
    """The number in the table is the one in the code."""
    (value,) = [value for row, value in rows().items() if row.startswith(what)]
    number = re.match(r"[\d,]+", value)
    assert number
    assert int(number[0].replace(",", "")) == CAPS[what]
    for name in re.findall(r"`([A-Z_]+)`", value):
        assert name == "RETENTION_COUNT" or OPTION[NAMES[name]] == CAPS[what]


def test_table_has_no_other_rows() -> None:
    """A row without a test would grow old."""
    assert [row for row in rows() if not row.startswith(tuple(CAPS))] == []


def test_every_constant_that_looks_like_a_cap_is_known() -> None:
    """A new one goes into the table."""
    found = {
        target.id
        for path in PACKAGE.rglob("*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        for target in getattr(node, "targets", ())
        if isinstance(target, ast.Name) and target.id.startswith("MAX_")
    }
    assert found == LISTED | OTHERS


def test_every_option_that_is_a_cap_is_told() -> None:
    """MAX_… of OPTIONS, and the count of what is kept."""
    caps = {name for name in NAMES if name.startswith("MAX_")} - {"MAX_ATTEMPTS", "MAX_RECOVERIES"}
    told = set(re.findall(r"`([A-Z_]+)`", " ".join(rows().values())))
    assert told == caps | {"RETENTION_COUNT"}
