"""Find the configured Redis and create connection pools to it.

Host, login, TLS and Sentinel come from `OPTIONS["URL"]`, whose scheme conf.py checks, or from an
alias of `CACHES`. The pool and the database number are never those of a cache: a cache's pool has
other time-outs, and `cache.clear()` is FLUSHDB.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from redis import ConnectionPool
from redis import exceptions as redis_errors
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel

from django_jobqueue.conf import Options
from django_jobqueue.engine.cluster import cluster_pool
from django_jobqueue.engine.errors import NO_RETRY

DEFAULT_DB = 1
SOCKET_TIMEOUT = 5.0  # seconds
# After one of these errors, another try may find the server that is in charge now.
_RETRY_ON = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.ReadOnlyError,
    redis_errors.MovedError,
)
_COMMON: dict[str, Any] = {
    "socket_connect_timeout": 3.0,
    "socket_timeout": SOCKET_TIMEOUT,
    "socket_keepalive": True,
    "max_connections": 2**31,  # for any number of threads; redis-py's default is 100
    "health_check_interval": 0,  # a repeated call replaces a stale connection
    "retry": NO_RETRY,
}
# For calls that may fail but must not take long.
BEST_EFFORT_TIMEOUTS = _COMMON | {"socket_connect_timeout": 0.1, "socket_timeout": 0.1}
# Prefixes of pool arguments that are of use only to their own pool (redis-py ≥ 6).
_POOL_ONLY = ("maint_notif", "orig_", "oss_cluster", "event_dispatcher", "himport")


def caller_timeouts(timeout: float = SOCKET_TIMEOUT) -> dict[str, Any]:
    """Return time-outs for a caller that enqueues or reads: two tries of `timeout` seconds.

    Every script may be repeated, so redis-py's own retry is safe.
    """
    return _COMMON | {
        "socket_connect_timeout": timeout,
        "socket_timeout": timeout,
        "retry": Retry(ExponentialBackoff(cap=0.5, base=0.05), 1, _RETRY_ON),
    }


def worker_timeouts(block: float) -> dict[str, Any]:
    """Return time-outs for a worker that blocks up to `block` seconds and repeats calls itself."""
    return _COMMON | {"socket_timeout": block + SOCKET_TIMEOUT}


def supervisor_timeouts(lease: float) -> dict[str, Any]:
    """Return time-outs for renewals of leases of `lease` seconds: a call must end in time."""
    timeout = max(0.5, min(3.0, lease / 10))
    return _COMMON | {"socket_connect_timeout": timeout, "socket_timeout": timeout}


def make_pool(options: Options, settings: dict[str, Any], key: str = "") -> ConnectionPool:
    """Return a new pool to the configured server, or to the cluster node that owns `key`.

    Raises: ImproperlyConfigured if no Redis is configured.
    """
    if not options.cluster:
        return _pool(options, settings, DEFAULT_DB)
    pool = _pool(options, settings, 0)  # the only database that every cluster has
    if "port" not in pool.connection_kwargs:
        raise ImproperlyConfigured(
            "OPTIONS['CLUSTER'] needs a host and port in OPTIONS['URL'] or OPTIONS['CACHE']: "
            "a Unix socket or a Sentinel leads to no cluster."
        )
    given = _connection_arguments(pool.connection_kwargs)
    return cluster_pool(pool.connection_class, given, key, options.cluster_nodes)


def _pool(options: Options, settings: dict[str, Any], default_db: int) -> ConnectionPool:
    if options.url is not None:
        pool = _pool_from_url(options.url, options.db, settings, default_db)
    else:
        pool = _pool_from_cache(options.cache, options.db, settings, default_db)
    login = {"username": options.username, "password": options.password}
    pool.connection_kwargs.update({key: word for key, word in login.items() if word is not None})
    return pool


def address_of(pool: ConnectionPool) -> str:
    """Return a pool's host and port, path or service, and its database, without login."""
    given = pool.connection_kwargs
    place = given.get("path") or f"{given.get('host', 'localhost')}:{given.get('port', 6379)}"
    if name := getattr(pool, "service_name", None):
        place = f"sentinel service {name}"
    if "nodes" in given:
        place = f"cluster of {place}"
    return f"{place}, database {given.get('db', 0)}"


