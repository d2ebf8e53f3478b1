"""One job → one outcome, without Redis."""

import json
import logging
import re
import sys
from dataclasses import replace

import pytest

from django_jobqueue import compat
from django_jobqueue.jobs.redaction import MAX_TRACEBACK
from django_jobqueue.jobs.run import Run
from django_jobqueue.jobs.states import State
from tests.worker.execution import claimed, ended, executor, run


def test_a_value_is_kept_as_json() -> None:
    """None is stored as nothing."""
    assert run(claimed("echo", b'{"args":[1],"kwargs":{"b":[]}}')).result.value == (
        b'[[1],{"b":[]}]'
    )
    outcome = run(claimed("noop"))
    assert (outcome.result.outcome, outcome.result.value) == ("succeeded", b"")


@pytest.mark.parametrize(
    ("name", "exception"),
    [
        ("fail", "builtins.ValueError"),
        ("exit_process", "builtins.SystemExit"),
        ("unstorable", "builtins.TypeError"),
    ],
)
def test_any_exception_is_a_failure_with_its_traceback(name: str, exception: str) -> None:
    """Also SystemExit, and a value that JSON does not have."""
    settled = run(claimed(name)).result
    assert (settled.outcome, settled.reason, settled.exception) == (
        "failed",
        "exception",
        exception,
    )
    assert settled.traceback.startswith("Traceback")


@pytest.mark.parametrize("name", ["unstorable", "too_large"])
def test_value_that_can_not_be_stored_fails_at_once(name: str) -> None:
    """The work is done: a second run would do it again and return the same."""
    settled = run(claimed(name, max_attempts=5)).result
    assert settled.outcome == "failed"
    assert re.search("return a string, a number|the return value: 300002 bytes", settled.traceback)


def test_wrong_arguments_fail_the_job() -> None:
    """A call that does not fit the function is a TypeError of the job."""
    settled = run(claimed("add", b'{"args":[1,2,3],"kwargs":{}}')).result
    assert settled.exception == "builtins.TypeError"


def test_attempts_are_retried_while_there_are_any() -> None:
    """The delay is the task's backoff; the last attempt fails."""
    first = run(claimed("fail_twice", b'{"args":["/nowhere/x"],"kwargs":{}}', max_attempts=3))
    assert (first.result.outcome, first.result.delay_ms) == ("retried", 50)
    last = claimed("fail_twice", b'{"args":["/nowhere/x"],"kwargs":{}}', max_attempts=3, attempts=2)
    assert run(last).result.outcome == "failed"
    assert run(claimed("fail_for_good", max_attempts=3)).result.outcome == "failed"


@pytest.mark.parametrize(
    ("kinds", "outcome", "delay"),
    [
        (["retry"], "retried", 7000),
        (["other", "retry"], "retried", 7000),
        (["retry", "cancel"], "cancelled", 0),
        (["network"], "retried", 50),
        (["network", "other"], "failed", 0),
    ],
)
def test_group_of_exceptions_is_what_it_holds(kinds: list[str], outcome: str, delay: int) -> None:
    """Retry, Cancel, or the only exception that a TaskGroup raises decides, as if raised alone."""
    data = json.dumps({"args": [kinds], "kwargs": {}}).encode()
    result = run(claimed("in_a_group", data, max_attempts=2)).result
    assert (result.outcome, result.delay_ms) == (outcome, delay)


def test_retry_and_cancel_are_obeyed() -> None:
    """Retry runs again even without attempts left; Cancel ends the job."""
    retried = run(claimed("ask_for_retry")).result
    assert (retried.outcome, retried.delay_ms) == ("retried", 50)
    assert run(claimed("cancel_itself")).result.outcome == "cancelled"


def test_a_retry_of_a_class_of_ones_own_is_one() -> None:
    """Also if its __init__ forgets that of Retry: it takes the task's backoff."""
    settled = run(claimed("ask_in_own_words", max_attempts=1)).result
    assert (settled.outcome, settled.delay_ms) == ("retried", 50)


@pytest.mark.parametrize(
    "payload",
    [None, b"", b"1.abc", b'2.x.{"args":[],"kwargs":{}}', b'1.forged.{"args":[],"kwargs":{}}'],
)
def test_what_is_not_signed_is_not_run(payload: bytes | None) -> None:
    """A lost or forged payload fails the job, and the task is not reached."""
    outcome = run(claimed("kill_own_process", payload=payload))
    assert outcome.result.outcome == "failed"
    assert outcome.result.reason in {"bad_signature", "damaged"}
    assert outcome.task is None


def test_a_payload_of_another_job_or_task_is_not_run() -> None:
    """The signature binds id and task."""
    own = claimed("noop")
    other_task = replace(claimed("add"), payload=own.payload, id=own.id)
    assert run(other_task).result.reason == "bad_signature"
    assert run(claimed("noop", payload=own.payload)).result.reason == "bad_signature"


