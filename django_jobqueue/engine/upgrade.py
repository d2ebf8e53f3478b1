"""The writer of what the keys are: whose they are, and which schema they have.

A minor schema number only adds: older and newer code work side by side on the same keys. A
major number changes what is stored, so all jobs are brought to it here, while nothing is
claimed and nothing new is stored. Runs under way end first, by the code that began them.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from redis.exceptions import RedisError

from django_jobqueue.engine.client import Connection, major
from django_jobqueue.engine.keys import INDEXES, SCHEMA
from django_jobqueue.engine.queues import Queues
from django_jobqueue.engine.scripts import Argument
from django_jobqueue.exceptions import SchemaMismatch
from django_jobqueue.jobs.payload import Signer

BATCH = 500  # most jobs of one call

# What brings a batch of jobs (index, queue, ids) to the next major number. It must leave alone
# what is there already: an upgrade that was interrupted begins again at the start.
Step = Callable[[Connection, str, str, list[str]], object]
STEPS: Mapping[int, Step] = {}  # by the number from which it leads; 1 is the first there is


class Upgrade:
    """Change what the keys of one alias are."""

    def __init__(
        self, connection: Connection, *, schema: str = SCHEMA, steps: Mapping[int, Step] = STEPS
    ) -> None:
        """Prepare; `schema` is what the keys are to have."""
        self._connection = connection
        self._queues = Queues(connection)
        self._schema = schema
        self._steps = steps

    def adopt(self) -> str:
        """Make the keys this project's; return the tag of the former owner, "" if none.

        Raises: QueueUnavailable.
        """
        owner = Signer(self._connection.options.signing_keys).owners()[0]
        former = self._connection.call(
            "adopt", schema=self._schema, new_epoch=secrets.token_hex(8), owner=owner
        )
        return str(former.decode())

    def path(self) -> list[int]:
        """Return the steps to take; none if the keys have the schema.

        Raises: SchemaMismatch if there is no way, OwnerMismatch, ServerUnfit, QueueUnavailable.
        """
        self._connection.attach(any_schema=True)
        stored = self._connection.schema
        path = list(range(major(stored), major(self._schema)))
        if major(stored) > major(self._schema) or any(step not in self._steps for step in path):
            raise SchemaMismatch(
                f"The keys {self._connection.keys.prefix}* have schema {stored}, and this version "
                f"can't bring them to {self._schema}: use the version that can."
            )
        return path

    def begin_upgrade(self) -> int:
        """Close the keys to all but runs under way; return how long ago that was, in ms."""
        new = secrets.token_hex(8)
        return int(self._connection.call("begin_upgrade", schema=self._schema, new_epoch=new))

    def running(self) -> int:
        """Return how many jobs run; 1 at least until each worker must know of the upgrade."""
        jobs = sum(self._size("leases", queue) for queue in self._queues.names())
        return jobs or int(self.begin_upgrade() < self._connection.options.lease_ms)

    def sweep(self, path: list[int]) -> Iterator[int]:
        """Take the steps with all jobs; yield how many were in each batch."""
        for step in path:
            for queue in self._queues.names():
                for index in INDEXES:
                    for start in range(0, self._size(index, queue), BATCH):
                        ids = self._page(index, queue, start)
                        self._steps[step](self._connection, index, queue, ids)
                        yield len(ids)

    def end_upgrade(self) -> None:
        """Open the keys to all processes that speak the new schema."""
        self._connection.call("end_upgrade", schema=self._schema)

    def _size(self, index: str, queue: str) -> int:
        return int(self._read("ZCARD", self._connection.keys(index, queue)))

    def _page(self, index: str, queue: str, start: int) -> list[str]:
        key = self._connection.keys(index, queue)
        ids = self._read("ZRANGE", key, start, start + BATCH - 1)
        return [job_id.decode() for job_id in ids]

    def _read(self, *words: Argument) -> Any:
        try:
            return self._connection.execute(*words)
        except RedisError as error:
            raise self._connection.unavailable(error) from error
