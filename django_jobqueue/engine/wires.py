"""Open connections to one server, each used by one call at a time.

Shorter than redis-py's client by what that does around each command (decision 5). A broken
connection is thrown away: the next one finds the server anew, which may be another by then.
"""

from collections import deque
from contextlib import suppress
from functools import partial
from typing import Any

from redis import ConnectionPool
from redis.exceptions import ResponseError
from redis.retry import Retry

from django_jobqueue.engine.errors import ONCE, fault_of, unquote
from django_jobqueue.engine.scripts import Argument


class Wires:
    """Send commands over as many connections as there are calls at a time."""

    def __init__(self, pool: ConnectionPool) -> None:
        """Prepare without connecting; `pool` says how to connect and how often to try."""
        self._pool = pool
        self._retry: Retry = pool.connection_kwargs["retry"]
        self._idle: deque[Any] = deque()

    def execute(self, *words: Argument) -> Any:
        """Send one command and return the reply.

        Raises: RedisError.
        """
        try:
            return self._retry.call_with_retry(partial(self._exchange, words), _again)
        except ResponseError as error:
            unquote(error)
            raise

    def close(self) -> None:
        """Close the idle connections; the next call opens new ones."""
        with suppress(IndexError):  # other threads take from it and close it too
            while True:
                self._idle.pop().disconnect()

    def _exchange(self, words: tuple[Argument, ...]) -> Any:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._open()
        try:
            connection.send_command(*words)
            reply = connection.read_response()
        except BaseException as error:
            # A refusal is a reply: the connection is sound, if it leads to the right server.
            if isinstance(error, ResponseError) and not fault_of(error).elsewhere:
                self._idle.append(connection)
            else:
                connection.disconnect()  # a reply may still be on its way
                self.close()  # what is idle leads to the same server
            raise
        self._idle.append(connection)
        return reply

    def _open(self) -> Any:
        connection = self._pool.connection_class(**self._pool.connection_kwargs)
        connection.retry = ONCE  # the whole exchange is repeated, with another connection
        connection.connect()
        return connection


def _again(error: Exception) -> None:
    """Do nothing between two tries: the broken connection is gone already."""
