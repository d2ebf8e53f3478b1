"""What a storm came to: a page of Markdown, and for each violation all that is known of its job."""

import platform
import sys
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version

from django_jobqueue import __version__
from tests.chaos.evidence import Evidence, Violation
from tests.chaos.faults import KINDS
from tests.chaos.options import Options
from tests.support.servers import TcpServer

SHOWN = 5  # violations of one check that are shown in full
NEAR = 5.0  # seconds around a job's life in which faults are shown with it


def tell(line: str) -> None:
    """Say how far the storm is, apart from the report."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - a command talks


def say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)  # noqa: T201 - a command talks


def name_of(server: TcpServer) -> str:
    info = server.info("server")
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info['redis_version']}"


def versions() -> str:
    return (
        f"{time.strftime('%Y-%m-%d')}; django_jobqueue {__version__}, "
        f"Python {platform.python_version()}, Django {version('django')}, "
        f"redis-py {version('redis')}"
    )


def about(options: Options) -> Iterator[str]:
    """Yield how the storm was made."""
    yield f"* {versions()}"
    yield (
        f"* {options.jobs:,} jobs in {options.minutes:g} min, {options.workers} workers × "
        f"{options.processes} processes × {options.threads} threads or {options.processes_alone} "
        f"processes, lease "
        f"{options.lease:g} s, append-only file with fsync {options.fsync}"
    )
    yield ""


def table(violations: dict[str, list[Violation]], figures: dict[str, str]) -> Iterator[str]:
    """Yield what must be zero, then the rest."""
    yield "| must be 0 | |"
    yield "| --- | ---: |"
    for says, found in violations.items():
        yield f"| {says} | {len(found) if not found else f'**{len(found):,}**'} |"
    yield ""
    yield "| figure | |"
    yield "| --- | --- |"
    for name, value in figures.items():
        yield f"| {name} | {value} |"
    yield ""


def row(
    server: str, options: Options, violations: dict[str, list[Violation]], evidence: Evidence
) -> str:
    """Return the storm as one line of the table in docs/explanation/chaos.md."""
    faults = sum(event.kind in KINDS for event in evidence.events)
    poison = sum(event.kind == "poison" for event in evidence.events)
    broken = sum(map(len, violations.values()))
    starts = sum(line.what == "START" for line in evidence.oracle.lines)
    cells = [
        time.strftime("%Y-%m-%d"),
        server,
        f"{options.seed}",
        f"{len(evidence.receipts.jobs):,}",
        f"{faults:,} + {poison:,}",
        f"{starts:,}",
        f"{evidence.totals.get('recovered', 0):,}",
        f"{evidence.totals.get('stale', 0):,}",
        f"{broken:,}",
    ]
    return f"| {' | '.join(cells)} |"


def details(evidence: Evidence, violations: dict[str, list[Violation]]) -> Iterator[str]:
    """Yield each violation with the whole story of its job."""
    for says, found in violations.items():
        for violation in found[:SHOWN]:
            yield f"VIOLATION ({says}): {violation.job} {violation.text}"
            yield from story(evidence, violation.job)
        if len(found) > SHOWN:
            yield f"... and {len(found) - SHOWN:,} more of the kind"


def story(evidence: Evidence, job_id: str) -> Iterator[str]:
    """Yield the record of a job, its runs, its lines in the oracle, and the faults of its time."""
    if not job_id:
        return
    yield f"  planned: {evidence.planned.get(job_id)}"
    yield f"  acknowledged: {job_id in evidence.receipts.jobs}"
    yield f"  called off: {evidence.receipts.called_off.get(job_id)}"
    job = evidence.jobs.get(job_id)
    yield f"  record: {job}"
    times = [line.at for line in evidence.oracle.of(job_id)]
    if job is not None:
        times += [job.enqueued_at / 1000, (job.finished_at or job.enqueued_at) / 1000]
        for run in job.runs:
            times += [run.started_at / 1000, run.finished_at / 1000]
            yield f"  run: {run}"
    for line in evidence.oracle.of(job_id):
        yield f"  oracle: {line}"
    pids = {line.pid for line in evidence.oracle.of(job_id)}
    yield from (f"  {kill}" for kill in evidence.kills if kill.pid in pids)
    for event in evidence.events:
        if times and event.began < max(times) + NEAR and event.ended > min(times) - NEAR:
            yield f"  fault: {event}"
