"""What a caller of enqueue() gets, and what is stored."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from django_jobqueue import Exponential, compat, task
from django_jobqueue.compat import TaskResultStatus
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.exceptions import PayloadTooLarge, QueueUnavailable
from django_jobqueue.jobs.job import Job, is_id
from django_jobqueue.jobs.payload import load_call
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome, State
from django_jobqueue.signals import enqueue_failed
from django_jobqueue.task import as_task
from tests.project import tasks
from tests.project.settings import OPTIONS, TASKS


def with_options(**options: object) -> override_settings:
    params = TASKS["default"] | {"OPTIONS": OPTIONS | options}
    return override_settings(TASKS={"default": params})


def test_returns_a_ready_result(engine: Engine) -> None:
    """Id, states, time and arguments are those of the stored job."""
    result = tasks.echo.enqueue(1, b=(2, 3))
    job = engine.inspector.job(result.id)
    assert is_id(result.id)
    assert (result.status, result.state) == (TaskResultStatus.READY, State.QUEUED)
    assert (result.args, result.kwargs) == ([1], {"b": [2, 3]})
    assert result.enqueued_at == datetime.fromtimestamp(job.enqueued_at / 1000, UTC)
    assert job.task == "tests.project.tasks.echo"
    data = engine.signer.verify(job.id, job.task, job.payload or b"")
    assert load_call(data) == ([1], {"b": [2, 3]}, {})
    assert tasks.echo.get_result(result.id) == result


def test_only_what_differs_from_the_defaults_is_stored(engine: Engine) -> None:
    """max_attempts and max_recoveries stand in the record when they are not 1 and 2."""
    plain = engine.inspector.job(tasks.noop.enqueue().id)
    using = tasks.noop.using(max_attempts=5, max_recoveries=0, priority=7, queue_name="mail")
    special = engine.inspector.job(using.enqueue().id)
    key = engine.client.keys("job", plain.id)
    stored = [b"queue", b"state", b"task", b"enqueued_at", b"payload"]
    assert engine.client.redis.hkeys(key) == stored
    assert (special.max_attempts, special.max_recoveries) == (5, 0)
    assert (special.priority, special.queue) == (7, "mail")


def test_aenqueue_stores_too(engine: Engine) -> None:
    """The asynchronous form gives the same result."""
    result = asyncio.run(tasks.add.aenqueue(1, 2))
    assert tasks.add.get_result(result.id).args == [1, 2]


def test_a_delay_counts_from_the_servers_now(engine: Engine) -> None:
    """A timedelta is added by the server; a datetime is taken as it is."""
    at = timezone.now() + timedelta(hours=1)
    by_delay = tasks.noop.using(run_after=timedelta(seconds=90)).enqueue()
    by_time = tasks.noop.using(run_after=at).enqueue()
    job = engine.inspector.job(by_delay.id)
    assert by_delay.state == job.state == State.SCHEDULED
    assert job.due_at == job.enqueued_at + 90_000
    assert engine.inspector.job(by_time.id).due_at == int(at.timestamp() * 1000)
    assert by_time.status == TaskResultStatus.READY


def test_naive_times_only_without_use_tz(engine: Engine) -> None:
    """With USE_TZ a naive datetime is refused; without it results are naive."""
    naive = datetime.now() + timedelta(hours=1)
    with pytest.raises(compat.InvalidTask, match="aware datetime"):
        tasks.noop.using(run_after=naive)
    with override_settings(USE_TZ=False):
        result = tasks.noop.using(run_after=naive).enqueue()
        assert result.enqueued_at is not None
        assert result.enqueued_at.tzinfo is None
    assert engine.inspector.job(result.id).due_at == int(naive.timestamp() * 1000)


def test_enqueue_many_keeps_the_order_over_chunks(engine: Engine) -> None:
    """1,100 calls are stored in three round trips, first come first served."""
    results = tasks.add.enqueue_many([(n, n) for n in range(1100)])
    page = engine.inspector.page(State.QUEUED, 0, 1100, queues=["default"], newest_first=False)
    assert [job.id for job in page] == [result.id for result in results]
    assert tasks.add.enqueue_many([]) == []


def test_results_of_many_are_like_a_list(engine: Engine) -> None:
    """Each is made once, when it is looked at."""
    results: Any = tasks.add.enqueue_many([(n, n) for n in range(4)])
    made = list(results)
    ids = [result.id for result in made]
    assert (len(results), len(set(ids))) == (4, 4)
    assert [result.args for result in made] == [[n, n] for n in range(4)]
    assert all(result.enqueued_at is not None for result in made)
    assert results[1] is made[1]
    assert results[-1] is made[3]
    assert results[1:3] == made[1:3]
    assert results[2] in results
    assert list(reversed(results)) == made[::-1]
    assert results == made
    assert made == results
    assert results != made[:3]
    assert results != ids[0]
    assert [*results, *made] == results + made == made + results
    assert repr(results) == repr(made)
    with pytest.raises(IndexError):
        results[4]
    with pytest.raises(TypeError):
        hash(results)


def test_task_is_validated_once_and_again_after_new_settings(engine: Engine, settings) -> None:
    """A second enqueue takes nothing for granted that the settings decide."""
    tasks.add.enqueue(1, 2)
    tasks.add.enqueue(1, 2)
    entry = settings.TASKS["default"]
    settings.TASKS = settings.TASKS | {"default": entry | {"QUEUES": ["other"]}}
    with pytest.raises(compat.InvalidTask, match="default"):
        tasks.add.enqueue(1, 2)


def test_enqueue_many_checks_all_calls_before_the_first_is_stored(engine: Engine) -> None:
    """One bad call, and nothing is stored; the message tells which."""
    with pytest.raises(TypeError, match="positional argument 2"):
        tasks.add.enqueue_many([(1, 2), (1, object())])
    with pytest.raises(TypeError, match=r"call 2 of enqueue_many is of type int: .*\(5,\)"):
        tasks.add.enqueue_many([(1, 2), 7])  # type: ignore[list-item]
    assert engine.inspector.count(State.QUEUED) == 0


def test_bad_arguments_store_nothing(engine: Engine) -> None:
    """The error names the argument and says what to pass."""
    with pytest.raises(TypeError, match=r"argument 'when'.*isoformat"):
        tasks.echo.enqueue(when=timezone.now())
    with pytest.raises(PayloadTooLarge, match="65536 allowed"):
        tasks.echo.enqueue("x" * 70_000)
    with with_options(MAX_PAYLOAD=50), pytest.raises(PayloadTooLarge, match="50 allowed"):
        tasks.echo.enqueue("x" * 60)
    assert engine.inspector.count(State.QUEUED) == 0


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "ü", "a:b", "{a}"])
def test_a_bad_queue_name_is_refused(name: str) -> None:
    """Without QUEUES any valid name works, and no other."""
    with pytest.raises(compat.InvalidTask, match="use 1 to 64 letters"):
        tasks.noop.using(queue_name=name)


def test_queues_of_the_settings_are_the_only_ones(engine: Engine) -> None:
    """With QUEUES, an unknown queue is refused at the call."""
    mail = tasks.noop.using(queue_name="mail")
    params = TASKS["default"] | {"QUEUES": ["default"]}
    with override_settings(TASKS={"default": params}):
        with pytest.raises(compat.InvalidTask, match="Queue 'mail' is not valid"):
            mail.enqueue()
        with pytest.raises(compat.InvalidTask, match="Queue 'mail' is not valid"):
            mail.enqueue_many([()])


def test_a_function_without_the_decorator_is_refused() -> None:
    """The backend says what to do."""
    with pytest.raises(compat.InvalidTask, match="is no task: decorate the function with @task"):
        tasks.noop.get_backend().enqueue(tasks.note, (), {})


def test_functions_that_no_worker_could_find_are_refused() -> None:
    """Nested functions and lambdas are no tasks."""

    def nested() -> None: ...

    for function in (nested, lambda: None):
        with pytest.raises(compat.InvalidTask, match="module level"):
            task(function)
    with pytest.raises(TypeError, match="no option 'retries'"):
        task(retries=3)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="belongs to a call"):
        task(run_after=timedelta(1))  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_attempts": 0}, "max_attempts=0 must be a whole number from 1"),
        ({"max_attempts": True}, "max_attempts=True"),
        ({"max_recoveries": -1}, "max_recoveries=-1"),
        ({"backoff": "soon"}, "give seconds"),
        ({"backoff": []}, "give seconds"),
        ({"backoff": -1}, "between 0 s and 86400 s"),
        ({"retry_for": "ValueError"}, "must be exception classes"),
        ({"sensitive": "token"}, "must be names, such as"),
        ({"sensitive": ["token", 5]}, "must be names, such as"),
        ({"sensitive": None}, "sensitive=None must be names, such as"),
        ({"retry_for": None}, "retry_for=None must be exception classes"),
        ({"timeout": 10**400}, "must be seconds above 0 or a timedelta, at most a year"),
        ({"priority": 101}, "priority must be a whole number"),
        ({"priority": float("nan")}, "priority=nan must be a whole number"),
        ({"priority": True}, "priority=True must be a whole number"),
        ({"priority": "high"}, "priority='high' must be a whole number"),
        ({"queue_name": None}, "queue_name=None must be a string"),
    ],
)
def test_bad_task_options_are_refused(options: dict[str, object], message: str) -> None:
    """The definition fails, naming the value."""
    with pytest.raises(compat.InvalidTask, match=message):
        task(**options)(tasks.noop.func)  # type: ignore[call-overload]


def test_kill_grace_may_be_a_timedelta() -> None:
    """As `timeout` may; the worker counts in seconds."""
    hurried = task(kill_grace=timedelta(seconds=2), timeout=30)(tasks.echo.func)
    assert hurried.kill_grace == 2.0


def test_a_run_after_of_another_type_is_refused() -> None:
    with pytest.raises(compat.InvalidTask, match="run_after=5 must be a datetime or a timedelta"):
        tasks.noop.using(run_after=5)  # type: ignore[arg-type]


def test_unreachable_redis_is_told_to_the_caller() -> None:
    """Outside a transaction the error comes out of enqueue(), without the password."""
    with (
        with_options(URL="redis://:geheim@127.0.0.1:9/1"),
        pytest.raises(QueueUnavailable, match=r"127\.0\.0\.1:9, database 1") as caught,
    ):
        tasks.noop.enqueue()
    assert "geheim" not in str(caught.value)


def test_a_task_is_still_any_old_function() -> None:
    """Calling it runs it, here and now."""
    assert tasks.add(1, 2) == 3
    assert tasks.add.call(1, 2) == 3
    assert asyncio.run(tasks.aecho({"a": 1})) == {"a": 1}


def test_using_refuses_what_the_worker_reads_in_the_definition() -> None:
    """A backoff of one call would be lost on the way: it is no option of using()."""
    with pytest.raises(TypeError, match="backoff"):
        tasks.noop.using(backoff=Exponential())  # type: ignore[arg-type]


def test_a_plain_django_task_uses_the_defaults(engine: Engine) -> None:
    """A function of Django's own decorator is enqueued at once and tried once."""
    from tests.project import plain  # noqa: PLC0415 - made with the backend of these settings

    ours = as_task(plain.plain)
    assert ours.enqueue().max_attempts == 1
    assert ours.on_commit is None


