"""The measures: each a function of a bench that returns values by the keys of their figures."""

from collections.abc import Callable

from benchmarks.bench import Bench
from benchmarks.measures import company, drain, due, latency, memory, names, producer
from benchmarks.request import Values

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
}
