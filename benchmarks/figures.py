"""The figures: what each is called, which limit it has, and how rounds become one number."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a table."""

    key: str
    label: str
    unit: str = ""
    least: float | None = None
    most: float | None = None

    @property
    def limit(self) -> str:
        if self.least is not None:
            return f"≥ {self.least:g}"
        return "" if self.most is None else f"≤ {self.most:g}"

    def holds(self, value: float) -> bool:
        """Return whether a value keeps the limit, if there is one."""
        above = self.least is None or value >= self.least
        return above and (self.most is None or value <= self.most)


OWN = [
    Figure("raw", "raw round trip: EVALSHA of `return 1`, one key", "/s"),
    Figure("raw_usec", "raw round trip: time of the server", "µs"),
    Figure("enqueue", "`enqueue()`, two small arguments, autocommit", "/s"),
    Figure("enqueue_ratio", "`enqueue()`: multiple of the raw round trip", "", least=0.65),
    Figure("enqueue_usec", "`enqueue()`: time of the server per job", "µs"),
    Figure("many", "`enqueue_many()`, 100 jobs a call", "/s"),
    Figure("many_ratio", "`enqueue_many()`: multiple of the raw round trip", "", least=2.5),
    Figure("many_usec", "`enqueue_many()`: time of the server per job", "µs"),
    Figure("many_longest", "`enqueue_many()`: longest script of a call", "ms"),
    Figure("ten", "`enqueue()`, 10 in each transaction, commit included", "/s"),
    Figure("transaction", "`enqueue()`, all in one transaction", "/s"),
    Figure("drain", "drain, 1 process × 1 thread", "/s"),
    Figure("drain_ratio", "drain: multiple of the raw round trip", "", least=0.6),
    Figure("drain_usec", "drain: time of the server per job (finish + claim)", "µs"),
    Figure("drain_calls", "drain: script calls per job"),
    Figure("drain_cpu", "drain: CPU of the worker per job, its log line included", "µs"),
    Figure("drain_2", "drain, 2 processes × 1 thread", "/s"),
    Figure("threads", "drain, 1 process × 8 threads", "/s"),
    Figure("async", "drain of async tasks, 1 process × 1 thread", "/s"),
    Figure("async_cpu", "drain of async tasks: CPU of the worker per job", "µs"),
    Figure("latency_p50", "idle worker, call of `enqueue()` to first line of the task: p50", "ms"),
    Figure("latency_p99", "idle worker: p99", "ms"),
    Figure("company_drain", "drain beside company: multiple of the drain alone"),
    Figure("company_enqueue", "`enqueue()` beside company: multiple of the same alone"),
    Figure("due_first", "due at one instant: start of the first after", "ms", most=1000),
    Figure("due_last", "due at one instant: start of the last after", "s", most=25),
    Figure("due_longest", "due at one instant: longest script meanwhile", "ms", most=10),
    Figure("due_enqueue_p50", "due at one instant: `enqueue()` meanwhile, p50", "ms"),
    Figure("due_enqueue_p99", "due at one instant: `enqueue()` meanwhile, p99", "ms"),
    Figure("due_growth", "due at one instant: growth of the worker's memory", "MiB"),
    Figure("queued_bytes", "memory of a queued no-op job", "bytes", most=560),
    Figure("kept_bytes", "memory of a kept finished job", "bytes", most=500),
]
NAMES = [
    Figure("names_drain", "drain of all busy names, 1 process × 1 thread", "/s"),
    Figure("names_ratio", "drain of all busy names: multiple of the drain of one queue"),
    Figure("idle_worker", "idle worker: CPU, all its processes", "% of a core"),
    Figure("idle_server", "idle worker: CPU of the server", "% of a core"),
    Figure("idle_commands", "idle worker: commands of the server, those in scripts included", "/s"),
    Figure("latency_p50", "any name, call of `enqueue()` to first line of the task: p50", "ms"),
    Figure("latency_p99", "any name: p99", "ms"),
]
PEERS = [
    Figure("enqueue", "enqueue, one call a job", "/s"),
    Figure("bulk", "enqueue, bulk call", "/s"),
    Figure("drain", "drain, 1 slot", "/s"),
    Figure("drain_2", "drain, 2 slots", "/s"),
    Figure("latency_p50", "enqueue to start, p50", "ms"),
    Figure("latency_p99", "enqueue to start, p99", "ms"),
]
ADMIN = [
    Figure("admin_overview", "overview", "ms", most=150),
    Figure("admin_jobs", "job list", "ms", most=150),
    Figure("admin_deep", "job list, page 81 at most", "ms", most=150),
    Figure("admin_state_queue", "queued jobs of a queue, page 81 at most", "ms", most=150),
    Figure("admin_failed_task", "failed jobs of a task", "ms", most=150),
    Figure("admin_failed_task_queue", "failed jobs of a task in a queue", "ms", most=150),
    Figure("admin_search", "search that finds", "ms", most=150),
    Figure("admin_search_nothing", "search that finds nothing", "ms", most=150),
    Figure("admin_failures", "failures", "ms", most=150),
    Figure("admin_tasks", "tasks", "ms", most=150),
    Figure("admin_queues", "queues", "ms", most=150),
    Figure("admin_workers", "workers", "ms", most=150),
    Figure("admin_job", "page of a failed job", "ms", most=150),
    Figure("admin_longest", "longest script meanwhile", "ms", most=10),
    Figure("admin_walks", "commands that walk all keys (KEYS, SCAN)", most=0),
]
SECTIONS = {"own": OWN, "names": NAMES, "admin": ADMIN, "peers": PEERS}


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(median(values), min(values), max(values))

    def text(self, unit: str) -> str:
        """Return the median, and the bounds if there was more than one round."""
        bounds = "" if self.low == self.high else f" ({short(self.low)}–{short(self.high)})"
        return f"{short(self.median)}{bounds} {unit}".rstrip()


def short(value: float) -> str:
    """Return a number with three digits, or all digits of a larger one."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
