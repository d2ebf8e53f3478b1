"""A process that takes one measure and prints its values as a line of JSON.

A process of its own has one reply parser, and nothing is left in it from another measure.
"""

import json
import sys
from importlib import import_module
from typing import Any

from benchmarks.project import bench_of
from benchmarks.request import Request
from benchmarks.watching import Stalled


def main(request: Request) -> None:
    """Take the measure."""
    with bench_of(request) as bench:
        measures = import_module("benchmarks.measures").MEASURES
        answer: dict[str, Any]
        try:
            answer = {"values": measures[request.measure](bench)}
        except Stalled as error:
            answer = {"cannot": str(error)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main(Request.load(sys.argv[1]))
