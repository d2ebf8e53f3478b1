"""What `manage.py jobqueue` tells: status, queues, workers, list, show, explain."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management.base import CommandError

from django_jobqueue.engine import Engine, failures
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.redaction import HIDDEN
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome
from tests.support import payloads
from tests.support.flows import FAN, started
from tests.support.places import DONE, FAILED, Make, claimed, finish

from .conftest import Told

SPILL = "tests.project.elsewhere.spill"
Read = Callable[..., Any]


def live(engine: Engine, **given: Any) -> None:
    record: dict[str, Any] = {"host": "mill", "pid": 1, "processes": 2, "threads": 1}
    engine.leases.renew("worker-1", record | given)


def test_status_when_nothing_is_wrong(engine: Engine, told: Told, make_job: Make) -> None:
    live(engine)
    make_job()
    first, *rest = told("status", "--check").splitlines()
    assert first == "Nothing is wrong: jobs are run as they come."
    assert rest[1].startswith("jobs        0 scheduled, 1 queued, ")
    assert "workers     1 live, 0 of 2 slots busy" in rest
    assert "last hour   1 enqueued, 0 succeeded, 0 failed, 0 retried, 0 recovered" in rest


def test_status_tells_what_is_wrong(engine: Engine, told: Told, make_job: Make) -> None:
    make_job()
    assert told("status").startswith("! No worker is alive: start manage.py jobworker. 1 job waits")
    with pytest.raises(CommandError, match="1 thing is wrong"):
        told("status", "--check")


def test_status_for_programs(engine: Engine, read: Read, make_job: Make, slot: Slot) -> None:
    live(engine)
    make_job()
    finish(engine, slot, claimed(engine, slot))
    found = read("status")
    assert found["problems"] == []
    assert found["counts"]["succeeded"] == 1
    assert found["last_hour"] == {
        "enqueued": 1,
        "succeeded": 1,
        "failed": 0,
        "retried": 0,
        "recovered": 0,
    }
    assert found["memory"]["policy"] == "noeviction"
    assert (found["workers"], found["slots"], found["busy_slots"]) == (1, 2, 0)


def test_queues(engine: Engine, told: Told, read: Read, make_job: Make) -> None:
    """Numbers stand below each other, with separators."""
    for _ in range(2):
        make_job(queue="mail")
    make_job(queue="mules")
    engine.queues.pause("mail", by="anna")
    key = engine.client.keys("succeeded", "mules")
    engine.client.redis.zadd(key, {new_id(): 1 for _ in range(1_234)})
    head, mail, mules = told("queues").splitlines()
    assert re.match(r"QUEUE +PAUSED +SCHEDULED +QUEUED ", head)
    assert re.match(r"mail +paused +0 +2 ", mail)
    assert mules.index("1,234") + 5 == head.index("SUCCEEDED") + len("SUCCEEDED")
    assert [row["queue"] for row in read("queues", "mu")] == ["mules"]
    assert read("queues")[0]["paused"]["by"] == "anna"
    assert told("queues", "--limit", "1").splitlines()[-1] == "1 of 2 queues: see --limit."
    engine.client.redis.delete(key)


def test_workers(engine: Engine, told: Told, read: Read, make_job: Make, slot: Slot) -> None:
    assert told("workers") == "No worker is there: start manage.py jobworker.\n"
    live(engine, queues="mail default", version="1.2")
    make_job()
    claimed(engine, slot)
    (found,) = read("workers")
    assert found["queues"] == ["mail", "default"]
    assert (found["state"], found["busy"], found["slots"]) == ("live", 1, 2)
    assert re.match(r"worker-1 +live +mail, default +1 +2 ", told("workers").splitlines()[1])


def test_workers_tell_their_weights(engine: Engine, told: Told, read: Read) -> None:
    live(engine, queues="mail default", weights="5 1")
    assert read("workers")[0]["queues"] == ["mail:5", "default:1"]
    assert "mail:5, default:1" in told("workers")


def test_list_is_filtered(engine: Engine, read: Read, make_job: Make, slot: Slot) -> None:
    failed = make_job(task="a.b")
    finish(engine, slot, claimed(engine, slot), FAILED)
    other = make_job(task="a.c", queue="mail")
    finish(engine, slot, claimed(engine, slot, "mail"), FAILED)
    waits = make_job(task="a.b")
    cases = {
        (): {failed, other, waits},
        ("--state", "failed"): {failed, other},
        ("--state", "failed", "--state", "queued"): {failed, other, waits},
        ("--queue", "mail"): {other},
        ("--task", "a.b"): {failed, waits},
        ("--task", "a.b", "--state", "failed"): {failed},
        ("--task", "a.b", "--state", "failed", "--queue", "mail"): set(),
        ("--search", "A.C"): {other},
        ("--search", waits[24:]): {waits},
        ("--older-than", "1h"): set(),
        ("--older-than", "0s"): {failed, other, waits},
        ("--queue", "nowhere"): set(),
    }
    found = {words: {row["id"] for row in read("list", *words)} for words in cases}
    assert found == cases


def test_list_goes_state_by_state(engine: Engine, read: Read, make_job: Make, slot: Slot) -> None:
    """Through all queues: what runs in another queue stands before what waits in the default."""
    waits, runs = make_job(), make_job(queue="mail")
    claimed(engine, slot, "mail")
    assert [row["id"] for row in read("list")] == [runs, waits]


def test_list_is_cut_and_says_so(told: Told, make_job: Make) -> None:
    made = [make_job() for _ in range(3)]
    lines = told("list", "--limit", "2", "--oldest").splitlines()
    assert [line.split()[0] for line in lines[1:3]] == made[:2]
    assert lines[3] == "These are the first 2: see --limit and --all."
    assert len(told("list", "--all").splitlines()) == 4
    assert told("list", "--state", "failed") == "No job matches.\n"


def test_list_reads_many_pages(engine: Engine, read: Read, make_job: Make) -> None:
    """Of two queues, each with more than one read returns."""
    made = {make_job(queue=f"q{number % 2}", task="a.b") for number in range(1_200)}
    assert {row["id"] for row in read("list", "--all")} == made


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--older-than", "1 year"], "'1 year' is no span of time such as 90s"),
        (["--state", "lost"], "'lost' is none of scheduled, queued, waiting, running, "),
    ],
)
def test_bad_filters_are_refused(told: Told, words: list[str], why: str) -> None:
    """And the refusal says what may be given."""
    with pytest.raises(CommandError, match=re.escape(why)):
        told("list", *words)


def test_show(engine: Engine, told: Told, read: Read, make_job: Make, slot: Slot) -> None:
    data = b'{"args":[50,"4711"],"kwargs":{"api_key":"k-1"}}'
    job_id = make_job(task=SPILL, data=data, max_attempts=2)
    job = claimed(engine, slot)
    engine.jobs.log(job_id, job.fence, "it began")
    end = RunResult(Outcome.FAILED, reason="exception", exception="a.Bad", traceback="Trace\nback")
    finish(engine, slot, job, end)
    text = told("show", job_id)
    for words in ("it began", "a.Bad", "    Trace\n    back", HIDDEN, "It is final: failed at "):
        assert words in text
    assert "4711" not in text
    assert "k-1" not in text
    found = read("show", job_id, "--secrets")
    assert (found["args"], found["kwargs"]) == ([50, "4711"], {"api_key": "k-1"})
    assert found["runs"][0]["traceback"] == "Trace\nback"


def test_show_of_what_nobody_signed(engine: Engine, read: Read, make_job: Make) -> None:
    """Its arguments are not shown."""
    job_id = make_job()
    payloads.put(engine, job_id, b"1.forged.{}")
    found = read("show", job_id)
    assert "sign" in found["args"]
    assert found["kwargs"] is None


@pytest.mark.parametrize("action", ["show", "explain"])
def test_an_unknown_job(told: Told, action: str) -> None:
    with pytest.raises(CommandError, match="There is no job"):
        told(action, new_id())


def test_explain(engine: Engine, told: Told, read: Read, make_job: Make) -> None:
    live(engine)
    job_id = make_job(due=timedelta(hours=3))
    assert told("explain", job_id).startswith("It is not due until ")
    assert len(read("explain", job_id)) == 1


def test_failures(
    engine: Engine,
    told: Told,
    read: Read,
    make_job: Make,
    slot: Slot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By task and exception, the most first; if they are not all, the last line says so."""
    for task, exception in (("a.b", "x.Bad"), ("a.b", "x.Bad"), ("a.b", "x.Worse"), ("a.c", "")):
        make_job(task=task)
        end = RunResult(Outcome.FAILED, exception=exception, traceback=f"Trace of {exception}")
        finish(engine, slot, claimed(engine, slot), end)
    found = [(row["count"], row["task"], row["exception"]) for row in read("failures")]
    assert found == [(2, "a.b", "x.Bad"), (1, "a.b", "x.Worse"), (1, "a.c", "")]
    text = told("failures", "--traceback")
    assert "    Trace of x.Worse" in text
    assert "newest" not in text
    assert [row["task"] for row in read("failures", "--task", "a.c")] == ["a.c"]
    monkeypatch.setattr(failures, "WINDOW", 1)
    last = told("failures").splitlines()[-1]
    assert last == "Of each task these are the newest 1 failed jobs."


