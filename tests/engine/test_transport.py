"""Who can listen on the way to a server."""

import re
from typing import Any

import pytest

from django_jobqueue.conf import DEFAULT_RETENTION, DEFAULT_RETENTION_COUNT, Options
from django_jobqueue.engine.locate import make_pool
from django_jobqueue.engine.transport import exposures

PLAIN, UNCHECKED = "without encryption", "anybody can pose as the server"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://", ""),
        ("redis://localhost/0", ""),
        ("redis://127.0.0.1", ""),
        ("redis://127.8.9.1:7000", ""),
        ("redis://[::1]:6379", ""),
        ("unix:///run/redis.sock", ""),
        ("redis://10.0.0.7", f"all jobs go over the network {PLAIN}"),
        ("redis://:secret@redis.internal", f"the password and all jobs .* {PLAIN}"),
        ("redis://[2001:db8::1]", PLAIN),
        ("redis://localhost.example.org", PLAIN),
        ("redis://127.example.org", PLAIN),
        ("rediss://redis.internal", ""),
        ("rediss://redis.internal?ssl_cert_reqs=required", ""),
        ("rediss://redis.internal?ssl_cert_reqs=none", UNCHECKED),
        ("rediss://localhost?ssl_cert_reqs=none", ""),
    ],
)
def test_who_listens_on_the_way(url: str, said: str) -> None:
    """Only this machine, or TLS that looks at the certificate, keeps others out."""
    found = " ".join(exposed(url=url))
    assert bool(found) == bool(said)
    assert re.search(said, found)
    assert "secret" not in found


def test_who_listens_on_the_way_to_a_cluster() -> None:
    """Its connections are of another class."""
    assert PLAIN in exposed(url="redis://10.0.0.7:6379", cluster=True)[0]
    assert exposed(url="rediss://10.0.0.7:6379", cluster=True) == []
    assert exposed(url="redis://127.0.0.1:6379", cluster=True) == []


def test_who_listens_on_the_way_that_a_sentinel_shows(settings: Any) -> None:
    """The master may be anywhere."""
    settings.DJANGO_REDIS_CONNECTION_FACTORY = "django_redis.pool.SentinelConnectionFactory"
    sentinel = {
        "CLIENT_CLASS": "django_redis.client.SentinelClient",
        "SENTINELS": [("sentinel-1", 26379)],
    }
    for scheme, said in (("redis", 1), ("rediss", 0)):
        cache = {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": f"{scheme}://main/0",
            "OPTIONS": sentinel,
        }
        settings.CACHES = {"default": cache}
        assert len(exposed()) == said


def exposed(**given: Any) -> list[str]:
    options = Options(**given, retention=DEFAULT_RETENTION, retention_count=DEFAULT_RETENTION_COUNT)
    return list(exposures(make_pool(options, {}, "djq:{default}:")))
