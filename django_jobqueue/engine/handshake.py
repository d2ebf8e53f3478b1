"""Check a server before its use, and attach to its keys or adopt them.

The client attaches before the first script of a process, and again when the server may have been
emptied or replaced.
"""

import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from redis.client import Pipeline
from redis.exceptions import NoPermissionError, RedisError

from django_jobqueue.conf import Options
from django_jobqueue.engine.keys import SCHEMA
from django_jobqueue.engine.scripts import Argument
from django_jobqueue.exceptions import OwnerMismatch, SchemaMismatch, ServerUnfit
from django_jobqueue.jobs.signing import Signer
from django_jobqueue.jobs.text import raw, text

logger = logging.getLogger("django_jobqueue")

MIN_VERSION = (6, 2)
# The commands of the scripts, by the least number of words that follow the key.
COMMANDS = {
    0: "DEL EXISTS GET HGETALL HLEN HRANDFIELD INCR LLEN TYPE UNLINK ZCARD ZPOPMIN",
    1: "EXPIRE HDEL HGET HMGET RPUSH SET ZMSCORE ZREM ZSCORE",
    2: "GETRANGE HINCRBY HSET HSETNX LRANGE LSET LTRIM SETRANGE ZADD ZCOUNT ZRANGE "
    "ZRANGEBYLEX ZRANGEBYSCORE",
}


def check_server(read: Callable[..., Sequence[Any]], address: str) -> None:
    """Check that the server is new enough and evicts no jobs; `read` sends a pipeline.

    Raises: ServerUnfit, RedisError.
    """

    def ask(pipe: Pipeline) -> None:
        pipe.info("server")
        pipe.info("memory")

    info: dict[str, Any] = {}
    for reply in read(ask):
        if isinstance(reply, NoPermissionError) or str(reply).startswith("unknown command"):
            logger.info("INFO can't be run here: the version and eviction go unchecked.")
            return
        if isinstance(reply, RedisError):
            raise reply
        info |= reply
    if _version(info.get("redis_version", "0")) < MIN_VERSION:
        raise ServerUnfit(
            f"The server at {address} is Redis {info.get('redis_version')}; "
            "django_jobqueue needs Redis 6.2 or Valkey 7.2, or newer."
        )
    policy = str(info.get("maxmemory_policy", ""))
    if policy.startswith("allkeys-"):
        raise ServerUnfit(
            f"The server at {address} has maxmemory-policy {policy}: it may throw "
            "waiting jobs away. Set it to noeviction, or use a server of its own."
        )


def check_rights(evaluate: Callable[..., Any], address: str) -> None:
    """Check that the user may run all commands; without one a script would stop half-way.

    Raises: ServerUnfit, RedisError.
    """
    words = [
        word
        for count, names in COMMANDS.items()
        for name in names.split()
        for word in (name, count)
    ]
    refused = [text(name) for name in evaluate("acl_missing", words, {})]
    if refused:
        raise ServerUnfit(
            f"The Redis user may not run {', '.join(refused)} at {address}, which jobs need: give "
            "it the rights that the page Secure Redis of the documentation lists."
        )


def attach(
    evaluate: Callable[..., Any], options: Options, prefix: str, address: str, known: Argument
) -> Argument:
    """Attach the process to the keys; return their epoch.

    `evaluate` runs a script; `known` is the epoch that the process was attached to before, or "".
    Raises: OwnerMismatch, SchemaMismatch, RedisError.
    """
    owners = Signer(options.signing_keys).owners()
    given = {"schema": SCHEMA, "new_epoch": secrets.token_hex(8), "known": known}
    reply: list[bytes] = evaluate("attach", owners, given)
    ownership, schema, epoch, owner, change = map(text, reply)
    if ownership == "foreign":
        raise OwnerMismatch(
            f"The keys {prefix}* at {address} belong to another project or "
            f"key (owner {owner}): set PREFIX, or add the old key to SECRET_KEY_FALLBACKS. "
            "If they are to be this project's: manage.py jobqueue adopt."
        )
    if _major(schema) != _major(SCHEMA):
        raise SchemaMismatch(
            f"The keys {prefix}* have schema {schema}, this version speaks {SCHEMA} and can't read "
            "them: deploy the version that speaks it, or set another PREFIX to begin with new keys."
        )
    if change == "replaced":
        logger.critical(
            "The keys %s* at %s are not those that this process knew: Redis was emptied "
            "or replaced, and the jobs that stood there are gone.",
            prefix,
            address,
        )
    return raw(epoch)


def adopt(run: Callable[..., Any], options: Options) -> str:
    """Make this project the owner of the keys; return the tag of the former owner or "".

    `run` is that of the client. Raises: QueueUnavailable.
    """
    owner = Signer(options.signing_keys).owners()[0]
    former = run("adopt", schema=SCHEMA, new_epoch=secrets.token_hex(8), owner=owner)
    return text(former)


def _major(schema: str) -> str:
    return schema.partition(".")[0]


def _version(text: object) -> tuple[int, ...]:
    """Return a version as numbers; a part that is not a number counts as 0."""
    parts = str(text).split("-", 1)[0].split(".")
    return tuple(int(part) if part.isdigit() else 0 for part in parts)