def test_the_signal_is_sent_after_the_job_was_stored(engine: Engine) -> None:
    """task_enqueued carries the result with its time."""
    seen = []

    def receive(sender: type, task_result: object, **_: object) -> None:
        seen.append((sender.__name__, task_result))
        raise RuntimeError("a receiver's error is not the caller's")

    compat.signals.task_enqueued.connect(receive)
    try:
        result = tasks.noop.enqueue()
    finally:
        compat.signals.task_enqueued.disconnect(receive)
    assert seen == [("JobQueueBackend", result)]


def test_ids_that_lead_nowhere(engine: Engine) -> None:
    """Malformed, unknown: TaskResultDoesNotExist; of another task: TaskResultMismatch."""
    for wrong in ("", "123", "x" * 36, "01a1fbb6-b707-7b13-afd7-214af9ddd801"):
        with pytest.raises(compat.TaskResultDoesNotExist):
            tasks.noop.get_result(wrong)
    with pytest.raises(compat.TaskResultDoesNotExist):
        tasks.noop.get_result("01a1fbb6-b707-7b13-afd7-214af9ddd800")
    with pytest.raises(compat.TaskResultMismatch):
        tasks.noop.get_result(tasks.add.enqueue(1, 2).id)


def test_a_result_whose_task_is_gone_is_a_mismatch(engine: Engine, make_job) -> None:
    """The message names the path; the inspector still shows the job."""
    job_id = make_job(task="tests.project.tasks.gone")
    with pytest.raises(compat.TaskResultMismatch, match=r"tests\.project\.tasks\.gone"):
        tasks.noop.get_result(job_id)
    assert engine.inspector.job(job_id).task == "tests.project.tasks.gone"


