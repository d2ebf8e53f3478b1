"""The report: Markdown for people, JSON for programs."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.figures import (
    FIGURES,
    LATEST,
    LONGEST_CALL,
    MOST_BYTES,
    Figure,
    Round,
    ratio_spread,
    short,
    spread,
)
from benchmarks.memory import Memory
from benchmarks.options import Options
from benchmarks.scheduled import Scheduled

Row = tuple[str, str, str, bool]  # what, how much, how much it may be, whether it is not more


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that was measured on one server."""

    server: str
    about: dict[str, str]
    socket: str
    pinning: str
    in_use: list[float]  # share of the machine that others used before each round
    rounds: list[Round]
    scheduled: Scheduled | None
    memory: Memory | None


def tell(line: str) -> None:
    """Say how far the run is, apart from the report."""
    print(line, "...", file=sys.stderr, flush=True)


def show(reports: Sequence[Report], options: Options) -> None:
    """Print the reports, and write them as JSON if that was asked for."""
    for report in reports:
        print("\n".join(_lines(report, options)))
    if options.json:
        data = {"options": asdict(options), "reports": [asdict(report) for report in reports]}
        Path(options.json).write_text(json.dumps(data, indent=2) + "\n", "utf-8")


def _lines(report: Report, options: Options) -> Iterator[str]:
    yield f"## {report.server}\n"
    yield from _settings(report, options)
    yield "\n| figure | median (lowest–highest) | ratio to the raw round trip | floor | |"
    yield "| --- | ---: | ---: | ---: | --- |"
    missed = []
    for figure in FIGURES:
        row, ok = _row(figure, report.rounds)
        yield row
        missed += [] if ok else [figure.label]
    for label, value, most, ok in [*_scheduled_rows(report), *_memory_rows(report)]:
        yield f"| {label} | {value} | | {most} | {_verdict(most, ok)} |"
        missed += [] if ok else [label]
    if report.memory:
        yield from _memory_parts(report.memory)
    yield ""
    yield from [f"MISSED: {label}" for label in missed] or ["Every floor is reached."]
    yield ""


def _settings(report: Report, options: Options) -> Iterator[str]:
    for name, text in report.about.items():
        yield f"* {name}: {text}"
    yield f"* server: {report.server}, {report.socket}, no persistence"
    yield f"* pinning: {report.pinning}"
    if report.in_use:
        shares = ", ".join(f"{share:.0%}" for share in report.in_use)
        yield f"* machine in use by others before each round: {shares}"
    yield (
        f"* {options.rounds} rounds; in each, {options.jobs:,} calls or jobs per measure (twice as "
        "many for two processes, four times for enqueue_many), and the raw round trip between "
        "any two of them: its median is the round's. Ratios are taken within a round; for a time "
        "it is how many round trips it lasts. Drain: from the first start to the last finish by "
        f"the jobs' own records, in ms. Latency: {options.samples} jobs a round. Log level WARNING."
    )
    if options.smoke:
        yield "* a smoke run: the figures mean nothing"


def _row(figure: Figure, rounds: Sequence[Round]) -> tuple[str, bool]:
    """Return a line of the table, and whether its floor is reached."""
    ratios = ratio_spread(figure, rounds)
    ok = figure.floor is None or ratios is None or ratios.median >= figure.floor
    value = f"{spread(figure, rounds)} {figure.unit}".strip()
    floor = "" if figure.floor is None else f"≥ {figure.floor}"
    return f"| {figure.label} | {value} | {ratios or ''} | {floor} | {_verdict(floor, ok)} |", ok


def _scheduled_rows(report: Report) -> Iterator[Row]:
    seen = report.scheduled
    if seen is None:
        return
    first, last = LATEST
    yield (
        f"{seen.jobs:,} jobs due at one instant, 2 processes × 1 thread: start of the first after",
        f"{short(seen.first * 1000)} ms",
        f"≤ {first:g} s",
        seen.first <= first,
    )
    ok = seen.last <= last
    yield "the same: start of the last after", f"{short(seen.last)} s", f"≤ {last:g} s", ok
    yield (
        "the same: longest script call meanwhile",
        f"{short(seen.longest_call)} ms",
        f"≤ {LONGEST_CALL:g} ms",
        seen.longest_call <= LONGEST_CALL,
    )
    calls = f"{short(seen.enqueue_p50)} and {short(seen.enqueue_p99)} ms"
    yield "the same: `task.enqueue()` meanwhile, median and p99", calls, "", True
    yield "the same: growth of the worker's memory", f"{seen.growth:.1f} MiB", "", True


def _memory_rows(report: Report) -> Iterator[Row]:
    memory = report.memory
    if memory is not None:
        label = f"bytes per queued no-op job, of {memory.jobs:,}, on {memory.server}"
        ok = memory.per_job <= MOST_BYTES
        yield label, f"{memory.per_job:.0f}", f"≤ {MOST_BYTES:.0f}", ok


def _memory_parts(memory: Memory) -> Iterator[str]:
    yield (
        f"\nOf the {memory.per_job:.0f} bytes: record {memory.record}, payload {memory.payload}, "
        f"index {short(memory.index)}, the rest (tables of the keyspace) {short(memory.rest)}."
    )


def _verdict(floor: str, ok: bool) -> str:
    return "" if not floor else "reached" if ok else "**MISSED**"
