"""The Django project of a process that measures: set up before what needs it is imported."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import django

from benchmarks import parsers
from benchmarks.request import Request


@contextmanager
def bench_of(request: Request) -> Iterator[Any]:
    """Return the bench of a request, on the server that the environment names."""
    settings = "admin_settings" if request.measure == "admin" else "settings"
    os.environ["DJANGO_SETTINGS_MODULE"] = f"benchmarks.{settings}"
    django.setup()
    with tempfile.TemporaryDirectory(prefix="djq-benchmark-") as folder:
        bench = import_module("benchmarks.bench").Bench(request, Path(folder))
        pool = bench.empty().client.redis.connection_pool
        parsers.require_chosen(pool.make_connection())
        yield bench
