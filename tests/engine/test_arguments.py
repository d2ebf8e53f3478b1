"""What another client may get wrong: each script names the word, and changes nothing."""

from typing import Any

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.exceptions import QueueUnavailable
from tests.support.places import Make, claimed, everything

JOB: list[Any] = ["0190a5b2-7c3d-7abc-8def-000000000100", "default", "a.b", 0, "", b"payload", 0]
FINISH: dict[str, Any] = {
    "outcome": "succeeded",
    "result": "",
    "reason": "",
    "error": "-",
    "delay": 0,
    "cached": "",
    "keep": "",
    "untold": 0,
    "settled": "",
    "signed": "",
    "worker": "worker-1",
    "slot": "0.0",
    "nonce": "0000000000000000009000000000000",
    "lease": 30_000,
}
CLAIM = {name: FINISH[name] for name in ("worker", "slot", "nonce", "lease")}


def job(at: int, word: object) -> list[Any]:
    return [*JOB[:at], word, *JOB[at + 1 :]]


SETTLE = {"id": JOB[0], "round": 1, "state": "failed", "result": "", "reason": ""}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (job(0, "x"), 'id is "x"; it must be a UUID of 36 characters'),
        (job(0, "g190a5b2-7c3d-7abc-8def-000000000100"), "id is"),
        (job(1, "my queue"), 'queue is "my queue"; it must be 1 to 64 of the characters'),
        (job(1, ""), 'queue is ""'),
        (job(1, "q" * 65), "queue is"),
        (job(2, "a b"), 'task is "a b"'),
        (job(3, "high"), 'priority is "high"; it must be a whole number from -100 to 100'),
        (job(3, 101), 'priority is "101"'),
        (job(4, "2026-11-27T10:00:00Z"), 'due is "2026-11-27T10:00:00Z"; it must be empty, ms, or'),
        (job(4, "-5"), 'due is "-5"'),
        (job(6, 1), "number of further words"),
        (job(6, 2), "number of further words"),
        (job(6, "two"), "number of further words"),
        (JOB[:4], "number of further words"),
        ([*JOB, *job(1, "\n")], 'queue is "?"'),
    ],
)
def test_job_that_is_wrong_is_refused_with_all_of_its_call(
    engine: Engine, words: list[Any], says: str
) -> None:
    before = everything(engine)
    other = job(0, "0190a5b2-7c3d-7abc-8def-000000000200")
    with pytest.raises(QueueUnavailable) as caught:
        engine.client.run("enqueue", [*other, *words])
    assert says in str(caught.value)
    assert everything(engine) == before


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"outcome": "success"}, 'outcome is "success"; it must be succeeded, failed, cancelled'),
        ({"outcome": ""}, 'outcome is ""'),
        ({"outcome": "released", "delay": ""}, 'delay is ""; it must be a whole number'),
        ({"outcome": "retried", "delay": "1.5"}, 'delay is "1.5"'),
        ({"outcome": "retried", "delay": "1e3"}, 'delay is "1e3"'),
        ({"outcome": "failed", "error": "Value Error"}, 'error is "Value Error"'),
        ({"lease": "30s"}, 'lease is "30s"'),
        ({"worker": "my worker"}, 'worker is "my worker"; it must be a word without white space'),
        ({"slot": ""}, 'slot is ""'),
        ({"nonce": "a b"}, 'nonce is "a b"'),
    ],
)
def test_finish_that_is_wrong_ends_no_run(
    engine: Engine, slot: Slot, make_job: Make, given: dict[str, Any], says: str
) -> None:
    make_job()
    run = claimed(engine, slot)
    before = everything(engine)
    with pytest.raises(QueueUnavailable) as caught:
        engine.client.run("finish", ["default"], id=run.id, fence=run.fence, **FINISH | given)
    assert says in str(caught.value)
    assert everything(engine) == before


@pytest.mark.parametrize(
    ("script", "rest", "given", "says"),
    [
        ("claim", ["default"], CLAIM | {"lease": "long"}, 'lease is "long"'),
        ("claim", ["default"], CLAIM | {"nonce": ""}, 'nonce is ""'),
        ("claim", [], CLAIM, "queues is"),
        ("renew", ["pid"], {"worker": "w", "lease": 1}, "info is"),
        ("renew", [], {"worker": "a b", "lease": 1}, 'worker is "a b"'),
        ("cancel", [], {"id": JOB[0], "reason": "a b"}, 'reason is "a b"'),
        ("requeue", [], {"id": JOB[0], "nonce": "", "round": ""}, 'nonce is ""'),
        ("requeue", [], {"id": JOB[0], "nonce": "n", "round": "one"}, 'round is "one"'),
        ("settle", [], SETTLE | {"round": ""}, 'round is ""'),
        ("settle", [], SETTLE | {"state": "queued"}, 'state is "queued"'),
        ("promote", [], {"limit": "all"}, 'limit is "all"'),
        ("trim", ["queued", 1, 1], {"first": "", "limit": 1, "interval": 0}, 'keep is "queued"'),
        ("trim", ["failed", "1d", 1], {"first": "", "limit": 1, "interval": 0}, 'keep is "1d"'),
        ("fire", JOB, {"name": "n", "rule": "r", "nominal": "now", "overlap": "skip"}, "nominal"),
        ("fire", JOB, {"name": "n", "rule": "r", "nominal": 1, "overlap": "queue"}, "overlap is"),
        ("refresh_cached", JOB, {"digest": "d", "seen": "", "keep": "day"}, 'keep is "day"'),
        ("register_schedules", ["n"], {"scheduler": "s"}, "schedules is"),
    ],
)
def test_wrong_word_is_named(
    engine: Engine,
    make_job: Make,
    script: str,
    rest: list[Any],
    given: dict[str, Any],
    says: str,
) -> None:
    make_job()
    before = everything(engine)
    with pytest.raises(QueueUnavailable) as caught:
        engine.client.run(script, rest, **given)
    assert says in str(caught.value)
    assert everything(engine) == before
