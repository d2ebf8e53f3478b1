"""The road to one alias's keys: run scripts there, once it is sure that they are ours."""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError

from django_jobqueue.conf import Options
from django_jobqueue.engine.errors import fault_of, unquote
from django_jobqueue.engine.keys import SCHEMA, Keys
from django_jobqueue.engine.locate import CALLER, address_of, make_pool
from django_jobqueue.engine.scripts import Argument, Scripts, standard
from django_jobqueue.engine.server import (
    Server,
    commands,
    read_server,
    refuse_powerless,
    refuse_unfit,
)
from django_jobqueue.engine.wires import Wires
from django_jobqueue.exceptions import (
    OwnerMismatch,
    QueueUnavailable,
    SchemaMismatch,
)
from django_jobqueue.jobs.payload import Signer

logger = logging.getLogger("django_jobqueue")

# Run by processes that are not attached: what keeps or ends a run, where the fence decides, so
# that a running job ends well while its keys are upgraded; and what changes the keys' names.
UNATTACHED = frozenset(
    {"finish", "renew", "release_slot", "progress", "log", "adopt", "begin_upgrade", "end_upgrade"}
)


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
        self.epoch = ""  # the name of the keys when this process met them
        self.schema = ""  # of the keys
        self.server: Server | None = None  # as it was when this process attached
        pool = make_pool(options, timeouts or CALLER, self.keys.prefix)
        self.client: Redis = Redis(connection_pool=pool)
        self._wires = Wires(pool)
        self.execute = self._wires.execute  # one command, without a look at whose keys they are
        self._attached = False
        self._lock = threading.Lock()
        self._failure: RedisError | None = None  # of `attach`, and when: monotonic
        self._failed_at = 0.0

    def call(self, script: str, rest: Sequence[Argument] = (), /, **given: Argument) -> Any:
        """Run a script by name.

        Raises: QueueUnavailable with the Redis error as its cause, and what `attach` raises.
        """
        if not self._attached and script not in UNATTACHED:
            self.attach()
        try:
            return self._run(script, rest, given)
        except RedisError as error:
            if not _is_detached(error):
                raise self.unavailable(error) from error
        self.detach()
        self.attach()
        try:
            return self._run(script, rest, given)
        except RedisError as error:
            raise self.unavailable(error) from error

    def read(self, ask: Callable[[Pipeline], object]) -> list[Any]:
        """Send what `ask` puts into a pipeline in one round trip; return the replies.

        A key of the wrong type reads as None: it must not hide the others.
        Raises: what `call` does.
        """
        self.attach()
        pipe = self.client.pipeline(transaction=False)
        ask(pipe)
        try:
            replies = pipe.execute(raise_on_error=False) if len(pipe) else []
        except RedisError as error:
            raise self.unavailable(error) from error
        return [self._readable(reply) for reply in replies]

    def attach(self, *, any_schema: bool = False) -> None:
        """Check the server, and agree with it on owner and schema.

        `any_schema` is for who upgrades it.
        Raises: ServerUnfit, OwnerMismatch, SchemaMismatch, QueueUnavailable.
        """
        came_at = time.monotonic()
        with self._lock:
            if self._attached:
                return
            # Not one time-out after the other: all who waited learn it from the first.
            if self._failure and self._failed_at > came_at:
                raise self.unavailable(self._failure) from self._failure
            try:
                self._check_server()
                reply = self.scripts.attach(
                    self.execute,
                    self.keys.prefix,
                    Signer(self.options.signing_keys).owners(),
                    schema=SCHEMA,
                    new_epoch=secrets.token_hex(8),
                    known=self.epoch,
                )
            except RedisError as error:
                # A copy has no traceback, which would keep what the callers have in hand.
                self._failure, self._failed_at = copy(error), time.monotonic()
                raise self.unavailable(error) from error
            verdict, schema, epoch, owner, change = (word.decode() for word in reply)
            self._judge_owner(verdict, owner)
            if not any_schema:
                self._judge_schema(schema, change)
            if change == "replaced":
                logger.critical(
                    "The keys %s* at %s are not those that this process knew: Redis was emptied "
                    "or replaced, and the jobs that stood there are gone.",
                    self.keys.prefix,
                    self.address(),
                )
            self.epoch, self.schema = epoch, schema
            self._attached = True

    def detach(self) -> None:
        """Attach anew before the next call."""
        self._attached = False

    def unavailable(self, error: RedisError) -> QueueUnavailable:
        """Return our error for one of redis-py's; look for the server anew if it may be another."""
        unquote(error)
        fault = fault_of(error)
        if fault.elsewhere:
            self.detach()
            self.client.connection_pool.disconnect(inuse_connections=False)
        said = str(error).rstrip(".")
        return QueueUnavailable(
            f'Redis of the alias "{self.alias}" ({self.address()}): {said}. {fault.advice}',
            passing=fault.passing,
        )

    def address(self) -> str:
        """Return where the server is, without login."""
        return address_of(self.client.connection_pool)

    def rights(self) -> list[str]:
        """Return the commands of the scripts that the user may not run.

        Raises: RedisError.
        """
        reply = self.scripts.rights(self.execute, self.keys.prefix, commands())
        return [name.decode() for name in reply]

    def close(self) -> None:
        """Close all connections; the next call opens new ones."""
        self._wires.close()
        self.client.connection_pool.disconnect()

    def _check_server(self) -> None:
        self.server = read_server(self.client)
        if self.server is not None:
            refuse_unfit(self.server, self.address())
        refuse_powerless(self.rights(), self.address())

    def _run(self, script: str, rest: Sequence[Argument], given: dict[str, Argument]) -> Any:
        found = getattr(self.scripts, script)
        if found.is_gated:
            given["epoch"] = self.epoch
        return found(self.execute, self.keys.prefix, rest, **given)

    def _readable(self, reply: Any) -> Any:
        if not isinstance(reply, RedisError):
            return reply
        if str(reply).startswith("WRONGTYPE"):
            return None
        raise self.unavailable(reply) from reply

    def _judge_owner(self, verdict: str, owner: str) -> None:
        if verdict == "foreign":
            raise OwnerMismatch(
                f"The keys {self.keys.prefix}* at {self.address()} belong to another project or "
                f"key (owner {owner}): set PREFIX, or add the old key to SECRET_KEY_FALLBACKS. "
                "If they are to be this project's: manage.py jobqueue adopt."
            )

    def _judge_schema(self, schema: str, change: str) -> None:
        if change == "upgrading":
            raise SchemaMismatch(
                f"The keys {self.keys.prefix}* are being upgraded from schema {schema}. If nobody "
                "is at it any more, go on with: manage.py jobqueue upgrade."
            )
        if major(schema) != major(SCHEMA):
            cure = (
                "deploy the version that speaks it."
                if major(schema) > major(SCHEMA)
                else "bring them to it with: manage.py jobqueue upgrade."
            )
            raise SchemaMismatch(
                f"The keys {self.keys.prefix}* have schema {schema}, this version speaks "
                f"{SCHEMA}: {cure}"
            )


def major(schema: str) -> int:
    """Return the first number of a schema; 0 of one that can't be read."""
    number = schema.partition(".")[0]
    return int(number) if number.isdigit() else 0


def _is_detached(error: RedisError) -> bool:
    return str(error).startswith("DETACHED")
