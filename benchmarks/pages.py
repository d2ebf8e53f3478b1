"""Put the figures of a run into the documentation: tables between marks, rows of the README."""

import re
from pathlib import Path

from benchmarks.figures import short
from benchmarks.report import NOTHING, is_quiet, report, row
from benchmarks.results import Results

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "explanation" / "speed.md"
README = ROOT / "README.md"
# Rows of the README's comparison, and the figures in them.
ROWS = {
    "jobs enqueued a second": "enqueue",
    "jobs run a second, by one slot": "drain",
}
THIS = ("this", "django_jobqueue")  # this project's column there and in the results


class NoPlace(ValueError):
    """A page has no place for the figures of a run."""


def write(results: Results, page: Path = PAGE, readme: Path = README) -> None:
    """Replace the tables of the run's section.

    The README's rows do not say how quiet the machine was, so it must have been.

    Raises: NoPlace.
    """
    begin, end = marks(results.section)
    _replace(
        page,
        re.escape(begin) + r".*?" + re.escape(end),
        f"{begin}\n\n{report(results)}\n{end}",
        f"the lines {begin!r} and {end!r}",
    )
    if results.section == "peers" and is_quiet(results):
        for label, key in ROWS.items():
            cells = [_cell(results, head, key) for head in _heads(readme)]
            wanted = f"the row {label!r} in its comparison"
            _replace(readme, rf"^\| {label} \|[^\n]*$", row([label, *cells]), wanted)


def marks(section: str) -> tuple[str, str]:
    """Return the lines around the tables of a section."""
    return f"<!-- figures: {section} -->", f"<!-- end of {section} -->"


def _replace(page: Path, pattern: str, text: str, wanted: str) -> None:
    changed, found = re.subn(
        pattern, lambda _: text, page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    if found != 1:
        raise NoPlace(f"{page} has {wanted} {found} times; it needs them once.")
    page.write_text(changed, "utf-8")


def _heads(readme: Path) -> list[str]:
    """Return the heads of the comparison's columns, without the empty one of its first."""
    found = re.search(r"^\| \| this \|[^\n]*$", readme.read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise NoPlace(f"{readme} has no comparison: a table whose second column is 'this'.")
    return [cell.strip() for cell in found[0].strip("|").split("|")][1:]


def _cell(results: Results, head: str, key: str) -> str:
    """Return the figure of the queue that a column is about."""
    name = THIS[1] if head == THIS[0] else head.partition(",")[0]
    for column in results.columns:
        if column.partition(" ")[0] == name and (found := results.spread(column, key)):
            return short(found.median)
    return NOTHING