@pytest.mark.parametrize("value", [b"\xff", b"[1", b"[" * 100_000])
def test_a_return_value_that_can_not_be_read_is_a_mismatch(
    engine: Engine, slot: Slot, value: bytes
) -> None:
    """A page that shows results gets the error that it expects."""
    job_id = tasks.add.enqueue(1, 2).id
    job = engine.claims.claim(slot, ["default"])
    assert isinstance(job, Job)
    engine.claims.finish(slot, job, RunResult(Outcome.SUCCEEDED, value=value), [])
    with pytest.raises(compat.TaskResultMismatch, match=job_id):
        tasks.add.get_result(job_id)


def test_malformed_ids_cost_no_round_trip() -> None:
    """Even without a server, a malformed id is simply unknown."""
    with (
        with_options(URL="unix:///nowhere/redis.sock"),
        pytest.raises(compat.TaskResultDoesNotExist),
    ):
        tasks.noop.get_result("nonsense")


def test_enqueue_failed_is_not_sent_outside_a_transaction() -> None:
    """There the caller has the exception."""
    seen: list[object] = []
    enqueue_failed.connect(receiver := lambda **given: seen.append(given))
    with with_options(URL="unix:///nowhere/redis.sock"), pytest.raises(QueueUnavailable):
        tasks.noop.enqueue()
    enqueue_failed.disconnect(receiver)
    assert seen == []
