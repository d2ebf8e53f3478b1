"""What a run takes: the measures, in their order, and which of them are taken once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """How often a measure is taken."""

    once: bool = False  # in the first round only, because it takes long
    by_parser: bool = True  # else with the first parser only
    on_redis: bool = False  # on a redis-server if there is one, and none was named


MEASURES = {
    "raw": Plan(),
    "enqueue": Plan(),
    "enqueue_many": Plan(),
    "transaction": Plan(),
    "drain": Plan(),
    "processes": Plan(),
    "threads": Plan(),
    "async": Plan(),
    "latency": Plan(),
    "company": Plan(),
    "due": Plan(once=True),
    "memory": Plan(once=True, by_parser=False, on_redis=True),
}
