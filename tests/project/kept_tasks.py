"""Tasks whose latest value is kept, or whose jobs are kept for less than others."""

from datetime import UTC, timedelta, tzinfo
from pathlib import Path

from django_jobqueue import JobContext, task


@task
def plain() -> None:
    pass


@task(keep_latest=True)
def total(a: int, b: int = 0) -> int:
    return a + b


@task(keep_latest=True)
def nothing() -> None:
    pass


@task(keep_latest=True, takes_context=True)
def attempt(context: JobContext, word: str) -> list[object]:
    return [word, context.attempt]


@task(keep_latest=True)
async def aword() -> str:
    return "word"


@task(keep_latest=True)
def content(path: str) -> str:
    return Path(path).read_text()


@task(keep_latest=True, refresh_after=timedelta(minutes=1))
def fresh_content(path: str) -> str:
    return Path(path).read_text()


@task(keep_latest=True, refresh_after=60)
def fresh(n: int) -> int:
    return n


@task(keep_latest=timedelta(hours=1))
def hourly() -> str:
    return "hourly"


@task(keep_latest=True)
def anything(a: object, b: object = (), *more: object, **named: object) -> None:
    pass


@task(keep_latest=True)
def with_zone(zone: tzinfo | str = UTC) -> str:
    return str(zone)


@task(retention=timedelta(hours=1))
def brief(n: int) -> float:
    return 1 / n


@task(retention=timedelta(days=30))
def lasting() -> str:
    return "lasting"
