"""What is known of a server: its version, whether it may lose jobs, and who listens on the way.

`attach` refuses a server that is too old or may evict jobs. The rest is advice, given by
`manage.py check --deploy`.
"""

import ipaddress
import logging
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import ConnectionPool, Redis
from redis.connection import SSLConnection
from redis.exceptions import NoPermissionError

from django_jobqueue.exceptions import ServerUnfit

logger = logging.getLogger("django_jobqueue")

Version = tuple[int, ...]

MIN_VERSION: Version = (6, 2)


# What the scripts run, by the number of words that follow the key at least.
COMMANDS = {
    0: "DEL GET HGETALL INCR LLEN SMEMBERS TYPE UNLINK ZCARD ZPOPMIN",
    1: "EXPIRE HDEL HGET HMGET RPUSH SADD SET SISMEMBER SREM ZRANK ZREM ZSCORE",
    2: "GETRANGE HINCRBY HSET LRANGE LTRIM SETRANGE ZADD ZRANGE ZRANGEBYSCORE",
}


@dataclass(frozen=True, slots=True)
class Weakness:
    """A published fault of servers, and the first release of each branch without it."""

    cve: str
    what: str
    redis: tuple[Version, ...]
    valkey: tuple[Version, ...]
    since: Version = (0,)

    def is_in(self, server: "Server") -> bool:
        """Tell whether the version has it; one newer than all branches named here has not."""
        fixed = self.valkey if server.name == "Valkey" else self.redis
        if server.version < self.since:
            return False
        for release in fixed:
            if release[:2] == server.version[:2]:
                return server.version < release
        return server.version < max(fixed)


# What somebody can use who may do no more than the queue's own user: run scripts and block.
# (RESTORE, MIGRATE, streams and replication have had theirs; the user of the docs has none.)
WEAKNESSES = (
    Weakness(
        "CVE-2024-31449",
        "a script may run code",
        redis=((6, 2, 16), (7, 2, 6), (7, 4, 1)),
        valkey=((7, 2, 7), (8, 0, 1)),
    ),
    Weakness(
        "CVE-2024-46981",
        "a script may run code",
        redis=((6, 2, 17), (7, 2, 7), (7, 4, 2)),
        valkey=((7, 2, 8), (8, 0, 2)),
    ),
    Weakness(
        "CVE-2025-49844",
        "a script may run code; with CVE-2025-46817, -46818 and -46819",
        redis=((6, 2, 20), (7, 2, 11), (7, 4, 6), (8, 0, 4), (8, 2, 2)),
        valkey=((7, 2, 11), (8, 0, 6), (8, 1, 4)),
    ),
    Weakness(
        "CVE-2026-23479",
        "a client that blocks may run code",
        redis=((7, 2, 14), (7, 4, 9), (8, 2, 6), (8, 4, 3), (8, 6, 3)),
        valkey=((7, 2, 13), (8, 0, 9), (8, 1, 7), (9, 0, 4)),
        since=(7, 2),
    ),
)


@dataclass(frozen=True, slots=True)
class Server:
    """What INFO says of a server."""

    name: str  # Redis or Valkey
    version: Version
    redis_version: Version  # that a Valkey is compatible with
    policy: str  # maxmemory-policy

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.version))}"

    def weaknesses(self) -> list[Weakness]:
        """Return the published faults that this version has."""
        return [weakness for weakness in WEAKNESSES if weakness.is_in(self)]


def read_server(client: Redis) -> Server | None:
    """Ask the server; None if the user may not.

    Raises: RedisError.
    """
    try:
        info: Mapping[str, Any] = {**client.info("server"), **client.info("memory")}
    except NoPermissionError:
        logger.info("The Redis user may not run INFO: version and eviction go unchecked.")
        return None
    redis_version = _version(info.get("redis_version", "0"))
    valkey = info.get("valkey_version")
    return Server(
        "Redis" if valkey is None else "Valkey",
        redis_version if valkey is None else _version(valkey),
        redis_version,
        str(info.get("maxmemory_policy", "")),
    )


def refuse_unfit(server: Server, address: str) -> None:
    """Raise ServerUnfit for a server that must get no jobs."""
    if server.redis_version < MIN_VERSION:
        raise ServerUnfit(
            f"The server at {address} is Redis {'.'.join(map(str, server.redis_version))}; "
            "django_jobqueue needs Redis 6.2 or Valkey 7.2, or newer."
        )
    if server.policy.startswith("allkeys-"):
        raise ServerUnfit(
            f"The server at {address} has maxmemory-policy {server.policy}: it may throw "
            "waiting jobs away. Set it to noeviction, or use a server of its own."
        )


def commands() -> list[str | int]:
    """Return each command of the scripts and how many words follow its key."""
    return [
        word
        for words, names in COMMANDS.items()
        for name in names.split()
        for word in (name, words)
    ]


def refuse_powerless(refused: Sequence[str], address: str) -> None:
    """Raise ServerUnfit if the user may not run some commands: no script may begin then."""
    if refused:
        raise ServerUnfit(
            f"The Redis user may not run {', '.join(refused)} at {address}, which jobs need: give "
            "it the rights that the page Secure Redis of the documentation lists."
        )


def exposures(pool: ConnectionPool) -> Iterator[str]:
    """Yield what is open to others on the way to the server, as ends of a sentence."""
    given = pool.connection_kwargs
    if given.get("path") or (_is_here(given.get("host")) and not hasattr(pool, "service_name")):
        return
    if not issubclass(pool.connection_class, SSLConnection):
        secret = given.get("password") or given.get("credential_provider")
        what = "the password and all jobs" if secret else "all jobs"
        yield f"{what} go over the network without encryption"
    elif given.get("ssl_cert_reqs", "required") in (None, "none", ssl.CERT_NONE):
        yield "TLS does not look at the server's certificate, so anybody can pose as the server"


def _is_here(host: object) -> bool:
    """Tell whether a host name means this machine."""
    name = str(host or "localhost")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _version(text: object) -> Version:
    """Return a version as numbers; a part that is none counts as 0."""
    parts = str(text).split("-", 1)[0].split(".")
    return tuple(int(part) if part.isdigit() else 0 for part in parts)