def test_signed_nonsense_is_damage() -> None:
    """JSON of another shape fails the job with the reason."""
    for data in (b"nonsense", b"7", b'{"args":{}}', b"\xff"):
        assert run(claimed("noop", data)).result.reason == "damaged"


def test_an_unsigned_path_is_never_imported() -> None:
    """Only after the signature has been verified is a module looked up."""
    job = claimed("x", path="tests.project.trap.task", payload=b"1.x.{}")
    assert run(job).result.reason == "bad_signature"
    assert "tests.project.trap" not in sys.modules


@pytest.mark.parametrize(
    "path", ["tests.project.tasks.gone", "no.such.module", "os.system", "tests.project.tasks.note"]
)
def test_an_unknown_task_is_held_then_failed(path: str) -> None:
    """30 s, growing to 10 minutes, until the grace of an hour is over; no attempt is used."""
    now = 10_000_000
    held = run(claimed("", path=path, attempted_at=now)).result
    assert (held.outcome, held.reason, held.delay_ms) == ("released", "task_unknown", 30_000)
    later = run(claimed("", path=path, attempted_at=now, held_since=now - 1_200_000)).result
    assert later.delay_ms == 600_000
    failed = run(claimed("", path=path, attempted_at=now, held_since=now - 3_600_000)).result
    assert (failed.outcome, failed.reason) == ("failed", "task_unknown")
    assert path in failed.traceback


def test_a_long_traceback_keeps_its_end() -> None:
    """At most 16 KiB, with the message at the end."""
    data = b'{"args":["' + b"x" * 20_000 + b' the end"],"kwargs":{}}'
    text = run(claimed("fail", data)).result.traceback
    assert len(text.encode()) <= MAX_TRACEBACK
    assert text.startswith("[…]")
    assert text.endswith("the end\n")


def test_a_large_result_fails_the_job() -> None:
    """The message names both sizes."""
    data = b'{"args":["' + b"x" * 300_000 + b'"],"kwargs":{}}'
    settled = run(claimed("echo", data)).result
    assert settled.exception == "django_jobqueue.exceptions.PayloadTooLarge"
    assert "262144 allowed" in settled.traceback


def test_the_context_knows_attempt_and_id() -> None:
    """Earlier runs that counted are counted; recovered ones are not."""
    job = claimed("attempt_of")
    assert run(job).result.value == f'[1,"{job.id}",""]'.encode()
    record = Run(
        attempt=1,
        fence="1-a",
        worker="other",
        started_at=1,
        finished_at=2,
        outcome="retried",
        exception="builtins.ValueError",
        traceback="…",
    )
    runs = (record, replace(record, outcome="recovered", exception=""))
    outcome = run(replace(job, attempts=1, runs=runs))
    assert outcome.result.value == f'[2,"{job.id}",""]'.encode()
    result = ended(outcome)
    assert result.worker_ids == ["other", "worker"]
    assert len(result.errors) == 1


def test_signals_come_in_order_and_their_errors_are_not_the_jobs() -> None:
    """task_finished has the exception in sys.exc_info(), after the store accepted."""
    seen: list[object] = []

    def started(sender: type, **_: object) -> None:
        seen.append(sender.__name__)
        raise RuntimeError("a receiver's own error")

    def finished(sender: type, task_result: compat.TaskResult, **_: object) -> None:
        seen.append((task_result.status, sys.exc_info()[0]))

    compat.signals.task_started.connect(started)
    compat.signals.task_finished.connect(finished)
    try:
        outcome = run(claimed("fail"))
        assert seen == ["JobQueueBackend"]
        executor.send_signals(outcome, 3_000_000)
    finally:
        compat.signals.task_started.disconnect(started)
        compat.signals.task_finished.disconnect(finished)
    assert seen[1] == (compat.TaskResultStatus.FAILED, ValueError)
    result = ended(outcome)
    assert result.state == State.FAILED
    assert [error.exception_class for error in result.errors] == [ValueError]


def test_the_framework_itself_listens_once_to_each_signal() -> None:
    """So that one receiver more is one of the project's; see compat.is_heard."""
    for name in ("task_enqueued", "task_started", "task_finished"):
        signal = getattr(compat.signals, name)
        assert len(signal.receivers) == compat.OWN_RECEIVERS
        assert compat.is_heard(signal, logging.CRITICAL)
        framework = logging.getLogger(signal.receivers[0][1]().__module__.rpartition(".")[0])
        before, framework.disabled = framework.disabled, True
        assert not compat.is_heard(signal, logging.CRITICAL)
        framework.disabled = before


@pytest.mark.parametrize("seconds", [b"-1", b"1e99", b"31622401"])
def test_an_impossible_delay_fails_the_job(seconds: bytes) -> None:
    """Retry refuses it where the task can see it."""
    settled = run(claimed("retry_after", b'{"args":[%b],"kwargs":{}}' % seconds)).result
    assert (settled.outcome, settled.exception) == ("failed", "builtins.ValueError")
