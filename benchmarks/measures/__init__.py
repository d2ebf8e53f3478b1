"""The measures: each a function of a bench that returns values by the keys of their figures."""

from collections.abc import Callable
from importlib import import_module

from benchmarks.bench import Bench
from benchmarks.measures import company, drain, due, latency, memory, names, producer
from benchmarks.request import Values


def _admin(bench: Bench) -> Values:
    """Take the measure of another Django project, in whose process alone it can be imported."""
    return import_module("benchmarks.measures.admin").measure(bench)


MEASURES: dict[str, Callable[[Bench], Values]] = {
    "raw": producer.raw,
    "enqueue": producer.enqueue,
    "enqueue_many": producer.enqueue_many,
    "transaction": producer.transactions,
    "drain": drain.one_slot,
    "processes": drain.two_processes,
    "threads": drain.threads,
    "async": drain.async_tasks,
    "latency": latency.measure,
    "company": company.measure,
    "due": due.measure,
    "memory": memory.measure,
    "names": names.measure,
    "admin": _admin,
}
