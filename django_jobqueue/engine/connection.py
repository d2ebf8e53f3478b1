"""The road to one alias's keys: run scripts there, once it is sure that they are ours."""

import logging
import secrets
import threading
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any

from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from django_jobqueue.engine.keys import SCHEMA, Keys
from django_jobqueue.engine.pool import CALLER, address_of, make_pool
from django_jobqueue.engine.scripts import Argument, Scripts, standard
from django_jobqueue.exceptions import (
    OwnerMismatch,
    QueueUnavailable,
    SchemaMismatch,
    ServerUnfit,
)
from django_jobqueue.options import Options
from django_jobqueue.payload import Signer

logger = logging.getLogger("django_jobqueue")

MIN_VERSION = (6, 2)


class Connection:
    """The road to one alias's keys: a client, its pool, the key prefix, the scripts."""

    def __init__(
        self,
        alias: str,
        options: Options,
        *,
        timeouts: dict[str, Any] | None = None,
        scripts: Scripts | None = None,
    ) -> None:
        """Prepare a client without connecting; `timeouts` are CALLER's by default."""
        self.alias = alias
        self.options = options
        self.keys = Keys(options.prefix, alias)
        self.scripts = standard() if scripts is None else scripts
        self.incarnation = ""
        self.client: Redis = Redis(connection_pool=make_pool(options, timeouts or CALLER))
        self._idle: deque[Any] = deque()
        self._attached = False
        self._lock = threading.Lock()

    def call(self, script: str, rest: Sequence[Argument] = (), /, **given: Argument) -> Any:
        """Run a script by name.

        Raises: QueueUnavailable with the Redis error as its cause, and what `attach` raises.
        """
        if not self._attached:
            self.attach()
        try:
            return getattr(self.scripts, script)(self.execute, self.keys.prefix, rest, **given)
        except RedisError as error:
            raise self.unavailable(error) from error

    def execute(self, *words: Argument) -> Any:
        """Send one command and return the reply, over a connection of this thread's own.

        Shorter than redis-py's client by what that does around each command (decision 5).
        Raises: RedisError.
        """
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self.client.connection_pool.make_connection()
        exchange = partial(_exchange, connection, words)
        try:
            return connection.retry.call_with_retry(exchange, lambda _: connection.disconnect())
        except ResponseError:
            raise  # a refusal is a reply: the connection is sound
        except BaseException:
            connection.disconnect()  # a reply may still be on its way
            raise
        finally:
            self._idle.append(connection)  # a closed one opens at its next use

    def attach(self) -> None:
        """Check the server, and agree with it on owner and schema.

        Raises: ServerUnfit, OwnerMismatch, SchemaMismatch, QueueUnavailable.
        """
        with self._lock:
            if self._attached:
                return
            try:
                self._check_server()
                owners = Signer(self.options.signing_keys).owners()
                reply = self.scripts.attach(
                    self.execute,
                    self.keys.prefix,
                    owners,
                    schema=SCHEMA,
                    incarnation=secrets.token_hex(8),
                )
            except RedisError as error:
                raise self.unavailable(error) from error
            verdict, schema, incarnation, owner = (word.decode() for word in reply)
            self._judge(verdict, schema, owner)
            self.incarnation = incarnation
            self._attached = True

    def unavailable(self, error: RedisError) -> QueueUnavailable:
        """Return our error for one of redis-py's, and attach anew before the next call."""
        if isinstance(error, RedisConnectionError | RedisTimeoutError):
            self._attached = False
        if isinstance(error, AuthenticationError | NoPermissionError):
            advice = "Check user, password and ACL of the configured Redis."
        elif isinstance(error, RedisConnectionError | RedisTimeoutError):
            advice = "Is the server running, and OPTIONS['URL'] or OPTIONS['CACHE'] right?"
        else:
            advice = "The command was refused."
        return QueueUnavailable(
            f'Redis of the alias "{self.alias}" ({self.address()}): {error} {advice}'
        )

    def address(self) -> str:
        """Return where the server is, without login."""
        return address_of(self.client.connection_pool)

    def close(self) -> None:
        """Close all connections; the next call opens new ones."""
        while self._idle:
            self._idle.pop().disconnect()
        self.client.connection_pool.disconnect()

    def _check_server(self) -> None:
        try:
            info = {**self.client.info("server"), **self.client.info("memory")}
        except NoPermissionError:
            logger.info("The Redis user may not run INFO: version and eviction go unchecked.")
            return
        version = str(info.get("redis_version", "0"))
        if tuple(int(part) for part in version.split(".")[:2]) < MIN_VERSION:
            raise ServerUnfit(
                f"The server at {self.address()} is Redis {version}; "
                "django_jobqueue needs Redis 6.2 or Valkey 7.2, or newer."
            )
        policy = str(info.get("maxmemory_policy", ""))
        if policy.startswith("allkeys-"):
            raise ServerUnfit(
                f"The server at {self.address()} has maxmemory-policy {policy}: it may throw "
                "waiting jobs away. Set it to noeviction, or use a server of its own."
            )

    def _judge(self, verdict: str, schema: str, owner: str) -> None:
        if verdict == "foreign":
            raise OwnerMismatch(
                f"The keys {self.keys.prefix}* at {self.address()} belong to another project or "
                f"key (owner {owner}): set PREFIX, or add the old key to SECRET_KEY_FALLBACKS."
            )
        if schema.partition(".")[0] != SCHEMA.partition(".")[0]:
            raise SchemaMismatch(
                f"The keys {self.keys.prefix}* have schema {schema}, this version speaks {SCHEMA}: "
                "deploy the version that matches."
            )


def _exchange(connection: Any, words: tuple[Argument, ...]) -> Any:
    connection.send_command(*words)
    return connection.read_response()
