"""Find Redis, keep one connection pool per process and alias, and run scripts on it.

Host, login, TLS and Sentinel come from `OPTIONS["URL"]` or from an alias of `CACHES`,
but into a pool and a database number of our own: a cache's pool has other time-outs,
and `cache.clear()` is FLUSHDB.
"""

import logging
import secrets
import threading
from collections.abc import Sequence
from typing import Any

from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from redis import ConnectionPool, Redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    RedisError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from django_jobqueue.engine.keys import SCHEMA, Keys
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

DEFAULT_DB = 1
SOCKET_TIMEOUT = 5.0  # seconds
# A caller that enqueues: every script may be repeated, so redis-py's own retry is safe.
PRODUCER: dict[str, Any] = {
    "socket_connect_timeout": 3.0,
    "socket_timeout": SOCKET_TIMEOUT,
    "socket_keepalive": True,
    "health_check_interval": 25,
    "retry": Retry(ExponentialBackoff(cap=0.5, base=0.05), 2),
}
# What may fail but must not take long.
QUICK = PRODUCER | {
    "socket_connect_timeout": 0.1,
    "socket_timeout": 0.1,
    "retry": Retry(NoBackoff(), 0),
}
MIN_VERSION = (6, 2)
# Pool arguments that belong to the pool they were made for (redis-py ≥ 6).
_FOREIGN = ("maint_notif", "orig_", "oss_cluster", "event_dispatcher")


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
        """Prepare a client without connecting; `timeouts` are PRODUCER's by default."""
        self.alias = alias
        self.options = options
        self.keys = Keys(options.prefix, alias)
        self.scripts = standard() if scripts is None else scripts
        self.incarnation = ""
        self.client: Redis = Redis(connection_pool=make_pool(options, timeouts or PRODUCER))
        self._attached = False
        self._lock = threading.Lock()

    def call(self, script: str, rest: Sequence[Argument] = (), /, **given: Argument) -> Any:
        """Run a script by name.

        Raises: QueueUnavailable with the Redis error as its cause, and what `attach` raises.
        """
        if not self._attached:
            self.attach()
        try:
            return getattr(self.scripts, script)(self.client, self.keys.prefix, rest, **given)
        except RedisError as error:
            raise self.unavailable(error) from error

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
                    self.client,
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


def worker_timeouts(block: float) -> dict[str, Any]:
    """Return time-outs for one who blocks up to `block` seconds, and repeats calls itself."""
    return PRODUCER | {
        "socket_timeout": block + SOCKET_TIMEOUT,
        "health_check_interval": 0,
        "retry": Retry(NoBackoff(), 0),
    }


def make_pool(options: Options, settings: dict[str, Any]) -> ConnectionPool:
    """Return a pool of our own to the configured server.

    Raises: ImproperlyConfigured if no Redis is configured.
    """
    if options.url is not None:
        return _pool_from_url(options.url, options.db, settings)
    return _pool_from_cache(options.cache, options.db, settings)


def address_of(pool: ConnectionPool) -> str:
    """Return `host:port/db` or `path/db` of a pool, without login."""
    given = pool.connection_kwargs
    place = given.get("path") or f"{given.get('host', 'localhost')}:{given.get('port', 6379)}"
    if name := getattr(pool, "service_name", None):
        place = f"sentinel service {name}"
    return f"{place}, database {given.get('db', 0)}"


def cache_pool(name: str) -> ConnectionPool | None:
    """Return the pool of a CACHES alias; None if that is no Redis with one master."""
    cache: Any = caches[name]
    try:
        if hasattr(cache, "client"):  # django-redis
            client = cache.client.get_client(write=True)
        else:  # Django's own RedisCache
            client = cache._cache.get_client(None, write=True)
        pool = client.connection_pool
    except (AttributeError, NotImplementedError, TypeError):
        return None
    return pool if hasattr(pool, "connection_kwargs") else None


def caches_in(pool: ConnectionPool) -> list[str]:
    """Return the CACHES aliases whose `clear()` would empty the pool's database."""
    place = _place(pool)
    return [
        name for name in caches.settings if (found := cache_pool(name)) and _place(found) == place
    ]


def _place(pool: ConnectionPool) -> tuple[object, ...]:
    given = pool.connection_kwargs
    host = str(given.get("host", "localhost")).replace("127.0.0.1", "localhost")
    server = given.get("path") or (host, int(given.get("port", 6379)))
    return getattr(pool, "service_name", None) or server, int(given.get("db") or 0)


def _pool_from_url(url: str, db: int | None, settings: dict[str, Any]) -> ConnectionPool:
    if url.startswith("unix://"):
        settings = {k: v for k, v in settings.items() if k != "socket_keepalive"}
    try:
        pool = ConnectionPool.from_url(url, **settings)
    except ValueError as error:
        raise ImproperlyConfigured(f"OPTIONS['URL'] can't be used: {error}") from None
    if db is not None:
        pool.connection_kwargs["db"] = db
    pool.connection_kwargs.setdefault("db", DEFAULT_DB)
    return pool


def _pool_from_cache(name: str | None, db: int | None, settings: dict[str, Any]) -> ConnectionPool:
    source: Any = _source(name)
    given = {
        key: value
        for key, value in source.connection_kwargs.items()
        if not key.startswith(_FOREIGN)
    }
    given |= settings | {"db": DEFAULT_DB if db is None else db, "decode_responses": False}
    given.pop("retry_on_error", None)
    if "path" in given:
        for unknown in ("host", "port", "socket_keepalive"):
            given.pop(unknown, None)
    if hasattr(source, "sentinel_manager"):
        given.pop("connection_pool", None)  # refers to the source
        sentinel: ConnectionPool = type(source)(
            source.service_name,
            source.sentinel_manager,
            is_master=True,
            connection_class=source.connection_class,
            **given,
        )
        return sentinel
    return ConnectionPool(source.connection_class, **given)


def _source(name: str | None) -> ConnectionPool:
    if (name or "default") not in caches.settings:
        raise ImproperlyConfigured(
            f"OPTIONS['CACHE'] names {name!r}, which CACHES does not have: "
            f"{sorted(caches.settings)}."
        )
    pool = cache_pool(name or "default")
    if pool is None and name is None:
        raise ImproperlyConfigured(
            "No Redis is configured: set OPTIONS['URL'] to a redis://, rediss:// or unix:// "
            "address, or OPTIONS['CACHE'] to a Redis alias of CACHES (the default cache is none)."
        )
    if pool is None:
        raise ImproperlyConfigured(
            f"OPTIONS['CACHE'] names {name!r}, which is no Redis cache with one master "
            "(django-redis with its default or Sentinel client, or Django's RedisCache)."
        )
    return pool
