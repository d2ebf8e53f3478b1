"""A durable job that Redis does not hold: why it is not running."""

import pytest

from django_jobqueue import compat
from tests.support.ledger import Ledger, tasks


def test_it_waits_in_the_ledger(ledger: Ledger) -> None:
    """Redis has lost it, and no worker has stored it again yet."""
    result = tasks.add.enqueue(1, 2)
    assert "next of its queue" in result.explain()[-1]
    ledger.engine.client.redis.flushall()
    assert result.explain() == [
        "It is written in the ledger, and waits until a worker stores it in Redis."
    ]


def test_its_row_is_final(ledger: Ledger) -> None:
    """Then nothing will store it again: the job is unknown."""
    result = tasks.add.enqueue(1, 2)
    result.cancel()
    ledger.rows.update(state="cancelled")
    ledger.engine.client.redis.flushall()
    with pytest.raises(compat.TaskResultDoesNotExist):
        result.explain()
