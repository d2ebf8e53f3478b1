"""One line of the log ends each run, and says why."""

import re
from typing import Any

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.testing import drain
from tests.project import door_tasks, elsewhere, tasks

NUMBER = r"\d+\.\d{3} s"


def lines(caplog: pytest.LogCaptureFixture, job: Any) -> list[tuple[str, str]]:
    """Return level and text of the package's lines about a job, without its start."""
    words = (
        rf"job={job.id} task={job.task.module_path} queue=default "
        rf"attempt=1 fence=1-\w+ waited={NUMBER}"
    )
    found = []
    for record in caplog.records:
        if record.name.startswith("django_jobqueue") and job.id in record.getMessage():
            text, count = re.subn(words, "WORDS", record.getMessage())
            assert count == 1, record.getMessage()
            found.append((record.levelname, re.sub(NUMBER, "TIME", text)))
    return found


@pytest.mark.parametrize(
    ("task", "args", "level", "text"),
    [
        (tasks.noop, [], "INFO", "succeeded in TIME: WORDS"),
        (tasks.fail, ["a\nb"], "ERROR", "failed in TIME: WORDS: ValueError: a b"),
        (
            door_tasks.asks,
            [90],
            "WARNING",
            "failed in TIME, runs again in TIME: WORDS: ValueError: 90",
        ),
        (
            tasks.cancel_itself,
            [],
            "INFO",
            "cancelled in TIME: WORDS: django_jobqueue.exceptions.Cancel: enough",
        ),
    ],
)
def test_run_ends_with_one_line(
    engine: Engine,
    caplog: pytest.LogCaptureFixture,
    task: Any,
    args: list[Any],
    level: str,
    text: str,
) -> None:
    """Its level tells a retry and a failure from all else; the start is a detail."""
    caplog.set_level("DEBUG", "django_jobqueue")
    result = task.enqueue(*args)
    drain()
    assert lines(caplog, result) == [("DEBUG", "Started WORDS"), (level, text)]


def test_cause_holds_no_secret(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """It goes the way of the traceback."""
    secret = "4711-secret-0815"
    result = elsewhere.spill.enqueue(50, secret, "for Zoë")
    drain()
    ((level, text),) = lines(caplog, result)
    assert level == "ERROR"
    assert text.endswith("ValueError: '••••' is wrong for 50: for Zoë {}")
    assert secret not in "".join(text for _, text in lines(caplog, result))