def cache_pool(name: str) -> ConnectionPool | None:
    """Return the pool of a CACHES alias; None unless the alias is a Redis with one master."""
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
    place = _server_and_database(pool)
    return [
        name
        for name in caches.settings
        if (found := cache_pool(name)) and _server_and_database(found) == place
    ]


def _server_and_database(pool: ConnectionPool) -> tuple[object, ...]:
    given = pool.connection_kwargs
    host = str(given.get("host", "localhost")).replace("127.0.0.1", "localhost")
    server = given.get("path") or (host, int(given.get("port", 6379)))
    return getattr(pool, "service_name", None) or server, int(given.get("db") or 0)


def _connection_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a pool's connection arguments, without those of use only to that pool."""
    return {key: value for key, value in given.items() if not key.startswith(_POOL_ONLY)}


def _pool_from_url(
    url: str, db: int | None, settings: dict[str, Any], default_db: int
) -> ConnectionPool:
    if url.startswith("unix://"):
        settings = {k: v for k, v in settings.items() if k != "socket_keepalive"}
    try:
        pool = ConnectionPool.from_url(url, **settings)
        if not url.startswith("unix://") and (path := urlsplit(url).path.strip("/")):
            int(path)  # redis-py takes database 0 for what is no number
    except ValueError:  # its text may quote the password
        raise ImproperlyConfigured(
            "OPTIONS['URL'] can't be read: port and database must be numbers, and a '/', '#', "
            "'?' or '@' in the password must be percent-encoded."
        ) from None
    if db is not None:
        pool.connection_kwargs["db"] = db
    pool.connection_kwargs.setdefault("db", default_db)
    pool.connection_kwargs["decode_responses"] = False  # payloads and results are bytes
    try:
        pool.connection_class(**pool.connection_kwargs)  # connects later
    except (TypeError, ValueError, RedisError) as error:
        options = ", ".join(sorted(parse_qs(urlsplit(url).query))) or "none"
        raise ImproperlyConfigured(
            f"OPTIONS['URL'] has options that redis-py does not take ({type(error).__name__}). "
            f"They are: {options}."
        ) from None
    return pool


def _pool_from_cache(
    name: str | None, db: int | None, settings: dict[str, Any], default_db: int
) -> ConnectionPool:
    source: Any = _cache_source(name)
    given = _connection_arguments(source.connection_kwargs)
    given |= settings | {"db": default_db if db is None else db, "decode_responses": False}
    given.pop("retry_on_error", None)
    if "path" in given:
        for unknown in ("host", "port", "socket_keepalive"):
            given.pop(unknown, None)
    if hasattr(source, "sentinel_manager"):
        given.pop("connection_pool", None)  # refers to the source
        sentinel: ConnectionPool = type(source)(
            source.service_name,
            _sentinels(
                source.sentinel_manager, min(1.0, settings.get("socket_connect_timeout", 1.0))
            ),
            is_master=True,
            connection_class=source.connection_class,
            **given,
        )
        return sentinel
    return ConnectionPool(source.connection_class, **given)


def _sentinels(manager: Any, timeout: float) -> Sentinel:
    """Return the sentinels of a cache with a short time-out, as they are asked in turn."""
    places = [
        (given["host"], given["port"])
        for given in (one.connection_pool.connection_kwargs for one in manager.sentinels)
    ]
    quick = {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": NO_RETRY,
    }
    make: Any = Sentinel
    found: Sentinel = make(
        places,
        min_other_sentinels=manager.min_other_sentinels,
        sentinel_kwargs={**manager.sentinel_kwargs, **quick},
    )
    return found


def _cache_source(name: str | None) -> ConnectionPool:
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
