"""`explain` says why a job is not running: each situation, in the live state."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from django_jobqueue.diagnosis.explanation import explain
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome
from tests.project.tasks import add
from tests.support.clock import Clock
from tests.support.places import DONE, Make, claimed, finish


def said(engine: Engine, job_id: str) -> str:
    return " ".join(explain(engine, job_id))


def live(engine: Engine, name: str = "w9", **given: object) -> None:
    """Let a worker tell of itself, as its supervisor does."""
    record: dict[str, Any] = {
        "host": "mill",
        "pid": 1,
        "processes": 1,
        "threads": 1,
        "started_at": 1,
        "queues": "",
    }
    engine.leases.renew(name, record | given)


def test_not_due_until(engine: Engine, make_job: Make) -> None:
    live(engine)
    text = said(engine, make_job(due=timedelta(hours=2)))
    assert re.fullmatch(r"It is not due until .+ \(in (1 h 59|2 h 0) min\)\.", text), text


def test_due_and_nobody_moves_it(engine: Engine, make_job: Make, clock: Clock) -> None:
    clock.move(-60)
    job_id = make_job(due=timedelta(seconds=1))
    text = said(engine, job_id)
    assert "no worker or scheduler has moved it to its queue. No worker is alive" in text


def test_to_be_tried_again(engine: Engine, make_job: Make, slot: Slot) -> None:
    live(engine)
    job_id = make_job(max_attempts=3)
    engine.claims.finish(
        slot, claimed(engine, slot), RunResult(Outcome.RETRIED, delay_ms=90_000), []
    )
    text = said(engine, job_id)
    assert text.startswith("Attempt 1 of 3 failed, and it is to be tried again. It is not due")


def test_paused_by_whom_and_since_when(engine: Engine, make_job: Make, clock: Clock) -> None:
    job_id = make_job(queue="mail")
    clock.move(-120)
    engine.queues.pause("mail", by="anna")
    clock.move(120)
    live(engine)
    text = said(engine, job_id)
    assert re.match(r"The queue mail was paused by anna at .+ \(2 min 0 s ago\)\. ", text), text
    assert "It is the next of its queue." in text


def test_paused_by_a_program(engine: Engine, make_job: Make) -> None:
    job_id = make_job()
    engine.queues.pause("default")
    assert said(engine, job_id).startswith("The queue default was paused at ")


@pytest.mark.parametrize(
    ("workers", "words"),
    [
        ([], "No worker is alive: start manage.py jobworker."),
        ([{"queues": "mail"}], "listens to the queue default: 1 worker serves others."),
        ([{"queues": "mail"}, {"queues": "a b"}], "default: 2 workers serve others."),
        ([{"stopping": 1}], "No worker is alive"),
    ],
)
def test_nobody_listens(
    engine: Engine, make_job: Make, workers: list[dict[str, Any]], words: str
) -> None:
    for number, given in enumerate(workers):
        live(engine, f"w{number}", **given)
    assert words in said(engine, make_job())


def test_a_worker_that_is_gone_does_not_listen(
    engine: Engine, make_job: Make, clock: Clock
) -> None:
    job_id = make_job()
    live(engine)
    assert "No worker" not in said(engine, job_id)
    clock.move(-60)
    live(engine)
    assert "No worker is alive" in said(engine, job_id)


@pytest.mark.parametrize("queues", ["", "mail default", "mail *"])
def test_a_worker_listens(engine: Engine, make_job: Make, queues: str) -> None:
    live(engine, queues=queues)
    assert said(engine, make_job()) == "It is the next of its queue."


def test_jobs_ahead_at_the_current_rate(
    engine: Engine, make_job: Make, slot: Slot, clock: Clock
) -> None:
    """A thousand runs ended three minutes ago, so that nobody needs to know the second of now."""
    live(engine)
    clock.move(-180)
    for _ in range(100):
        make_job()
        finish(engine, slot, claimed(engine, slot))
    ids = [make_job() for _ in range(1_001)]
    text = said(engine, ids[9])
    found = re.fullmatch(
        r"9 jobs of its queue are ahead of it\. At the current rate, (\d+) per minute, it starts "
        r"in about (\d+) s\.",
        text,
    )
    assert found, text  # of 100 in 5 to 6 minutes, 17 to 20 are of one, and ten take 30 to 36 s
    assert 17 <= int(found[1]) <= 20
    assert 30 <= int(found[2]) <= 36
    assert said(engine, ids[-1]).startswith("1,000 jobs of its queue are ahead of it.")


def test_nobody_knows_the_rate(engine: Engine, make_job: Make, slot: Slot, clock: Clock) -> None:
    """The last run ended too long ago."""
    live(engine)
    clock.move(-600)
    make_job()
    finish(engine, slot, claimed(engine, slot))
    ids = [make_job() for _ in range(2)]
    assert said(engine, ids[1]) == (
        "1 job of its queue is ahead of it. No run of its queue has ended in the last 5 minutes, "
        "so nobody knows when it starts."
    )


def test_all_slots_are_busy(engine: Engine, make_job: Make) -> None:
    live(engine, "worker-1", threads=2)
    for slot in ("0.0", "0.1"):
        make_job()
        claimed(engine, Slot("worker-1", slot))
    assert "All 2 slots that serve its queue are busy." in said(engine, make_job())


def test_task_unknown_to_the_worker(engine: Engine, make_job: Make, slot: Slot) -> None:
    live(engine)
    job_id = make_job(task="gone.task")
    end = RunResult(Outcome.RELEASED, reason="task_unknown", delay_ms=30_000)
    engine.claims.finish(slot, claimed(engine, slot), end, [])
    text = said(engine, job_id)
    assert text.startswith("Its task gone.task is unknown to the worker that claimed it last")
    assert re.search(r"no worker knows the task by .+ \(in (59 min|1 h).*?\)\. It is not due", text)


def test_it_runs_now(engine: Engine, make_job: Make, slot: Slot) -> None:
    live(engine, "worker-1")
    job_id = make_job(max_attempts=2)
    claimed(engine, slot)
    text = said(engine, job_id)
    assert re.fullmatch(
        r"It runs now on worker-1, since .+ \(.+ ago\) \(attempt 1 of 2\)\.", text
    ), text
    engine.jobs.cancel(job_id)
    assert "Somebody has cancelled it" in said(engine, job_id)


def test_its_worker_is_not_seen(engine: Engine, make_job: Make, slot: Slot, clock: Clock) -> None:
    job_id = make_job()
    clock.move(-27)
    live(engine, "worker-1")
    claimed(engine, slot)
    assert "Its worker is not seen any more. It is lost when its lease ends" in said(engine, job_id)


def test_its_lease_ended(engine: Engine, make_job: Make, slot: Slot, clock: Clock) -> None:
    job_id, last = make_job(), make_job(max_recoveries=0)
    clock.move(-40)
    claimed(engine, slot)
    claimed(engine, Slot("worker-1", "0.1"))
    clock.move(40)
    text = said(engine, job_id)
    assert re.match(r"Its lease ended at .+ \(1\d s ago\): its worker worker-1 is gone", text)
    assert "It awaits the reaper of a worker, which puts it back into its queue. No worker" in text
    live(engine)
    assert "which fails it: it was lost too often." in said(engine, last)
    assert "No worker" not in said(engine, last)


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_final(engine: Engine, make_job: Make, slot: Slot, state: str) -> None:
    job_id = make_job()
    if state == "cancelled":
        engine.jobs.cancel(job_id)
    else:
        end = DONE if state == "succeeded" else RunResult(Outcome.FAILED, reason="exception")
        engine.claims.finish(slot, claimed(engine, slot), end, [])
    text = said(engine, job_id)
    assert text.startswith(f"It is final: {state} at ")
    because = {"failed": "because the task raised an exception.", "cancelled": "cancelled by hand."}
    assert text.endswith(because.get(state, "ago)."))


def test_it_takes_two_round_trips(engine: Engine, make_job: Make, monkeypatch: Any) -> None:
    for number in range(30):
        live(engine, f"w{number}")
    job_id, trips = make_job(), list[Any]()
    send = engine.client.sockets.send

    def counting(data: bytes) -> Any:
        trips.append(data)
        return send(data)

    monkeypatch.setattr(engine.client.sockets, "send", counting)
    explain(engine, job_id)
    assert len(trips) == 2


@pytest.mark.django_db(transaction=True)
def test_it_waits_for_its_commit(engine: Engine) -> None:
    live(engine)
    with transaction.atomic():
        result = add.enqueue(1, 2)
        assert result.explain() == [
            "It waits for the commit of its transaction, and is stored then."
        ]
    assert result.explain() == ["It is the next of its queue."]
    with transaction.atomic():
        dropped = add.enqueue(1, 2)
        transaction.set_rollback(True)
    assert "never stored" in dropped.explain()[0]
