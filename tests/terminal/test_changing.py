"""What `manage.py jobqueue` changes: jobs by id or all that match, queues, and runs of tasks."""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from django_jobqueue import schedule
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome, State
from django_jobqueue.models import Schedule
from django_jobqueue.steering import workers
from tests.project.tasks import noop
from tests.support.places import FAILED, Make, claimed, finish
from tests.support.processes import PATIENCE, ROOT, WorkerProcess, until

from .conftest import Told

Read = Callable[..., Any]
Typed = Callable[[str], list[str]]


def fail(engine: Engine, make_job: Make, slot: Slot, **given: Any) -> str:
    job_id = make_job(**given)
    finish(engine, slot, claimed(engine, slot, str(given.get("queue", "default"))), FAILED)
    return job_id


def states(engine: Engine, ids: list[str]) -> list[State]:
    return [engine.inspector.job(one).state for one in ids]


def test_requeue_by_id(engine: Engine, told: Told, make_job: Make, slot: Slot) -> None:
    """Nothing is asked: who names a job means it."""
    job_id = fail(engine, make_job, slot)
    assert told("requeue", job_id) == "1 job requeued.\n"
    assert states(engine, [job_id]) == [State.QUEUED]
    with pytest.raises(CommandError, match="1 job was not requeued \\(state: queued\\)"):
        told("requeue", job_id)


def test_requeue_all_that_match(
    engine: Engine, told: Told, make_job: Make, slot: Slot, typed: Typed
) -> None:
    """Of one task; jobs that have not failed stay as they are."""
    wanted = [fail(engine, make_job, slot, task="a.b") for _ in range(3)]
    other = fail(engine, make_job, slot, task="a.c")
    asked = typed("y")
    assert told("requeue", "--task", "a.b", "--all") == "3 jobs requeued.\n"
    assert asked == ["Requeue 3 jobs? [y/N] "]
    assert states(engine, [*wanted, other]) == [State.QUEUED] * 3 + [State.FAILED]


@pytest.mark.parametrize("answer", ["", "n", "no", "perhaps"])
def test_no_is_no(
    engine: Engine, told: Told, make_job: Make, slot: Slot, typed: Typed, answer: str
) -> None:
    job_id = fail(engine, make_job, slot)
    typed(answer)
    with pytest.raises(CommandError, match="Nothing was changed"):
        told("delete", job_id)
    assert states(engine, [job_id]) == [State.FAILED]


