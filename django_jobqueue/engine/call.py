"""One call of a script: sent once, received later, repeated if need be.

Next: sockets.py has the connections.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError, RedisError

from django_jobqueue.engine.errors import mark_sent, was_sent
from django_jobqueue.engine.scripts import Argument
from django_jobqueue.engine.sockets import pack, read_reply

if TYPE_CHECKING:
    from django_jobqueue.engine.client import Client


class Call:
    """A script that `Client.run` has sent, and whose reply is still to be received."""

    __slots__ = ("_client", "_given", "_name", "_rest", "connection", "failure", "read")

    def __init__(
        self, client: "Client", name: str, rest: Sequence[Argument], given: dict[str, Argument]
    ) -> None:
        self._client = client
        self._name, self._rest, self._given = name, rest, given
        self.connection: Any = None  # on which the reply will come; None: it was not sent
        self.failure: RedisError | None = None  # of the sending
        self.read: Callable[[Any], Any] = read_reply  # from that connection

    def receive(self) -> Any:
        """Return the reply. Raises: the errors of `Client.run`."""
        client = self._client
        try:
            return self.reply()
        except RedisError as error:
            if not _is_detached(error):
                raise client.unavailable(error, was_sent(error)) from error
        client.detach()
        client.attach()
        try:
            return self.reply()
        except RedisError as error:
            raise client.unavailable(error, was_sent(error)) from error

    def reply(self) -> Any:
        """Return the reply, and try again as the client's pool says.

        Raises: RedisError.
        """
        tries: list[Exception] = []

        def failed(error: Exception) -> None:
            tries.append(error)
            self._client.check_time(error)

        again = self._client.retry.call_with_retry
        try:
            try:
                return again(self._try, failed)
            except NoScriptError:
                return again(partial(self._try, in_full=True), failed)
        except RedisError as error:
            if any(map(was_sent, tries)):  # an earlier try may have run the script
                mark_sent(error)
            raise

    def _try(self, in_full: bool = False) -> Any:
        """Return the reply to what was sent; if nothing was, send it first."""
        connection, failure, read = self.connection, self.failure, self.read
        self.connection, self.failure, self.read = None, None, read_reply
        if failure is not None:
            raise failure
        sockets = self._client.sockets
        return sockets.receive(connection or sockets.send(self.packed(in_full)), read)

    def packed(self, in_full: bool = False) -> bytes:
        """Return the script and its arguments as the bytes to send."""
        script = self._client.scripts.all[self._name]
        if script.is_gated:
            self._given["epoch"] = self._client.epoch
        words = script.arguments(self._client.keys.prefix, self._rest, self._given)
        head = ("EVAL", script.source) if in_full else ("EVALSHA", script.sha)
        return pack([*head, *words])


def _is_detached(error: RedisError) -> bool:
    return str(error).startswith("DETACHED")
