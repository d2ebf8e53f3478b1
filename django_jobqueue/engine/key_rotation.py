"""Sign stored payloads with the newest signing key, so that an older one can be removed.

All processes must know the newest key first: a process that does not would refuse the jobs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from redis.client import Pipeline

from django_jobqueue.engine.client import Client
from django_jobqueue.engine.queues import Queues
from django_jobqueue.exceptions import BadSignature
from django_jobqueue.jobs.signing import Signer
from django_jobqueue.jobs.text import text

BATCH = 100  # payloads read at once: at most 6 MiB by the default cap
MOST_PASSES = 10
# The order follows the moves of jobs, so that one that moves is read later. A running job may be
# released to an index that was read already, so running jobs are also read first.
ORDER = ("leases", "succeeded", "failed", "scheduled", "waiting", "queued", "leases", "cancelled")


@dataclass(slots=True)
class SweepPass:
    """The counts of one pass over all jobs."""

    number: int
    seen: int = 0  # jobs; one that runs or moves may be counted twice
    found: int = 0  # signed with an older key
    changed: int = 0  # of these; the others changed or were deleted meanwhile
    foreign: int = 0  # signed with none of the keys: left as they are
    is_done: bool = False


class KeyRotation:
    """Sign the payloads of one alias again."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._read = client.read
        self._queues = Queues(client)
        self._signer = Signer(client.options.signing_keys)

    def sweep(self) -> Iterator[SweepPass]:
        """Sign again all payloads of older keys; yield the pass after each batch and at its end.

        Jobs move during a pass, so passes follow until one finds nothing, at most ten; if the last
        one finds some, an older key is still in use. A pass may miss a job that is claimed and
        released meanwhile: another sweep finds it.
        Raises: OwnerMismatch, SchemaMismatch, ServerUnfit, QueueUnavailable.
        """
        latest = SweepPass(0, found=1)
        while latest.found and latest.number < MOST_PASSES:
            latest = SweepPass(latest.number + 1)
            for queue in self._queues.names():
                for index in ORDER:
                    for ids in self._pages(index, queue):
                        self._renew(ids, latest)
                        yield latest
            latest.is_done = True
            yield latest

    def re_sign(self, heads: Sequence[tuple[str, bytes, bytes]]) -> int:
        """Replace signatures, given as job id, old head and new head; return how many.

        A payload whose head has changed is left as it is. Pass at most 500.
        """
        words = [word for head in heads for word in head]
        return int(self._client.run("re_sign", words)) if heads else 0

    def _pages(self, index: str, queue: str) -> Iterator[list[str]]:
        """Yield the ids of an index in batches from its end; some ids may come twice.

        Jobs leave at the beginning: read from there, each job that leaves would hide another.
        """
        start = 0
        while ids := self._page(self._client.keys(index, queue), start):
            yield ids
            start += BATCH

    def _page(self, key: str | bytes, start: int) -> list[str]:
        (ids,) = self._read(lambda pipe: pipe.zrange(key, start, start + BATCH - 1, desc=True))
        return [text(job_id) for job_id in ids or ()]

    def _renew(self, ids: Sequence[str], latest: SweepPass) -> None:
        """Sign the payloads of a batch again if an older key signed them."""

        def ask(pipe: Pipeline) -> None:
            for job_id in ids:
                pipe.hmget(self._client.keys("job", job_id), "task", "payload")
                pipe.get(self._client.keys("payload", job_id))

        replies = self._read(ask)
        heads = []
        for job_id, fields, large in zip(ids, replies[::2], replies[1::2], strict=True):
            task, small = fields or (None, None)
            payload = large if small is None else small
            if payload is None:  # deleted meanwhile, or damaged
                continue
            latest.seen += 1
            try:
                head = self._head(job_id, text(task or b""), payload)
            except BadSignature:
                latest.foreign += 1
            else:
                heads += [(job_id, *head)] if head else []
        latest.found += len(heads)
        latest.changed += self.re_sign(heads)

    def _head(self, job_id: str, task: str, payload: bytes) -> tuple[bytes, bytes] | None:
        """Return a payload's head as it is and as it should be; None if both are equal.

        Raises: BadSignature.
        """
        data = self._signer.verify(job_id, task, payload)
        signed = self._signer.sign(job_id, task, data)
        if signed == payload:
            return None
        end = len(payload) - len(data)
        return payload[:end], signed[:end]