def test_nobody_to_ask(told: Told, make_job: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(CommandError, match="Use --yes to go on without"):
        told("delete", make_job())


def test_delete_without_a_question(engine: Engine, told: Told, make_job: Make) -> None:
    job_id = make_job()
    assert told("delete", job_id, "--yes") == "1 job deleted.\n"
    with pytest.raises(JobNotFound):
        engine.inspector.job(job_id)


def test_cancel_all_of_a_queue(engine: Engine, read: Read, make_job: Make, slot: Slot) -> None:
    """Running jobs are told to end."""
    runs, waits, other = make_job(queue="mail"), make_job(queue="mail"), make_job()
    claimed(engine, slot, "mail")
    found = read("cancel", "--queue", "mail", "--all", "--yes")
    assert (found["done"], found["told_to_end"]) == ([waits], [runs])
    assert states(engine, [runs, waits, other]) == [State.RUNNING, State.CANCELLED, State.QUEUED]


def test_jobs_are_moved(
    engine: Engine, told: Told, make_job: Make, slot: Slot, typed: Typed
) -> None:
    """By id, and all that match: without a state, those that wait."""
    failed = fail(engine, make_job, slot)
    first, second, third = make_job(), make_job(), make_job(due=timedelta(hours=1))
    assert told("move", first, "--to", "mail") == "1 job moved.\n"
    asked = typed("y")
    assert told("move", "--queue", "default", "--all", "--to", "mail") == "2 jobs moved.\n"
    assert asked == ["Move 2 jobs? [y/N] "]
    jobs = engine.inspector.jobs([first, second, third, failed])
    assert [job.queue for job in jobs] == ["mail", "mail", "mail", "default"]
    with pytest.raises(CommandError, match="1 job was not moved \\(state: failed\\)"):
        told("move", failed, "--to", "mail")
    with pytest.raises(CommandError, match="can't be named “my queue”"):
        told("move", first, "--to", "my queue")


def test_scheduled_jobs_are_run_now(engine: Engine, told: Told, make_job: Make) -> None:
    waits, other = make_job(due=timedelta(hours=1)), make_job()
    found = told("run-now", "--queue", "default", "--all", "--yes")
    assert found == "1 job is run now.\n"
    assert states(engine, [waits, other]) == [State.QUEUED] * 2


@pytest.mark.parametrize("word", ["quiet", "stop"])
def test_workers_are_told(engine: Engine, told: Told, typed: Typed, word: str) -> None:
    engine.leases.renew("worker-1", {"pid": 1})
    asked = typed("y")
    assert told(word, "worker-1") == "worker-1: told\n"
    assert len(asked) == 1
    assert engine.leases.renew("worker-1", {"pid": 1}).told == {word}
    with pytest.raises(CommandError, match="No such worker: worker-9"):
        told(word, "worker-1", "worker-9", "--yes")
    typed("n")
    with pytest.raises(CommandError, match="Nothing was changed"):
        told(word, "worker-1")


def test_stacks_are_shown(engine: Engine, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.leases.renew("worker-1", {"pid": 1})
    stacks = {"0.0": "File a, line 1 in b\nFile \x1b, line 2 in c", "0.1": None}

    def answer() -> None:
        until(lambda: "stacks" in engine.leases.renew("worker-1", {"pid": 1}).told)
        engine.leases.store_stacks("worker-1", json.dumps(stacks))

    thread = threading.Thread(target=answer)
    thread.start()
    shown = told("stacks", "worker-1")
    thread.join()
    assert shown.splitlines() == [
        "0.0",
        "    File a, line 1 in b",
        "    File \\x1b, line 2 in c",
        "0.1",
        "    It has not answered.",
    ]
    monkeypatch.setattr(workers, "ANSWER_WITHIN", 0.0)
    for worker, why in (("worker-1", "has not answered"), ("worker-9", "No such worker: worker-9")):
        with pytest.raises(CommandError, match=why):
            told("stacks", worker)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["requeue"], "Say which jobs"),
        (["requeue", "--all"], "at least one filter"),
        (["requeue", "--task", "a.b"], "together with --all"),
        (["requeue", "x", "--queue", "mail"], "not both"),
        (["delete", "--queue", "mail", "--all", "--yes"], "Say the --state of the jobs to delete."),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_what_is_not_meant_is_refused(
    engine: Engine, told: Told, make_job: Make, words: list[str], why: str
) -> None:
    job_id = make_job(queue="mail")
    with pytest.raises(CommandError, match=why):
        told(*words)
    assert states(engine, [job_id]) == [State.QUEUED]


def test_one_id_of_two_is_unknown(engine: Engine, make_job: Make, db: None) -> None:
    """The other one is changed all the same, and the exit code tells."""
    job_id, output = make_job(), io.StringIO()
    with pytest.raises(CommandError, match="1 job no longer exists") as caught:
        call_command("jobqueue", "cancel", new_id(), job_id, stdout=output)
    assert caught.value.returncode == 1
    assert output.getvalue() == "1 job cancelled.\n"
    assert states(engine, [job_id]) == [State.CANCELLED]


@pytest.mark.parametrize("words", [["requeue"], ["run-now"], ["move", "--to", "mail"], ["delete"]])
def test_an_unknown_id_is_said_to_be_unknown(told: Told, words: list[str]) -> None:
    """And not to be a job in some state."""
    with pytest.raises(CommandError, match="1 job no longer exists"):
        told(*words, new_id(), *(["--yes"] if words == ["delete"] else []))


@pytest.mark.parametrize(
    "words",
    [
        ["requeue", "--state", "failed", "--all"],
        ["delete", "--state", "failed", "--all"],
        ["empty", "mail"],
    ],
    ids=" ".join,
)
def test_nothing_to_change_is_no_question(told: Told, typed: Typed, words: list[str]) -> None:
    asked = typed("n")
    assert told(*words) == "No job matches.\n"
    assert asked == []


def test_queue_is_emptied(engine: Engine, told: Told, make_job: Make, slot: Slot) -> None:
    """Of what waits; what runs, has ended or is due later stays, as do other queues."""
    ended, runs = fail(engine, make_job, slot, queue="mail"), make_job(queue="mail")
    claimed(engine, slot, "mail")
    later, other = make_job(queue="mail", due=timedelta(hours=1)), make_job()
    for _ in range(2):
        make_job(queue="mail")
    assert told("empty", "mail", "--yes") == "2 jobs deleted.\n"
    kept = [State.FAILED, State.RUNNING, State.SCHEDULED, State.QUEUED]
    assert states(engine, [ended, runs, later, other]) == kept
    assert told("empty", "mail", "--yes") == "No job matches.\n"


def test_nothing_is_emptied_without_a_yes(
    engine: Engine, told: Told, make_job: Make, typed: Typed
) -> None:
    typed("n")
    job_id = make_job(queue="mail")
    with pytest.raises(CommandError, match="Nothing was changed"):
        told("empty", "mail")
    assert states(engine, [job_id]) == [State.QUEUED]


def test_pause_of_a_queue_without_jobs(told: Told) -> None:
    """It may be for later; it may be a slip, so it is said."""
    lost = "No job is in a queue named mial.\n"
    assert told("pause", "mial", "default") == f"mial: paused\n{lost}default: paused\n"


def test_pause_and_resume(engine: Engine, told: Told, make_job: Make) -> None:
    make_job(queue="mail")
    assert told("pause", "mail") == "mail: paused\n"
    (stats,) = engine.inspector.queue_stats(["mail"])
    assert stats.pause is not None
    assert " on " in stats.pause.by
    assert told("pause", "mail") == "mail: it was paused before\n"
    assert told("resume", "mail") == "mail: resumed\n"
    with pytest.raises(CommandError, match="no queue name"):
        told("pause", "a b")


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["7", "8"], ([7, 8], {})),
        (["a=7", 'b="8"'], ([], {"a": 7, "b": "8"})),
        (["anna", "b=[1, null]"], (["anna"], {"b": [1, None]})),
        (['"7"', "b=x=y"], (["7"], {"b": "x=y"})),
    ],
)
def test_run(engine: Engine, read: Read, words: list[str], call: Any) -> None:
    found = read("run", "tests.project.tasks.echo", *words, "--queue", "mail", "--priority", "3")
    job = engine.inspector.job(found["id"])
    job.open(engine.signer)
    assert (job.args, job.kwargs) == call
    assert (job.queue, job.priority, found["state"]) == ("mail", 3, "queued")


