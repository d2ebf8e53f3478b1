"""The tasks of a storm that counts: each run adds one, in a transaction with its end or not."""

import time

from django.db import connections

from django_jobqueue import task
from tests.support.ledger import DATABASE

HELD = 0.002  # seconds after the addition in which a kill may come


def add(name: str) -> None:
    with connections[DATABASE].cursor() as cursor:
        cursor.execute("UPDATE counted SET n = n + 1 WHERE name = %s", [name])
    time.sleep(HELD)


@task(durable=True, atomic=True, max_attempts=1000, backoff=0.1)
def exactly() -> None:
    add("exactly")


@task(durable=False, max_attempts=1000, backoff=0.1)
def plainly() -> None:
    add("plainly")
