"""Run the scripts of one alias, and read pipelines, over one set of connections (sockets.py)."""

import threading
import time
from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from typing import Any
from weakref import WeakSet

from redis import ConnectionPool, Redis
from redis.client import Pipeline
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from django_jobqueue.conf import Options
from django_jobqueue.engine import handshake
from django_jobqueue.engine.call import Call
from django_jobqueue.engine.errors import FORBIDDEN, UNREACHABLE, fault_of, strip_arguments
from django_jobqueue.engine.keys import Keys
from django_jobqueue.engine.locate import address_of, caller_timeouts, make_pool
from django_jobqueue.engine.repeats import check_time
from django_jobqueue.engine.scripts import Argument, Scripts, standard
from django_jobqueue.engine.sockets import Sockets, pack, read_last, read_reply
from django_jobqueue.exceptions import QueueUnavailable

# Scripts that run unattached. A run may go on and end although the keys have another owner now: its
# fence protects them. `adopt` is what changes the owner.
UNATTACHED = frozenset({"finish", "renew", "release_slot", "progress", "log", "adopt"})
FAIL_FAST = 1.0  # seconds that callers are refused at once after the server was not reached

Ask = Callable[[Pipeline], object]  # puts commands into a pipeline

_clients: WeakSet["Client"] = WeakSet()  # of this process


