"""The settings of tests whose Redis is replicated: by Sentinel, or as a cluster."""

from typing import Any

BACKEND = "django_jobqueue.backend.JobQueueBackend"
CLUSTER_ALIASES = ("default", "mail", "files")  # each on another of three nodes


def by_sentinel(service: str, sentinels: list[tuple[str, int]], lease: float) -> dict[str, Any]:
    """Return settings that find the master through the cache, as docs/how-to/find-redis.md says."""
    cache = {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": f"redis://{service}/0",
        "OPTIONS": {
            "CLIENT_CLASS": "django_redis.client.SentinelClient",
            "SENTINELS": [tuple(address) for address in sentinels],
        },
    }
    options = {"STORE_IN_TESTS": True, "LEASE": lease}
    return {
        "DJANGO_REDIS_CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
        "CACHES": {"default": cache},
        "TASKS": {"default": {"BACKEND": BACKEND, "OPTIONS": options}},
    }


def as_cluster(url: str, lease: float) -> dict[str, Any]:
    """Return settings with aliases in different hash slots of a cluster."""
    options = {"URL": url, "CLUSTER": True, "STORE_IN_TESTS": True, "LEASE": lease}
    entry = {"BACKEND": BACKEND, "OPTIONS": options}
    return {"TASKS": dict.fromkeys(CLUSTER_ALIASES, entry)}
