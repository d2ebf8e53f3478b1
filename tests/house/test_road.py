"""The road of one job is short, and docs/explanation/one-job.md is its map.

The bounds may only fall.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence

from django_jobqueue.engine import Engine
from tests.support.docs import ROOT

PACKAGE = ROOT / "django_jobqueue"
TOUR = set(
    re.findall(
        r"`django_jobqueue/([\w/.-]+\.(?:py|lua))`",
        (ROOT / "docs/explanation/one-job.md").read_text("utf-8"),
    )
)
MOST_FILES = 20
MOST_LINES = 3_000
MOST_FRAMES = 5  # of ours, from task.enqueue to the client library
MOST_ROOT_MODULES = 18
# Entered on the road, and not on the map: what they say is not about this job.
BESIDE = {
    "engine/__init__.py": "hands out the one engine of an alias",
    "engine/call.py": "repeats a call whose reply did not come",
    "engine/sockets.py": "keeps the open connections",
    "engine/scripts.py": "puts arguments into the order of a script's header",
    "engine/job_reader.py": "reads what a reply tells of a job",
    "engine/locks.py": "has the locks of unique jobs",
    "engine/keys.py": "spells the names of keys",
    "engine/queues.py": "lists the queues for a slot that serves all",
    "jobs/context.py": "lets a function find the run that it is called in",
    "jobs/prepared.py": "makes a job's result when it is looked at",
    "jobs/envelope.py": "asks whether the job has tags or expires",
    "jobs/record_fields.py": "says how each field of a record is read",
    "jobs/new_record.py": "says which fields a new record has",
    "jobs/phrases.py": "puts the words of a page",
    "diagnosis/": "says why the job is not running",
    "steering/": "says what the buttons of the page do",
    "engine/situation.py": "reads for it what is around the job",
    "jobs/duplicate.py": "is there for unique jobs",
    "jobs/moments.py": "makes a datetime of a time",
    "jobs/result_changes.py": "changes a result that a caller holds",
    "flow/": "finds that the job is not unique",
    "jobs/payload.py": "says what JSON is pure, and how it is written",
    "jobs/run.py": "holds the records of earlier runs",
    "jobs/states.py": "holds words",
    "jobs/text.py": "makes one line of a text",
    "cached.py": "asks whether the value is kept as its task's latest",
    "compat.py": "asks whether anybody listens to a signal",
    "middleware.py": "finds that there is none",
    "paths.py": "finds the task of a path",
    "jobs/signature.py": "asks whether a call fits its function",
    "on_commit.py": "asks whether there is a transaction",
    "ledger/": "finds that the job is not durable",
    "engine/unsettled.py": "looks for ends that rows don't tell",
    "worker/ended.py": "looks for jobs that ended without a slot",
    "worker/execution.py": "holds a run that has ended",
    "worker/run_errors.py": "is there for runs that raise",
    "worker/log_lines.py": "words the lines of the log",
    "worker/outage.py": "notes that Redis answered",
    "worker/limits/interrupt.py": "lets the run be interrupted",
    "worker/limits/shared_state.py": "tells the supervisor which run it is",
    "worker/progress.py": "is there for tasks that report",
    "admin/": "finds the row of a page, asks what its viewer may, and words what is shown",
    "requests/admin.py": "is named in the menu beside the page",
    "models.py": "gives the admin a row to show",
    "engine/workflows.py": "finds, as maintenance, that there is none",
    "testing/": "runs the slot inside this test",
}


def off_the_map(files: Sequence[str]) -> set[str]:
    return {file for file in set(files) - TOUR if not file.startswith(tuple(BESIDE))}


def test_tour_is_short() -> None:
    """All of it can be read in an afternoon."""
    lines = {file: len((PACKAGE / file).read_text("utf-8").splitlines()) for file in TOUR}
    assert len(lines) <= MOST_FILES
    assert sum(lines.values()) <= MOST_LINES


def test_root_has_few_modules() -> None:
    """What lies at the door is what Django's readers look for, and the road."""
    assert len(list(PACKAGE.glob("*.py"))) <= MOST_ROOT_MODULES


def test_job_stays_on_the_road(engine: Engine) -> None:
    """Enqueue, claim, finish and the job's page enter the files of the tour, or those beside."""
    command = [sys.executable, "-m", "tests.support.road"]
    path = os.pathsep.join([str(ROOT), str(ROOT / "testproject")])
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)

    assert {name: off_the_map(found[name]) for name in ("enqueue", "run", "page")} == {
        "enqueue": set(),
        "run": set(),
        "page": set(),
    }
    assert 1 <= len(found["frames"]) <= MOST_FRAMES, found["frames"]


def test_what_is_beside_the_road_exists() -> None:
    """A list that nobody needs any more would grow old."""
    assert [place for place in BESIDE if not (PACKAGE / place).exists()] == []
