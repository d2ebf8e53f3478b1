"""Tasks that show what middleware, metadata and a backoff of one's own do."""

from typing import Any

from django_jobqueue import JobContext, task
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
    return wanted


@task(max_attempts=3, backoff=as_asked)
def asks(wanted: Any) -> None:
    raise ValueError(wanted)


@task(max_attempts=3, backoff=as_asked, timeout=60)
def asks_in_time(wanted: Any) -> None:
    raise ValueError(wanted)
