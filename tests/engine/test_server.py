"""What is known of a server: version, published weaknesses, the way to it."""

import re
from typing import Any

import pytest
from redis import Redis

from django_jobqueue.conf import DEFAULT_RETENTION, Options
from django_jobqueue.engine import Engine
from django_jobqueue.engine.locate import make_pool
from django_jobqueue.engine.server import (
    WEAKNESSES,
    Server,
    exposures,
    read_server,
    refuse_unfit,
)
from django_jobqueue.exceptions import ServerUnfit

LUA = {"CVE-2024-31449", "CVE-2024-46981", "CVE-2025-49844"}
BLOCKING = "CVE-2026-23479"
OLDEST_VALKEY = "7.2.5"


def server(name: str, version: str, policy: str = "noeviction") -> Server:
    numbers = tuple(int(part) for part in version.split("."))
    return Server(name, numbers, numbers if name == "Redis" else (7, 2, 4), policy)


@pytest.mark.parametrize(
    ("name", "version", "cves"),
    [
        ("Redis", "6.2.14", LUA),
        ("Redis", "6.2.16", LUA - {"CVE-2024-31449"}),
        ("Redis", "6.2.20", set()),  # the blocking one came with 7.2
        ("Redis", "7.0.15", LUA),  # a branch that got no fix
        ("Redis", "7.2.4", LUA | {BLOCKING}),
        ("Redis", "7.2.11", {BLOCKING}),
        ("Redis", "7.2.14", set()),
        ("Redis", "8.0.6", {BLOCKING}),
        ("Redis", "8.2.2", {BLOCKING}),
        ("Redis", "8.2.6", set()),
        ("Redis", "8.6.2", {BLOCKING}),
        ("Redis", "8.6.3", set()),
        ("Redis", "8.8.0", set()),  # newer than all that were mended
        ("Redis", "9.0.0", set()),
        ("Valkey", OLDEST_VALKEY, LUA | {BLOCKING}),
        ("Valkey", "7.2.13", set()),
        ("Valkey", "8.0.6", {BLOCKING}),
        ("Valkey", "8.1.4", {BLOCKING}),
        ("Valkey", "9.0.3", {BLOCKING}),
        ("Valkey", "9.0.4", set()),
        ("Valkey", "9.1.0", set()),
        ("Valkey", "10.0.0", set()),
    ],
)
def test_weaknesses_of_a_version(name: str, version: str, cves: set[str]) -> None:
    """Each branch has its own first release without the fault."""
    assert {weakness.cve for weakness in server(name, version).weaknesses()} == cves


@pytest.mark.parametrize("weakness", WEAKNESSES, ids=lambda weakness: weakness.cve)
def test_a_row_names_one_release_per_branch(weakness: Any) -> None:
    """In order, and of three numbers: else a comparison says something else than is meant."""
    for releases in (weakness.redis, weakness.valkey):
        assert list(releases) == sorted(releases)
        assert len({release[:2] for release in releases}) == len(releases)
        assert all(len(release) == 3 for release in releases)


def test_reads_the_server_that_runs(engine: Engine) -> None:
    """Name and version are those that the server gives."""
    info: Any = engine.connection.client.info("server")
    found = read_server(engine.connection.client)
    assert found is not None
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = info.get("valkey_version", info["redis_version"])
    assert (str(found), found.policy) == (f"{name} {version}", "noeviction")
    assert engine.connection.server == found


class OddServer(Redis):
    """A server that says that it is one that can't be run here."""

    version = ""

    def info(self, *args: Any, **kwargs: Any) -> Any:
        found = dict(super().info(*args, **kwargs)) | {"redis_version": self.version}
        found.pop("valkey_version", None)
        return found


@pytest.mark.parametrize("version", ["0", "7.x.1", "8.0.0-rc1", "255.255.255", "nonsense"])
def test_odd_versions_are_read(engine: Engine, version: str) -> None:
    """A server of one's own build must not stop a worker with a traceback."""
    odd = OddServer(connection_pool=engine.connection.client.connection_pool)
    odd.version = version
    found = read_server(odd)
    assert found is not None
    found.weaknesses()


def test_old_and_evicting_servers_are_unfit() -> None:
    """A weak one is not: that is advice."""
    refuse_unfit(server("Redis", "6.2.0"), "here")
    refuse_unfit(server("Valkey", OLDEST_VALKEY, "volatile-lru"), "here")
    with pytest.raises(ServerUnfit, match=r"at here is Redis 6\.0\.16; .*needs Redis 6\.2"):
        refuse_unfit(server("Redis", "6.0.16"), "here")
    with pytest.raises(ServerUnfit, match="maxmemory-policy allkeys-lfu"):
        refuse_unfit(server("Valkey", "9.1.0", "allkeys-lfu"), "here")


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
    options = Options(**given, retention=DEFAULT_RETENTION)
    return list(exposures(make_pool(options, {}, "djq:{default}:")))
