"""The report of a run, as Markdown: how it was measured, and its table."""

from collections.abc import Iterator
from statistics import median

from benchmarks.figures import SECTIONS, Figure, short
from benchmarks.results import Results

NOTHING = "–"
QUIET = 0.15  # of the machine


def report(results: Results) -> str:
    """Return all that a run found: settings, table, limits that are missed, what was refused."""
    lines = [*settings(results), "", *table(results), ""]
    lines += [f"* {column} can't: {why}" for column, why in results.refusals()]
    if results.section == "own":
        lines += [f"* MISSED: {label}" for label in missed(results)] or ["Every limit is kept."]
    return "\n".join(lines) + "\n"


def settings(results: Results) -> Iterator[str]:
    for name, text in results.about.items():
        yield f"* {name}: {text}"
    if shares := results.in_use:
        yield (
            f"* machine in use by others before the measures: {median(shares):.0%} in the median, "
            f"{max(shares):.0%} at most"
        )
    if not is_quiet(results):
        yield "* **The machine was not quiet: these figures only show that the measures work.**"


def is_quiet(results: Results) -> bool:
    """Return whether others used little of the machine, or it can't be told here."""
    return median(results.in_use or [0.0]) <= QUIET


def table(results: Results) -> Iterator[str]:
    """Yield the section's table."""
    if results.section == "peers":
        yield from _by_queue(results)
        return
    limits = any(figure.limit for figure in SECTIONS[results.section])
    heads = ["figure", *results.columns, *(["limit", ""] if limits else [])]
    yield row(heads)
    yield row(["---", *("---:" for _ in heads[1:])])
    for figure in measured(results):
        cells = [_cell(results, column, figure) for column in results.columns]
        ends = [figure.limit, _verdict(results, figure)] if limits else []
        yield row([figure.label, *cells, *ends])


def measured(results: Results) -> list[Figure]:
    """Return the figures that have a value."""
    keys = {key for taken in results.taken for key in taken.values}
    return [figure for figure in SECTIONS[results.section] if figure.key in keys]


def missed(results: Results) -> list[str]:
    return [figure.label for figure in measured(results) if not _holds(results, figure)]


def _by_queue(results: Results) -> Iterator[str]:
    """Yield a line per queue: medians, and rates also as multiples of the first queue's."""
    figures, first = measured(results), results.columns[0]
    yield row(["queue", *(figure.label for figure in figures)])
    yield row(["---", *("---:" for _ in figures)])
    for column in results.columns:
        yield row([column, *(_compared(results, column, first, figure) for figure in figures)])


def _compared(results: Results, column: str, first: str, figure: Figure) -> str:
    found = results.spread(column, figure.key)
    if found is None:
        return NOTHING
    text = f"{short(found.median)} {figure.unit}"
    ratio = results.ratio(column, first, figure.key)
    return text if ratio is None or column == first else f"{text} ({short(ratio.median)}×)"


def _cell(results: Results, column: str, figure: Figure) -> str:
    found = results.spread(column, figure.key)
    return NOTHING if found is None else found.text(figure.unit)


def _holds(results: Results, figure: Figure) -> bool:
    found = [results.spread(column, figure.key) for column in results.columns]
    return all(figure.holds(spread.median) for spread in found if spread is not None)


def _verdict(results: Results, figure: Figure) -> str:
    if not figure.limit:
        return ""
    return "kept" if _holds(results, figure) else "**MISSED**"


def row(cells: list[str]) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"