def test_tasks(engine: Engine, told: Told, read: Read, make_job: Make, slot: Slot) -> None:
    task = "tests.project.tasks.noop"
    for end in (DONE, DONE, FAILED):
        make_job(task=task)
        finish(engine, slot, claimed(engine, slot), end)
    found = {row["task"]: row for row in read("tasks")}
    assert (found[task]["runs"], found[task]["failed"], found[task]["queue"]) == (3, 1, "default")
    assert 0 <= found[task]["run_p50"] <= found[task]["run_p95"] < 60
    assert found["tests.project.tasks.add"]["run_p50"] is None
    assert told("tasks").splitlines()[-1] == "Runs and times are of the 3 jobs that ended last."


def test_show_draws_the_workflow(engine: Engine, told: Told, read: Read) -> None:
    """The job itself is marked."""
    _, jobs = started(engine, FAN)
    lines = told("show", jobs[1].id).splitlines()
    at = lines.index("running: 0 of 4 jobs have ended, 0 without success.")
    assert lines[at + 1 :] == [
        f"      a.m1  queued  {jobs[0].id}",
        f"*     a.m2  queued  {jobs[1].id}",
        f"      a.m3  queued  {jobs[2].id}",
        f"  a.m4  waiting  {jobs[3].id}",
    ]
    found = read("show", jobs[1].id)["workflow"]
    assert (found["state"], found["members"], found["own"]) == ("running", 4, 2)
    assert [line["id"] for line in found["children"]] == [jobs[3].id]
