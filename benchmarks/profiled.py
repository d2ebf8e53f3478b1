"""A process that shows where a client's time goes."""

import sys
from importlib import import_module

from benchmarks.project import bench_of
from benchmarks.request import Request


def main(request: Request) -> None:
    """Print the profile."""
    with bench_of(request) as bench:
        import_module("benchmarks.measures.profile").show(bench)


if __name__ == "__main__":
    main(Request.load(sys.argv[1]))
