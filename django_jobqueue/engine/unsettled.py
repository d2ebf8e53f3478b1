"""What Redis tells the ledger: how durable jobs ended, and which of them it holds.

Next: ledger/settling.py writes the rows.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from redis.client import Pipeline
from redis.exceptions import RedisError

from django_jobqueue.engine.client import Client
from django_jobqueue.engine.scripts import Argument
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.jobs.job import is_id
from django_jobqueue.jobs.states import STATE_OF, State
from django_jobqueue.jobs.text import ms_in, text

_TIMES = (b"finished_at", b"attempted_at", b"took")
_HELD = (b"state", b"round", b"reason", b"task", *_TIMES)  # fields of a job's record


class Note(NamedTuple):
    """How a durable job ended, or how it stands in Redis."""

    id: str
    round: int
    state: State
    reason: str
    at: int  # ms since the epoch
    has_task: bool = True  # False: its record is damaged

    @property
    def member(self) -> bytes:
        """Return it as `note_unsettled` of lua/shared/rare/ending.lua writes it."""
        return f"{self.id} {self.round} {self.state} {self.reason}".encode()


class Look(NamedTuple):
    """What there is to do for a maintenance process."""

    has_ends: bool  # that nobody was told of, or that their rows may not tell
    has_ledger: bool  # there was a durable job since the keys exist


class Unsettled:
    """The notes of one alias, and what else its ledger asks."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._run = client.run
        self._is_marked_in: Argument = ""  # the epoch in which this process has set the mark

    def count(self) -> int:
        """Return how many ends the rows may not tell yet."""
        key = self._client.keys("unsettled")
        return int(self._client.read(lambda pipe: pipe.zcard(key))[0] or 0)

    def look(self) -> Look:
        """Return whether ends wait for a maintenance process, and whether there is a ledger."""
        keys = self._client.keys

        def ask(pipe: Pipeline) -> None:
            pipe.zcard(keys("ended"))
            pipe.zcard(keys("unsettled"))
            pipe.hget(keys("meta"), "durable")

        ended, unsettled, durable = self._client.read(ask)
        return Look(bool(ended or unsettled), durable is not None)

    def read(self, start: int, limit: int) -> dict[bytes, Note | None]:
        """Return notes from rank `start` on, the oldest first; None: it can't be read."""
        key, stop = self._client.keys("unsettled"), start + limit - 1
        (found,) = self._client.read(lambda pipe: pipe.zrange(key, start, stop, withscores=True))
        return {member: _read_note(member, int(at)) for member, at in found or ()}

    def drop(self, members: Iterable[bytes]) -> None:
        """Remove notes whose rows are written."""
        if words := list(members):
            self._execute("ZREM", self._client.keys("unsettled"), *words)

    def held(self, ids: Iterable[str]) -> dict[str, Note]:
        """Return how jobs stand in Redis; those that it does not hold are left out."""
        wanted = list(ids)
        replies = self._client.read(
            lambda pipe: [pipe.hmget(self._client.keys("job", one), _HELD) for one in wanted]
        )
        return {
            job_id: _read_held(job_id, reply or (None,) * len(_HELD))
            for job_id, reply in zip(wanted, replies, strict=True)
            if reply is None or any(reply)
        }

    def value(self, job_id: str) -> str | None:
        """Return the value of a job that succeeded, as JSON; None: null, or it is gone."""
        key = self._client.keys("result", job_id)
        (found,) = self._client.read(lambda pipe: pipe.get(key))
        return None if found is None else text(found)

    def settle(self, job_id: str, round: int, state: State, reason: str, value: str) -> State:
        """Set a job that does not run to the state of its row; return its state now.

        Raises: JobNotFound.
        """
        given = {"state": state, "result": value, "reason": reason}
        reply = self._run("settle", id=job_id, round=round, **given)
        if not reply:
            raise JobNotFound(f"There is no job {job_id}.")
        return STATE_OF.get(reply[1], State.FAILED)

    def mark_durable(self) -> None:
        """Note, once per process and epoch, that workers have a ledger to look after."""
        self._client.attach()
        if self._is_marked_in != self._client.epoch:
            self._execute("HSET", self._client.keys("meta"), "durable", "1")
            self._is_marked_in = self._client.epoch

    def _execute(self, *words: Argument) -> None:
        try:
            self._client.execute(*words)
        except RedisError as error:
            raise self._client.unavailable(error) from error


def _read_note(member: bytes, at: int) -> Note | None:
    """Read what `note_unsettled` of lua/shared/rare/ending.lua wrote."""
    job_id, round, state, reason = [*member.split(b" ", 3), b"", b"", b""][:4]
    found = STATE_OF.get(state)
    if not is_id(text(job_id)) or not (found and found.is_final) or not round.isdigit():
        return None
    return Note(text(job_id), int(round), found, text(reason), at)


def _read_held(job_id: str, values: Sequence[bytes | None]) -> Note:
    fields = dict(zip(_HELD, values, strict=True))
    state = STATE_OF.get(fields[b"state"] or b"", State.FAILED)
    reason, has_task = text(fields[b"reason"] or b""), bool(fields[b"task"])
    finished_at, attempted_at, took = (ms_in(fields, name) for name in _TIMES)
    at = finished_at or attempted_at + took  # as Job.read has it
    return Note(job_id, ms_in(fields, b"round"), state, reason, at, has_task)
