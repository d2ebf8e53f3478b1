"""Tasks that show what middleware, metadata and a backoff of one's own do."""

from datetime import timedelta
from typing import Any

from django_jobqueue import JobContext, Retry, task
from tests.project.middleware import seen, tenant


@task
def whose() -> str:
    return tenant.get()


@task
async def awhose() -> str:
    return tenant.get()


@task
def breaks() -> None:
    raise ValueError("broken")


@task(max_attempts=2, backoff=0)
def breaks_twice() -> None:
    raise ValueError("broken")


@task
def ordinary() -> str:
    seen.append("function")
    return "done"


@task(takes_context=True, metadata={"kind": "report", "tenant": "of the task"})
def given(context: JobContext) -> dict[str, Any]:
    return context.metadata


@task
def enqueues_another() -> str:
    return whose.enqueue().id


def as_asked(exception: BaseException, result: Any) -> Any:
    """Return the delay that the exception names."""
    seen.append(f"{type(exception).__name__} {result.attempts} {result.state}")
    wanted = exception.args[0]
    if wanted == "raise":
        raise RuntimeError("the backoff is broken")
    return float(wanted) if wanted in ("nan", "infinity") else wanted


@task(max_attempts=3, backoff=as_asked)
def asks(wanted: Any) -> None:
    raise ValueError(wanted)


@task(max_attempts=3, backoff=as_asked, timeout=60)
def asks_in_time(wanted: Any) -> None:
    raise ValueError(wanted)


def again(exception: BaseException, result: Any) -> Any:
    """Give up in a way that is not provided for."""
    raise exception


@task(max_attempts=3, backoff=again, timeout=60)
def healthy() -> str:
    return "fine"


@task(max_attempts=3, backoff=again)
def ill() -> None:
    raise ValueError("ill")


class OwnRetry(Retry):
    def __init__(self, after: Any) -> None:
        self.after = after


@task
def asks_again(after: Any) -> None:
    raise OwnRetry(timedelta(minutes=5) if after == "five minutes" else after)


@task(metadata={"tags": ["base"], "at": (1, 2)})
def tagged() -> None:
    pass


@task(takes_context=True, keep_latest=True)
def changes(context: JobContext, items: list[int], login: dict[str, str] | None = None) -> int:
    """Change all that a task is given, and fail if there is a log-in."""
    items.sort()
    context.metadata["more"] = True
    if login is not None:
        token = context.metadata.get("api_token")
        raise ValueError(f"{login.pop('password')} and {token} are wrong")
    return items[0]


def as_counted(exception: BaseException, result: Any) -> int:
    seen.append(f"{result.attempts} {result.task.queue_name} {result.task.priority}")
    return 0


@task(takes_context=True, max_attempts=25, backoff=as_counted)
def fails_often(context: JobContext) -> None:
    seen.append(f"run {context.attempt}")
    raise ValueError("once more")
