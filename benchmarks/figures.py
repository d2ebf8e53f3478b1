"""The figures of a run: what each is called, its floor, and how rounds become one number."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

Round = dict[str, float]  # key of a figure → its value in one round


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report."""

    key: str
    label: str
    unit: str  # "/s", "µs", "ms", or "" for what has no ratio to a round trip
    floor: float | None = None  # of the ratio


FIGURES = [
    Figure("raw", "raw round trip: EVALSHA of `return 1`, one key", "/s"),
    Figure("enqueue", "`task.enqueue()`, two small arguments, autocommit", "/s", 0.65),
    Figure("drain_1", "drain, 1 process × 1 thread", "/s", 0.6),
    Figure("drain_2", "drain, 2 processes × 1 thread", "/s"),
    Figure("enqueue_many", "`task.enqueue_many()`, 500 jobs a call", "/s", 2.5),
    Figure("transaction", "`task.enqueue()` in a transaction, its commit included", "/s"),
    Figure("raw_usec", "server time of a raw call", "µs"),
    Figure("enqueue_usec", "server time of a script call, enqueue", "µs"),
    Figure("drain_usec", "server time of a script call, drain with 1 process", "µs"),
    Figure("drain_calls", "script calls per job, drain with 1 process", ""),
    Figure("latency_p50", "idle worker, call of enqueue to start of the task: median", "ms"),
    Figure("latency_p99", "the same: p99", "ms"),
]
MOST_BYTES = 700.0  # per queued no-op job
LATEST = (1.0, 25.0)  # seconds from due time to start, of the first and the last of many
LONGEST_CALL = 10.0  # ms of a script meanwhile
_SECONDS = {"µs": 1e-6, "ms": 1e-3}


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{short(self.median)} ({short(self.low)}–{short(self.high)})"


def short(value: float) -> str:
    """Return a number with three digits, or all digits of a larger one."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio(figure: Figure, values: Round) -> float | None:
    """Return a rate as a multiple of the raw rate, a time as a multiple of a raw round trip."""
    value, trips = values[figure.key], values["raw"]
    if figure.unit == "/s":
        return value / trips
    seconds = _SECONDS.get(figure.unit)
    return None if seconds is None else value * seconds * trips


def spread(figure: Figure, rounds: Sequence[Round]) -> Spread:
    return Spread.of([values[figure.key] for values in rounds])


def ratio_spread(figure: Figure, rounds: Sequence[Round]) -> Spread | None:
    """Return the ratios, each taken within its round."""
    found = [ratio(figure, values) for values in rounds]
    numbers = [number for number in found if number is not None]
    return Spread.of(numbers) if numbers else None
