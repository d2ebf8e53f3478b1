"""The writer of signatures: bring stored payloads to the newest signing key, so the old one can go.

What is signed anew is the same arguments for the same job. All processes must know the newest key
by then: one that does not would refuse the job.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from redis.client import Pipeline

from django_jobqueue.engine.client import Connection
from django_jobqueue.engine.queues import Queues
from django_jobqueue.exceptions import BadSignature, JobQueueError
from django_jobqueue.jobs.attempt import Claimed
from django_jobqueue.jobs.payload import Signer

logger = logging.getLogger("django_jobqueue")

BATCH = 100  # payloads read at once: at the default cap they are 6 MiB
MOST_PASSES = 10
# As jobs move without being claimed, requeued ones first. Those that run may be given back.
ORDER = ("succeeded", "failed", "scheduled", "waiting", "queued", "leases", "cancelled")


@dataclass(slots=True)
class Pass:
    """What one pass over all jobs has met so far."""

    number: int
    seen: int = 0  # jobs; one that moves on may be met twice
    found: int = 0  # signed with an older key
    changed: int = 0  # of these; the others moved or went in between
    foreign: int = 0  # signed with none of the keys: left alone
    is_done: bool = False


class Rotation:
    """Sign the payloads of one alias anew."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._read = connection.read
        self._queues = Queues(connection)
        self._signer = Signer(connection.options.signing_keys)

    def sweep(self) -> Iterator[Pass]:
        """Sign anew whatever an older key has signed; yield the pass after each batch, and its end.

        Jobs move on while a pass goes by, so there are more of them until one finds nothing; if
        the last one does, an older key is still in use. A job that returns to an index which the
        pass has left behind was claimed in between, and its worker has signed it anew.
        Raises: OwnerMismatch, SchemaMismatch, ServerUnfit, QueueUnavailable.
        """
        latest = Pass(0, found=1)
        while latest.found and latest.number < MOST_PASSES:
            latest = Pass(latest.number + 1)
            for queue in self._queues.names():
                for index in ORDER:
                    for ids in self._pages(index, queue):
                        self._renew(ids, latest)
                        yield latest
            latest.is_done = True
            yield latest

    def mend(self, job: Claimed) -> None:
        """Sign a job anew that was just claimed, if that is due: it may be given back."""
        if not self._signer.has_older_keys or job.payload is None:
            return
        try:
            head = self._head(job.id, job.task, job.payload)
            self.resign([(job.id, *head)] if head else [])
        except BadSignature:
            pass  # it will not be run
        except JobQueueError as error:
            logger.debug("Job %s was not signed anew: %s", job.id, error)

    def resign(self, heads: Sequence[tuple[str, bytes, bytes]]) -> int:
        """Replace signatures, each given as job id, old head and new head; return how many.

        Only where the payload is still signed as it was read, and at most 500.
        """
        words = [word for head in heads for word in head]
        return int(self._connection.call("resign", words)) if heads else 0

    def _pages(self, index: str, queue: str) -> Iterator[list[str]]:
        """Yield the ids of an index from its end, where new ones come: those are met, or met twice.

        From the beginning, where jobs are claimed and trimmed, each that leaves would hide another.
        """
        start = 0
        while ids := self._page(self._connection.keys(index, queue), start):
            yield ids
            start += BATCH

    def _page(self, key: str, start: int) -> list[str]:
        (ids,) = self._read(lambda pipe: pipe.zrange(key, start, start + BATCH - 1, desc=True))
        return [job_id.decode() for job_id in ids or ()]

    def _renew(self, ids: Sequence[str], latest: Pass) -> None:
        """Sign a batch of jobs anew where that is due."""

        def ask(pipe: Pipeline) -> None:
            for job_id in ids:
                pipe.hget(self._connection.keys("job", job_id), "task")
                pipe.get(self._connection.keys("payload", job_id))

        replies = self._read(ask)
        heads = []
        for job_id, task, payload in zip(ids, replies[::2], replies[1::2], strict=True):
            if payload is None:  # it is gone by now, or damaged
                continue
            latest.seen += 1
            try:
                head = self._head(job_id, (task or b"").decode(errors="replace"), payload)
            except BadSignature:
                latest.foreign += 1
            else:
                heads += [(job_id, *head)] if head else []
        latest.found += len(heads)
        latest.changed += self.resign(heads)

    def _head(self, job_id: str, task: str, payload: bytes) -> tuple[bytes, bytes] | None:
        """Return a payload's head as it is and as it should be; None if that is the same.

        Raises: BadSignature.
        """
        data = self._signer.verify(job_id, task, payload)
        signed = self._signer.sign(job_id, task, data)
        if signed == payload:
            return None
        end = len(payload) - len(data)
        return payload[:end], signed[:end]
