"""The fault proxy does what it says, to real connections of redis-py."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from embedded.server import EmbeddedServer
from tests.support.processes import PATIENCE, free_port, until
from tests.support.proxy import FaultProxy
from tests.support.resp import value_end


@pytest.fixture
def proxy(redis_server: EmbeddedServer) -> Iterator[FaultProxy]:
    with FaultProxy(redis_server.socket) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[Redis]:
    """One connection through the proxy, which repeats nothing."""
    with connected(proxy, PATIENCE) as client:
        client.flushall()
        yield client


def connected(proxy: FaultProxy, patience: float) -> Redis:
    return Redis.from_url(
        proxy.url,
        socket_timeout=patience,
        retry=Retry(NoBackoff(), 0),
        single_connection_client=True,
    )


@pytest.fixture
def direct(redis_server: EmbeddedServer) -> Iterator[Redis]:
    with Redis.from_url(redis_server.url) as client:
        yield client


def test_passes_all_on(client: Redis, proxy: FaultProxy) -> None:
    """Small and large values, pipelines and empty replies arrive unharmed."""
    large = bytes(range(256)) * 20_000
    client.set("large", large)
    assert client.get("large") == large
    with client.pipeline() as pipeline:
        for number in range(1000):
            pipeline.rpush("list", number)
        assert pipeline.execute()[-1] == 1000
    assert len(client.lrange("list", 0, -1)) == 1000
    assert client.get("nothing") is None
    assert not any(proxy.counts.values())


def test_passes_on_to_a_port() -> None:
    """The target may be a TCP address; a server that is away shows as a lost connection."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        FaultProxy(listener.getsockname()) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port)) as client,
    ):
        client.sendall(b"PING\r\n")
        with listener.accept()[0] as server:
            assert server.recv(100) == b"PING\r\n"
    with (
        FaultProxy(("127.0.0.1", free_port())) as proxy,
        Redis.from_url(proxy.url, retry=None) as client,
        pytest.raises(RedisConnectionError),
    ):
        client.ping()


def test_delays_both_directions(client: Redis, proxy: FaultProxy) -> None:
    """A round trip takes twice the delay, until it passes on."""
    client.ping()
    proxy.delay(0.05)
    began = time.monotonic()
    client.ping()
    assert time.monotonic() - began >= 0.1
    assert proxy.counts["delayed"] == 2
    proxy.pass_on()
    client.ping()
    assert proxy.counts["delayed"] == 2


def test_a_black_hole_keeps_what_it_swallowed(
    client: Redis, direct: Redis, proxy: FaultProxy
) -> None:
    """Neither old nor new connections get an answer, and the commands never arrive."""
    with connected(proxy, 0.5) as hasty:
        until(partial(answers, hasty))
        proxy.black_hole()
        for _ in range(2):  # the second is a new connection
            with pytest.raises(RedisTimeoutError):
                hasty.set("swallowed", 1)
    proxy.pass_on()
    client.set("passed", 1)
    assert direct.exists("swallowed") == 0
    assert direct.exists("passed") == 1
    assert proxy.counts["swallowed"] >= 2


def answers(client: Redis) -> bool:
    with suppress(RedisTimeoutError):
        return bool(client.ping())
    return False


def flags(direct: Redis, name: str) -> str:
    """Return what the server says of the client of a name: "b", it is blocked."""
    return "".join(str(one["flags"]) for one in direct.client_list() if one["name"] == name)


def test_a_black_hole_swallows_replies(direct: Redis, proxy: FaultProxy) -> None:
    """What the server sends into it is lost too, and not made up for later."""
    direct.flushall()
    patient = Redis.from_url(
        proxy.url, socket_timeout=3, retry=Retry(NoBackoff(), 0), client_name="patient"
    )
    with patient, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(patient.blpop, ["list"], 30)
        until(lambda: "b" in flags(direct, "patient"))
        proxy.black_hole()
        direct.rpush("list", "token")
        until(lambda: proxy.counts["swallowed"])
        proxy.pass_on()
        with pytest.raises(RedisTimeoutError):
            waiting.result()
    assert direct.llen("list") == 0


def test_a_connection_with_a_gap_is_dead(proxy: FaultProxy) -> None:
    """Of what was swallowed in part, the rest is not passed on as if it were a whole."""
    with socket.create_connection(("127.0.0.1", proxy.port)) as victim:
        victim.settimeout(0.2)
        until(lambda: proxy.connections == 1)
        proxy.black_hole()
        victim.sendall(b"*1\r\n")
        until(lambda: proxy.counts["swallowed"])
        proxy.pass_on()
        victim.sendall(b"PING\r\n")
        with pytest.raises(TimeoutError):
            victim.recv(1)


