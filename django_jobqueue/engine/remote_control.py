"""Tell workers what somebody wants of them, and read where their slots' stacks stand."""

import json
from enum import StrEnum

from redis.exceptions import RedisError

from django_jobqueue.engine.client import Client
from django_jobqueue.jobs.text import text


class Word(StrEnum):
    """What a worker can be told."""

    QUIET = "quiet"  # claim no more; stay
    STOP = "stop"  # end, as at SIGTERM
    STACKS = "stacks"  # tell where the stacks of the slots stand


class RemoteControl:
    """Tell workers of one alias."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def tell(self, worker: str, word: Word) -> bool:
        """Tell a worker a word, which it hears within a second; return whether it is known."""
        return bool(self._client.run("tell_worker", worker=worker, word=word.value))

    def stacks(self, worker: str) -> dict[str, str | None] | None:
        """Return the stack of each slot, None of one that did not answer; None: nothing is told."""
        try:
            found = self._client.execute("GET", self._client.keys("stacks", worker))
        except RedisError as error:
            raise self._client.unavailable(error) from error
        return None if found is None else _read(text(found))


def _read(found: str) -> dict[str, str | None]:
    """Return what a worker has stored; whatever else stands there is nothing."""
    try:
        given = json.loads(found)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(given, dict):
        return {}
    return {slot: told if isinstance(told, str) else None for slot, told in given.items()}
