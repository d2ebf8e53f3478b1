"""Look when a worker starts whether the database has rows of durable jobs that nobody tells of.

Redis tells workers of the ledger, and so does a task that is declared durable. Neither does if
Redis was emptied and all jobs are durable by `task.using(durable=True)` alone. So what is found is
told to Redis, and every supervisor of the alias starts its maintenance process.
"""

import logging
import threading
import time

from django.db import connections

from django_jobqueue.engine import Engine, get_engine
from django_jobqueue.ledger import outbox
from django_jobqueue.ledger.table import has_rows

logger = logging.getLogger("django_jobqueue.worker")

PAUSE = 30.0  # seconds after an error of the database or of Redis


def start(alias: str) -> None:
    """Look in a thread of its own, because a database that hangs must not hold up the slots."""
    engine = get_engine(alias)
    if not outbox.is_declared(alias, engine.options):
        threading.Thread(target=_until_seen, args=[engine], daemon=True).start()


def _until_seen(engine: Engine) -> None:
    is_failing = False
    while True:
        try:
            return look(engine)
        except Exception as error:  # of the database, its settings or Redis
            if not is_failing:
                logger.warning("Whether there are durable jobs can't be seen yet: %s", error)
            is_failing = True
        time.sleep(PAUSE)


def look(engine: Engine) -> None:
    """Tell Redis that there is a ledger if its table has rows of this alias.

    Raises: QueueUnavailable, and what the database raises.
    """
    database = engine.options.database
    try:
        is_used = has_rows(database, engine.alias)
    finally:
        connections[database].close()
    if is_used:
        engine.unsettled.mark_durable()