def test_a_dropped_reply_is_that_of_a_command_which_ran(
    client: Redis, direct: Redis, proxy: FaultProxy
) -> None:
    """The server did it, the client does not hear of it; the next one is answered."""
    client.ping()
    proxy.drop_replies(2, b"INCR")
    assert client.set("number", 0)  # is not meant
    for _ in range(2):
        with pytest.raises(RedisConnectionError):
            client.incr("number")
    assert client.incr("number") == 3
    assert proxy.counts["dropped"] == 2


def test_drops_the_replies_of_any_command(client: Redis, proxy: FaultProxy) -> None:
    """Without `of` it is the next reply, whatever it answers."""
    client.ping()
    proxy.drop_replies()
    with pytest.raises(RedisConnectionError):
        client.echo("lost")
    assert client.echo("here") == b"here"


def test_drops_every_so_many_replies(client: Redis, proxy: FaultProxy) -> None:
    """The third and the sixth INCR are not answered."""
    proxy.drop_replies(100, b"INCR", every=3)
    answers: list[int | None] = []
    for _ in range(7):
        try:
            answers.append(client.incr("number"))
        except RedisConnectionError:
            answers.append(None)
    assert answers == [1, 2, None, 4, 5, None, 7]


def test_holds_requests_back_in_their_order(
    client: Redis, direct: Redis, proxy: FaultProxy
) -> None:
    """They arrive when they are let go, though their client has gone; others pass."""
    impatient = [Redis.from_url(proxy.url, socket_timeout=0.1, retry=None) for _ in range(3)]
    proxy.hold_requests(3, b"RPUSH")
    for number, one in enumerate(impatient):
        with one, pytest.raises(RedisTimeoutError):
            one.rpush("list", number)
    assert client.llen("list") == 0
    assert proxy.counts["held"] == 3
    proxy.let_go()
    assert until(lambda: direct.lrange("list", 0, -1)) == [b"0"]
    proxy.let_go()
    assert until(lambda: direct.lrange("list", 1, -1)) == [b"1"]
    proxy.pass_on()
    assert until(lambda: direct.lrange("list", 2, -1)) == [b"2"]
    assert client.rpush("list", 3) == 4


def test_resets_open_connections_alone(proxy: FaultProxy) -> None:
    """RST, not an orderly end; a new connection works."""
    with socket.create_connection(("127.0.0.1", proxy.port)) as victim:
        until(lambda: proxy.connections == 1)
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            victim.recv(1)
    with Redis.from_url(proxy.url) as client:
        assert client.ping()
    assert (proxy.counts["reset"], proxy.counts["refused"]) == (1, 0)


def test_refuses_new_connections_until_it_passes_on(client: Redis, proxy: FaultProxy) -> None:
    """Open connections are reset, new ones too."""
    client.ping()
    proxy.refuse()
    for _ in range(3):
        with pytest.raises(RedisConnectionError):
            client.ping()
    proxy.pass_on()
    assert client.ping()
    assert proxy.counts["reset"] == 1
    assert proxy.counts["refused"] >= 2


def test_leaves_nothing_behind(redis_server: EmbeddedServer, direct: Redis) -> None:
    """After close() its thread and all connections are gone."""
    direct.ping()
    threads, clients = threading.active_count(), len(direct.client_list())
    with FaultProxy(redis_server.socket) as proxy:
        for number in range(10):
            Redis.from_url(proxy.url).set("number", number)
        proxy.black_hole()
        victim = socket.create_connection(("127.0.0.1", proxy.port))
    with victim:
        assert victim.recv(1) == b""
    assert threading.active_count() <= threads  # those of tests before may have ended
    until(lambda: len(direct.client_list()) <= clients)


@pytest.mark.parametrize(
    "value",
    [
        b"+OK\r\n",
        b":5\r\n",
        b"_\r\n",
        b"$-1\r\n",
        b"$0\r\n\r\n",
        b"$4\r\na\r\nb\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
        b"%1\r\n+key\r\n$5\r\nvalue\r\n",
        b"|1\r\n+key\r\n+value\r\n:5\r\n",
        b"=7\r\ntxt:abc\r\n",
        b"PING\r\n",
    ],
)
def test_finds_the_end_of_a_value(value: bytes) -> None:
    """Not before its last byte, and not after it."""
    assert all(value_end(value[:length]) == -1 for length in range(len(value)))
    assert value_end(value + b"+OK\r\n") == len(value)
