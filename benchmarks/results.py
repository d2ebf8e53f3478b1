"""The results of a run, as they stand in its file: JSON, one line for the run and each measure."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.figures import SECTIONS, Spread
from benchmarks.request import Values


class NotResults(ValueError):
    """A file does not hold the results of a run; the message says what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One measure of one round: its values, or why it could not be taken."""

    column: str  # with which parser, at how many names, or of which queue
    measure: str
    round: int
    server: str
    busy: float | None  # share of the machine that others used just before
    values: Values = field(default_factory=dict)
    cannot: str = ""  # what the code under test does not do
    failed: str = ""  # why the measure itself broke


@dataclass(slots=True)
class Results:
    """A run: what it measured, where, and how."""

    section: str
    about: dict[str, str]
    taken: list[Taken] = field(default_factory=list)

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(taken.column for taken in self.taken))

    @property
    def in_use(self) -> list[float]:
        """Return which shares of the machine others used before the measures."""
        return [taken.busy for taken in self.taken if taken.busy is not None]

    def spread(self, column: str, key: str) -> Spread | None:
        """Return the rounds of a figure as one; None if it was not measured."""
        found = [t.values[key] for t in self.taken if t.column == column and key in t.values]
        return Spread.of(found) if found else None

    def ratio(self, column: str, to: str, key: str) -> Spread | None:
        """Return a figure as multiples of another column's, each within its round."""
        one, other = self._by_round(column, key), self._by_round(to, key)
        found = [one[number] / other[number] for number in one if number in other]
        return Spread.of(found) if found else None

    def refusals(self) -> Iterator[tuple[str, str]]:
        """Yield a column and what it could not do, each once."""
        found = [(t.column, t.measure, t.cannot or t.failed) for t in self.taken]
        yield from dict.fromkeys((column, f"{what}: {why}") for column, what, why in found if why)

    def _by_round(self, column: str, key: str) -> dict[int, float]:
        return {
            t.round: t.values[key] for t in self.taken if t.column == column and key in t.values
        }


class Writer:
    """Writes results to a file as they come, so that a run that breaks off leaves what it has."""

    def __init__(self, path: Path, results: Results) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self.results = results
        path.write_text(_line({"section": results.section, "about": results.about}), "utf-8")

    def add(self, taken: Taken) -> None:
        self.results.taken.append(taken)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_line(asdict(taken)))


def load(path: Path) -> Results:
    """Read the file of a run.

    Raises: NotResults.
    """
    try:
        head, *lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        results = Results(head["section"], head["about"], [Taken(**line) for line in lines])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotResults(f"{path} holds no results of a run: {error!r}.") from error
    if results.section not in SECTIONS:
        raise NotResults(f"{path} has the section {results.section!r}; known: {[*SECTIONS]}.")
    return results


def _line(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False) + "\n"
