"""A storm over jobs that add one: the sum of the atomic ones is exact, others run twice."""

import json
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections

from django_jobqueue.engine import close_engines
from django_jobqueue.exceptions import QueueUnavailable
from tests.chaos import faults, report
from tests.chaos.load import Receipts
from tests.chaos.options import Options
from tests.chaos.scene import Scene, can_sleep, direct_engine
from tests.chaos.storm import Storm
from tests.support.ledger import DATABASE, Ledger, shared
from tests.support.postgres import Postgres
from tests.support.processes import until

CALL = 50  # jobs of each kind that are enqueued together
NAMES = ("exactly", "plainly")


class CountingFeeder(threading.Thread):
    """Enqueue half of the load as atomic jobs, half as plain ones, while the faults come."""

    def __init__(self, options: Options) -> None:
        super().__init__(name="feeder", daemon=True)
        self.receipts = Receipts()
        self.failure: BaseException | None = None
        self.stored = dict.fromkeys(NAMES, 0)
        self._calls = -(-options.jobs // (2 * CALL))
        self._seconds = options.seconds

    def run(self) -> None:
        try:
            began = time.monotonic()
            for number in range(self._calls):
                time.sleep(
                    max(0.0, began + self._seconds * number / self._calls - time.monotonic())
                )
                for name in NAMES:
                    self._store(name)
        except BaseException as error:
            self.failure = error
        finally:
            connections[DATABASE].close()

    def _store(self, name: str) -> None:
        from tests.chaos import counted  # noqa: PLC0415 - a durable task needs the settings

        try:
            getattr(counted, name).enqueue_many([()] * CALL)
        except QueueUnavailable as error:
            _repeat(error)
        self.stored[name] += CALL


def run(options: Options) -> int:
    """Let it rage, and compare the sums; return the exit code."""
    report.tell(f"Seed {options.seed}, counting on {options.counting}")
    folder = Path(tempfile.mkdtemp(prefix="djq-counting-"))
    try:
        with database(options, folder) as given, shared(given) as ledger:
            return _run(options, folder, ledger, given)
    finally:
        shutil.rmtree(folder)


@contextmanager
def database(options: Options, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield an entry of DATABASES."""
    if options.counting == "postgres":
        with Postgres() as server:
            yield server.database("counting")
        return
    yield {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(folder / "counting.sqlite3"),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 60,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }


def _run(options: Options, folder: Path, ledger: Ledger, given: dict[str, Any]) -> int:
    own = {"DATABASE": DATABASE, "DURABLE": True}
    os.environ["CHAOS_DATABASES"] = json.dumps({DATABASE: given})
    os.environ["CHAOS_OPTIONS"] = json.dumps(own)
    tasks: dict[str, Any] = dict(settings.TASKS)
    tasks["default"]["OPTIONS"] |= own
    with connections[DATABASE].cursor() as cursor:
        cursor.execute("CREATE TABLE counted (name varchar(20) PRIMARY KEY, n integer NOT NULL)")
        for name in NAMES:
            cursor.execute("INSERT INTO counted VALUES (%s, 0)", [name])
    rng = random.Random(options.seed)
    with Scene(options, folder, random.Random(rng.random())) as scene:
        kinds = [name for name in faults.KINDS if name != "sleep" or can_sleep(scene.server)]
        blows = faults.plan(options, random.Random(rng.random()), kinds)
        feeder: Any = CountingFeeder(options)
        storm = Storm(scene, feeder, direct_engine(scene.server.url), report.tell)
        for _ in range(options.workers):
            scene.start_worker().until_ready(options.processes)
        feeder.start()
        storm.rage(blows)
        report.tell(f"The faults are over; {storm.open_jobs():,} jobs are not final")
        storm.drain(options.drain)
        open_rows = ledger.rows.filter(state="open")
        until(lambda: not open_rows.exists() and not storm.open_jobs(), options.drain)
        storm.end()
        code = _judge(ledger, feeder.stored, len(storm.events))
    close_engines()
    with connections[DATABASE].cursor() as cursor:
        cursor.execute("DROP TABLE counted")
    return code


def _judge(ledger: Ledger, stored: dict[str, int], events: int) -> int:
    with connections[DATABASE].cursor() as cursor:
        cursor.execute("SELECT name, n FROM counted")
        sums = dict(cursor.fetchall())
    succeeded = ledger.rows.filter(state="succeeded").count()
    report.tell(
        f"{events} faults. Atomic: {stored['exactly']:,} jobs, {succeeded:,} succeeded, sum "
        f"{sums['exactly']:,}. Plain: {stored['plainly']:,} jobs, sum {sums['plainly']:,}."
    )
    return int(not sums["exactly"] == succeeded == stored["exactly"])


def _repeat(error: QueueUnavailable) -> None:
    """Repeat a failed call until Redis takes it."""
    while True:
        time.sleep(0.1)
        try:
            if error.again is not None:
                error.again()
        except QueueUnavailable as another:
            error = another
        else:
            return