def test_run_later(engine: Engine, read: Read) -> None:
    found = read("run", "tests.project.tasks.noop", "--in", "2h")
    assert engine.inspector.job(found["id"]).state is State.SCHEDULED


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["tests.project.tasks.nop"], r"Did you mean 'tests.project.tasks.no(op|te)'\?"),
        (["tests.project.tasks.add", "1"], "missing a required argument"),
        (["tests.project.tasks.add", "a=1", "2"], "has no name"),
        (["tests.project.tasks.add", "a=1", "a=2"], "given twice"),
    ],
)
def test_a_run_that_cannot_be_is_refused(
    engine: Engine, told: Told, words: list[str], why: str
) -> None:
    with pytest.raises(CommandError, match=why):
        told("run", *words)
    assert engine.inspector.count_queues() == 0


def test_run_and_wait(told: Told, worker_process: Callable[..., WorkerProcess]) -> None:
    """For its value, or for what it failed with."""
    worker_process("--processes", "1")
    wait = ("--wait", f"{int(PATIENCE)}s")
    first, value = told("run", "tests.project.tasks.add", "1", "2", *wait).splitlines()
    assert (first.split(": ")[1], value) == ("succeeded", "3")
    with pytest.raises(CommandError, match=r"is failed: builtins\.ValueError"):
        told("run", "tests.project.tasks.fail", *wait)


def test_run_and_wait_in_vain(told: Told) -> None:
    with pytest.raises(CommandError, match="is queued after 0"):
        told("run", "tests.project.tasks.noop", "--wait", "0.1s")


def test_schedules(engine: Engine, told: Told, read: Read) -> None:
    schedule("nightly", noop, every=3600)
    Schedule.objects.create(name="lost", task="gone.task", every_seconds=60)
    nightly, lost = read("schedules")
    assert nightly["schedule"] == "nightly"
    assert nightly["next"].endswith("+00:00")
    assert "There is no task" in lost["note"]
    assert "start manage.py jobscheduler" in told("schedules").splitlines()[-1]


ALL = [
    ["status"], ["queues"], ["workers"], ["list"], ["show", "x"], ["explain", "x"],
    ["requeue", "x"], ["cancel", "x"], ["delete", "x", "--yes"], ["pause", "x"], ["resume", "x"],
    ["empty", "x", "--yes"],
    ["failures"], ["tasks"], ["run", "tests.project.tasks.noop"],
]  # fmt: skip


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_redis_is_away(db: None, settings: Any, words: list[str]) -> None:
    """One line says so."""
    entry = settings.TASKS["default"]
    away = {"URL": "unix:///no/such/socket", "STORE_IN_TESTS": True}
    settings.TASKS = {"default": entry | {"OPTIONS": away}}
    with pytest.raises(CommandError, match="/no/such/socket") as caught:
        call_command("jobqueue", *words, stdout=io.StringIO())
    assert "\n" not in str(caught.value)


def test_redis_is_away_from_a_shell(engine: Engine) -> None:
    """Without a traceback, with exit code 1."""
    given = {
        "DJANGO_SETTINGS_MODULE": "tests.project.settings",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'testproject'}",
        "TEST_OPTIONS": '{"URL": "unix:///no/such/socket"}',
    }
    command = [sys.executable, "-m", "django", "jobqueue", "status"]
    done = subprocess.run(command, env=os.environ | given, capture_output=True, text=True)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("CommandError: Redis of the alias")


def test_jobs_are_chosen_by_tag_and_exception(
    engine: Engine, told: Told, read: Callable[..., Any], make_job: Make, slot: Slot
) -> None:
    made = []
    for number, exception in enumerate(("app.Bad", "app.Worse", "")):
        made.append(make_job(tags=(f"t:{number}",)))
        end = RunResult(Outcome.FAILED, exception=exception, traceback="x")
        finish(engine, slot, claimed(engine, slot), end)
    assert [row["id"] for row in read("list", "--tag", "t:1")] == [made[1]]
    assert [row["id"] for row in read("list", "--exception", "app.Bad")] == [made[0]]
    assert [row["id"] for row in read("list", "--state", "failed", "--exception", "-")] == [made[2]]
    told("requeue", "--tag", "t:0", "--all", "--yes")
    told("delete", "--state", "failed", "--exception", "app.Worse", "--all", "--yes")
    assert {job.id: job.state.value for job in engine.inspector.jobs(made)} == {
        made[0]: "queued",
        made[2]: "failed",
    }
