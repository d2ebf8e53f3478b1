"""The open connections of one client: each is used by one call at a time.

They are redis-py's, without the pool and the `execute_command` around them, whose work per command
costs more than the command (docs/decisions/0005). A broken connection is discarded; a new one looks
for the server again, since another may have taken over.
"""

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from redis import ConnectionPool
from redis.exceptions import ResponseError

from django_jobqueue.engine.errors import NO_RETRY, fault_of, mark_sent, strip_arguments
from django_jobqueue.engine.scripts import Argument

try:
    from hiredis import pack_command
except ImportError:  # no wheel for this platform

    def pack_command(cmd: tuple[Any, ...]) -> bytes:  # type: ignore[misc]
        """Return a command of texts and bytes as the bytes to send."""
        parts = [b"*%d\r\n" % len(cmd)]
        for word in cmd:
            data = word if isinstance(word, bytes) else word.encode()
            parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
        return b"".join(parts)


NUMBERS = frozenset({int, float})
_packed: Callable[[tuple[Any, ...]], bytes] = pack_command


def pack(words: Iterable[Argument]) -> bytes:
    """Return a command as the bytes to send."""
    # Numbers are spelled here: hiredis asks for their repr(), where the handler of a signal may
    # raise (a task's time is over), and it would crash the process (hiredis-py 3.5, pack.c).
    every = tuple(words)
    if not NUMBERS.isdisjoint(map(type, every)):
        every = tuple([str(one) if type(one) in NUMBERS else one for one in every])
    return _packed(every)


class Packer:
    """Pack the commands that redis-py sends by itself, such as those that log in."""

    def pack(self, command: str, *words: Argument) -> list[bytes]:
        return [pack((*command.split(), *words))]


def read_reply(connection: Any) -> Any:
    return connection.read_response()


def read_last(connection: Any) -> Any:
    """Return the second of two replies; raise the error of either."""
    try:
        read_reply(connection)
    except ResponseError:
        with suppress(ResponseError):
            read_reply(connection)  # else the next call would take it for its own
        raise
    return read_reply(connection)


class Sockets:
    """Send commands and receive their replies, each over a connection of its own."""

    def __init__(self, pool: ConnectionPool) -> None:
        """Make connections of the class and with the arguments of a pool."""
        self._pool = pool
        self.idle: deque[Any] = deque()  # open connections that no call uses

    def send(self, data: bytes) -> Any:
        """Send packed commands; return the connection on which to receive their replies.

        Raises: RedisError.
        """
        try:
            connection = self.idle.pop()
        except IndexError:
            connection = self._open()
        try:
            connection.send_packed_command((data,))
        except BaseException as error:
            self._end(connection, error)
            raise
        return connection

    def receive(self, connection: Any, read: Callable[[Any], Any] = read_reply) -> Any:
        """Return what `read` reads from a connection that `send` returned.

        Raises: RedisError.
        """
        try:
            reply = read(connection)
        except BaseException as error:
            self._end(connection, error)
            raise
        self.idle.append(connection)
        return reply

    def close(self) -> None:
        """Close the idle connections."""
        with suppress(IndexError):  # other threads may empty it meanwhile
            while True:
                self.idle.pop().disconnect()

    def forget(self) -> None:
        """Drop the connections in a forked process: they belong to its parent."""
        self.idle.clear()

    def _end(self, connection: Any, error: BaseException) -> None:
        """Keep a connection after an error if that leaves it intact."""
        # An error reply does, unless the server is the wrong one.
        if isinstance(error, ResponseError) and not fault_of(error).server_may_have_changed:
            strip_arguments(error)
            self.idle.append(connection)
        else:
            mark_sent(error)
            connection.disconnect()  # a reply may still arrive
            self.close()  # idle connections lead to the same server

    def _open(self) -> Any:
        given = {**self._pool.connection_kwargs, "command_packer": Packer()}
        connection = self._pool.connection_class(**given)
        connection.retry = NO_RETRY  # the whole exchange is repeated, on another connection
        try:
            connection.connect()
        except ResponseError as error:
            strip_arguments(error)  # the log-in is among them
            raise
        return connection
