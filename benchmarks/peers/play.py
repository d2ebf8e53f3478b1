"""A process in a queue's own environment that enqueues, and prints what it took as JSON."""

import json
import sys
import time
from importlib import import_module
from types import ModuleType
from typing import Any

from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.order import Order

WARM_UP = range(-100, 0)  # numbers of jobs before the clock starts
PACE = 0.02  # seconds between two jobs


def main(order: Order) -> None:
    """Enqueue what was ordered."""
    peer = PEERS[order.peer]
    if peer.settings:
        import_module("django").setup()
    calls = import_module(f"benchmarks.peers.{peer.folder}.calls")
    numbers = range(1, order.jobs + 1)
    if order.call == "paced":
        print(json.dumps(_paced(calls, numbers)))
    else:
        print(json.dumps(_at_once(calls, order, numbers)))


def _at_once(calls: ModuleType, order: Order, numbers: range) -> dict[str, Any]:
    """Enqueue jobs as fast as it goes; those of a fill alone, for they will be counted."""
    call = getattr(calls, order.call, None)
    if call is None:
        return {"values": {}}
    if order.call == "fill":
        call(list(numbers))
        return {"values": {}}
    call(list(WARM_UP))
    began = time.perf_counter()
    call(list(numbers))
    return {"values": {order.call: len(numbers) / (time.perf_counter() - began)}}


def _paced(calls: ModuleType, numbers: range) -> dict[str, Any]:
    """Enqueue one job at a time, and return when each call began, in ns."""
    called = {}
    for number in numbers:
        time.sleep(PACE)
        called[number] = time.monotonic_ns()
        calls.enqueue([number])
    return {"called": list(called.values())}


if __name__ == "__main__":
    main(Order.load(sys.argv[1]))
