"""Read very much in one round trip, without the work of redis-py for each command and reply."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from redis.exceptions import RedisError, ResponseError

from django_jobqueue.engine.client import Client
from django_jobqueue.engine.scripts import Argument
from django_jobqueue.engine.sockets import pack


def read_raw(client: Client, commands: Sequence[Sequence[Argument]]) -> list[Any]:
    """Send commands that read, and return the replies as the server's protocol has them.

    A key of the wrong type reads as None.
    Raises: the errors of `Client.run`.
    """
    client.attach()
    if not commands:
        return []
    data = b"".join(map(pack, commands))
    try:
        replies = client.exchange(data, partial(_read_all, len(commands)))
    except RedisError as error:
        raise client.unavailable(error) from error
    return list(map(client.reply_or_none, replies))


def _read_all(many: int, connection: Any) -> list[Any]:
    """Return so many replies; the reply to a refused command is its error."""
    replies: list[Any] = []
    for _ in range(many):
        try:
            replies.append(connection.read_response())
        except ResponseError as error:
            replies.append(error)
    return replies
