"""The figures of a storm that need not be zero."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from django_jobqueue.jobs.run import Run
from tests.chaos.evidence import DEAD_SLOT, INTERRUPTED, Evidence
from tests.chaos.faults import KINDS
from tests.chaos.kept import paces
from tests.chaos.oracle import Line
from tests.chaos.spent import Spent

SLOW = "the worker lived, but late"  # a machine too busy to renew in time
NAMES = {name: kind.says for name, kind in KINDS.items()}
NAMES |= {"poison": "poison job", "limit": "killed by its supervisor"}
DEAD_WORKER = ("worker_kill", "freeze")


def figures(
    evidence: Evidence, spent: Spent, road: dict[str, int], seconds: float
) -> dict[str, str]:
    """Return name → value; `road` is what the proxy counted."""
    receipts, totals = evidence.receipts, evidence.totals
    causes = Counter(evidence.cause(run, start) or SLOW for run, start, _ in _interrupted(evidence))
    injected = Counter(event.kind for event in evidence.events if event.kind in NAMES)
    noted = Counter(line.what for line in evidence.oracle.lines)
    killed = Counter(kill.reason for kill in evidence.kills)
    called_off = Counter(str(call.state) for call in receipts.called_off.values())
    features = Counter(f.value for one in receipts.jobs.values() for f in one.features)
    reasons = Counter(job.reason for job in evidence.jobs.values())
    ends = Counter(flow.record.state for flow in evidence.flows)
    used = ", ".join(f"{key}: {share:.1%}" for key, share in sorted(paces(evidence).items()))
    final = sum(job.state.is_final for job in evidence.jobs.values())
    extra = sum(causes.values())
    return {
        "acknowledged jobs": f"{len(receipts.jobs):,}",
        "of these by what they have": _counts(features).strip("()"),
        "jobs stored by calls that ended with an error": (
            f"{len(evidence.jobs.keys() - receipts.jobs.keys()):,} of {receipts.unknown:,}"
        ),
        "jobs skipped, superseded, expired": (
            f"{reasons['limit']:,}, {reasons['superseded']:,}, {reasons['expired']:,}"
        ),
        "workflows by their end": f"{ends.total():,} {_counts(ends)}".strip(),
        "use of rates while slots were free": used or "-",
        "cancelled before their start": f"{len(receipts.cancelled):,}",
        "enqueue errors": f"{receipts.errors:,} {_counts(receipts.refusals)}".strip(),
        "longest time without a successful enqueue": f"{receipts.longest_gap:.1f} s",
        "faults": f"{injected.total():,} {_counts(injected)}",
        "on the road": _counts(road).strip("()"),
        "runs": f"{sum(line.what == 'START' for line in evidence.oracle.lines):,}",
        "of these repeated later": f"{extra:,} {_counts(causes)}".strip(),
        "runs interrupted for their time": f"{noted['TIMEOUT']:,}",
        "runs interrupted because their job was cancelled": f"{noted['CANCEL']:,}",
        "processes killed for their run": f"{killed.total():,} {_counts(killed)}".strip(),
        "running jobs called off, by their state then": (
            f"{called_off.total():,} {_counts(called_off)}".strip()
        ),
        "recoveries": f"{totals.get('recovered', 0):,}",
        "stale finishes refused": f"{totals.get('stale', 0):,}",
        **_recoveries(evidence, "the death of a process", DEAD_SLOT),
        **_recoveries(evidence, "the death or freeze of a worker", DEAD_WORKER),
        "first start after each restart of the server": _spread(list(_restarts(evidence))),
        "server time of a script call": f"{spent.per_call:.0f} µs",
        "script calls per job": f"{spent.calls / final:.1f}" if final else "-",
        "slowest command": f"{spent.slowest / 1000:.1f} ms" if spent.slowest else "< 1 ms",
        "duration, drain included": f"{seconds:.0f} s",
        "jobs per second over all": f"{final / seconds:.0f}",
    }


def _interrupted(evidence: Evidence) -> Iterator[tuple[Run, Line, Line | None]]:
    """Yield each run that was interrupted: its record, its start, the next start."""
    for job in evidence.jobs.values():
        starts = evidence.oracle.starts(job.id)
        runs = {run.fence: run for run in job.runs}
        for position, start in enumerate(starts):
            run = runs.get(start.fence)
            if run is not None and run.outcome in INTERRUPTED:
                later = starts[position + 1] if position + 1 < len(starts) else None
                yield run, start, later


def _recoveries(evidence: Evidence, what: str, causes: Sequence[str]) -> dict[str, str]:
    """Return how long after a blow its jobs were taken back, and when they started again.

    For the second a slot must be free, and all jobs of a higher priority be gone.
    """
    taken, started = [], []
    for run, start, later in _interrupted(evidence):
        blow = evidence.blow(run, start)
        if blow is not None and blow.kind in causes:
            taken.append(run.finished_at / 1000 - blow.began)
            started += [later.at - blow.began] if later else []
    return {f"{what}: job taken back": _spread(taken), f"{what}: next start": _spread(started)}


def _restarts(evidence: Evidence) -> Iterator[float]:
    """Yield seconds from when the server accepted connections to the next start of any job."""
    starts = sorted(line.at for line in evidence.oracle.lines if line.what == "START")
    for event in evidence.events:
        if event.kind == "server_kill":
            yield from [at - event.ended for at in starts if at >= event.ended][:1]


def _counts(counts: dict[str, int]) -> str:
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    words = ", ".join(f"{NAMES.get(name, name)}: {count:,}" for name, count in rows)
    return f"({words})" if rows else ""


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "none"
    ordered = sorted(values)

    def rank(share: float) -> float:
        return ordered[min(len(ordered), math.ceil(share * len(ordered))) - 1]

    return (
        f"median {rank(0.5):.2f} s, p99 {rank(0.99):.2f} s, max {ordered[-1]:.2f} s "
        f"of {len(ordered):,}"
    )