class Client:
    """Run scripts on the keys of one alias, after checking that this project owns them."""

    def __init__(
        self,
        alias: str,
        options: Options,
        *,
        timeouts: dict[str, Any] | None = None,
        scripts: Scripts | None = None,
    ) -> None:
        """Prepare without connecting; without `timeouts`, for a caller, who must not wait long."""
        self.alias = alias
        self.options = options
        self.keys = Keys(options.prefix, alias)
        self.scripts = standard() if scripts is None else scripts
        self.pool: ConnectionPool = make_pool(
            options, timeouts or caller_timeouts(options.timeout), self.keys.prefix
        )
        self.redis = Redis(connection_pool=self.pool)  # builds pipelines and parses replies
        self.epoch: Argument = ""  # of the keys that this process attached to
        self.check_time = partial(check_time, options.timeout)
        self.retry: Retry = self.pool.connection_kwargs["retry"]
        self.sockets = Sockets(self.pool)
        self._is_attached = False
        self._lock = threading.Lock()
        self._failure: RedisError | None = None  # the last one to reach the server
        self._failed_at = 0.0  # monotonic
        self._pause = 0.0 if timeouts else FAIL_FAST
        _clients.add(self)

    def run(
        self,
        script: str,
        rest: Sequence[Argument] = (),
        meanwhile: Callable[[], object] | None = None,
        /,
        **given: Argument,
    ) -> Any:
        """Run a script by name; `rest` is its last argument if that is a list.

        `meanwhile` is called when the script is sent, before its reply is read.
        Raises: QueueUnavailable with the Redis error as its cause, and the errors of `attach`.
        """
        if not self._is_attached and script not in UNATTACHED:
            self.attach()
        call = Call(self, script, rest, given)
        try:
            call.connection = self.sockets.send(call.packed())
        except RedisError as error:
            call.failure = error  # `receive` raises it, or tries again
        if meanwhile is not None:
            meanwhile()
        return call.receive()

    def run_after(
        self, wait: Sequence[Argument], script: str, rest: Sequence[Argument], /, **given: Argument
    ) -> Any:
        """Run a script as soon as a command ends that waits, without a round trip between them.

        Both are sent at once, and the reply to the first is not returned.
        Raises: the errors of `run`.
        """
        self.attach()
        call = Call(self, script, rest, given)
        try:
            call.connection = self.sockets.send(pack(wait) + call.packed())
            call.read = read_last
        except RedisError as error:
            call.failure = error
        return call.receive()

    def read(self, ask: Ask) -> list[Any]:
        """Send what `ask` puts into a pipeline in one round trip; return the replies.

        A key of the wrong type reads as None, so that the replies for the others are returned.
        Raises: the errors of `run`.
        """
        self.attach()
        try:
            replies = self._read(ask)
        except RedisError as error:
            raise self.unavailable(error) from error
        return [self.reply_or_none(reply) for reply in replies]

    def execute(self, *words: Argument) -> Any:
        """Send one command without attaching, and return the reply as it is.

        Raises: RedisError.
        """
        return self.exchange(pack(words), read_reply)

    def exchange(self, data: bytes, read: Callable[[Any], Any]) -> Any:
        """Send packed commands, and return what `read` reads; try again where that may help."""
        return self.retry.call_with_retry(
            lambda: self.sockets.receive(self.sockets.send(data), read), self.check_time
        )

    def attach(self) -> None:
        """Check the server and attach to the keys, unless this was done already.

        Raises: ServerUnfit, OwnerMismatch, SchemaMismatch, QueueUnavailable.
        """
        came_at = time.monotonic()
        with self._lock:
            if self._is_attached:
                return
            # Nor may each call of a caller, or each thread that waited, take a time-out of its own.
            if self._failure and self._failed_at > came_at - self._pause:
                raise self._refusal(self._failure) from self._failure
            try:
                handshake.check_server(self._read, self.address())
                self.epoch = handshake.attach(
                    self._evaluate, self.options, self.keys.prefix, self.address(), self.epoch
                )
            except RedisError as error:
                raise self.unavailable(error) from error
            self._is_attached = True

    def try_again(self) -> None:
        """Make the next call try to reach the server, however recently that failed."""
        self._failure = None

    def check_rights(self) -> None:
        """Check that the user may run all commands of the scripts.

        Raises: ServerUnfit, QueueUnavailable.
        """
        try:
            handshake.check_rights(self._evaluate, self.address())
        except RedisError as error:
            raise self.unavailable(error) from error

    def detach(self) -> None:
        """Make the next call attach again."""
        self._is_attached = False

    def unavailable(self, error: RedisError, sent: bool = False) -> QueueUnavailable:
        """Return our error for one of redis-py's; detach if the server may have changed.

        `sent`: a script that writes was sent, and no reply came.
        """
        strip_arguments(error)
        fault = fault_of(error)
        if fault.server_may_have_changed:
            self.sockets.close()
        if fault.server_may_have_changed or fault is FORBIDDEN:
            self.detach()
        if fault is UNREACHABLE:
            # Keep a copy: the error itself has a traceback, which keeps the callers' variables.
            self._failure, self._failed_at = copy(error), time.monotonic()
        return self._refusal(error, sent)

    def _refusal(self, error: RedisError, sent: bool = False) -> QueueUnavailable:
        said, fault = str(error).rstrip("."), fault_of(error)
        return QueueUnavailable(
            f'Redis of the alias "{self.alias}" ({self.address()}): {said}. {fault.advice}'
            + " The command may have been carried out." * sent,
            passing=fault.passing,
            maybe_stored=sent,
        )

    def address(self) -> str:
        """Return the address of the server, without login."""
        return address_of(self.pool)

    def close(self) -> None:
        """Close all connections; the next call opens new ones."""
        self.sockets.close()
        self.pool.disconnect()

    def _evaluate(self, name: str, rest: Sequence[Argument], given: dict[str, Argument]) -> Any:
        return Call(self, name, rest, given).reply()

    def _read(self, ask: Ask) -> list[Any]:
        """Return the replies to a pipeline; the reply to a refused command is its error."""
        pipe = self.redis.pipeline(transaction=False)
        ask(pipe)
        commands = pipe.command_stack
        if not commands:
            return []
        read = partial(self._read_replies, commands)
        data = b"".join([pack(words) for words, _ in commands])
        replies: list[Any] = self.exchange(data, read)
        return replies

    def _read_replies(self, commands: Sequence[Any], connection: Any) -> list[Any]:
        """Parse the replies to the commands of a pipeline as redis-py does."""
        parse: Callable[..., Any] = self.redis.parse_response
        replies: list[Any] = []
        for words, options in commands:
            try:
                replies.append(parse(connection, words[0], **options))
            except ResponseError as error:
                replies.append(error)
        return replies

    def reply_or_none(self, reply: Any) -> Any:
        """Return a reply; None for a key of the wrong type, and raise other errors as `run`."""
        if not isinstance(reply, RedisError):
            return reply
        if str(reply).startswith("WRONGTYPE"):
            return None
        raise self.unavailable(reply) from reply


def forget_sockets() -> None:
    """Drop all connections of all clients in a forked process: they belong to its parent."""
    for client in list(_clients):
        client.sockets.forget()
        client._lock = threading.Lock()
