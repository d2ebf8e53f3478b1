"""Finding Redis, one pool per process and alias, and what is wrong with a server."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from redis import Redis

from django_jobqueue import engine as engines
from django_jobqueue.conf import load
from django_jobqueue.engine import Engine, get_engine, new_engine
from django_jobqueue.engine.client import Client
from django_jobqueue.engine.locate import BEST_EFFORT_TIMEOUTS, worker_timeouts
from django_jobqueue.exceptions import QueueUnavailable, ServerUnfit
from django_jobqueue.jobs.job import new_id
from embedded.server import EmbeddedServer
from tests.support.places import Make, everything, places
from tests.support.processes import PATIENCE, PROMPT, ROOT, free_port, takes_less_than, until

BACKEND = "django_jobqueue.backend.JobQueueBackend"
DJANGO = "django.core.cache.backends.redis.RedisCache"
DJANGO_REDIS = "django_redis.cache.RedisCache"
NOWHERE = "redis://user:hunter2@127.0.0.1:1"  # nothing listens there


@pytest.fixture(scope="module")
def port_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedServer, int]]:
    """A second server, on a loopback port and with a password."""
    port = free_port()
    config = {"port": str(port), "bind": "127.0.0.1", "requirepass": "hunter2", "appendonly": "no"}
    with EmbeddedServer(tmp_path_factory.mktemp("server"), config=config) as server:
        yield server, port


def kwargs_of(engine: Engine) -> dict[str, Any]:
    return engine.client.redis.connection_pool.connection_kwargs


def client_of(name: str) -> Any:
    """Return the Redis client of a cache of django-redis."""
    alias: Any = caches[name]
    return alias.client.get_client()


def cache(location: str, backend: str = DJANGO, **options: Any) -> dict[str, Any]:
    return {"BACKEND": backend, "LOCATION": location, "OPTIONS": options}


def test_unix_socket_by_url(redis_server: EmbeddedServer, configure) -> None:
    """The database is 1 unless the address or DB says another."""
    for url, options, number in (
        (f"unix://{redis_server.socket}", {}, 1),
        (f"unix://{redis_server.socket}?db=3", {}, 3),
        (f"unix://{redis_server.socket}?db=3", {"DB": 5}, 5),
    ):
        configure(URL=url, **options)
        engine = get_engine("default")
        assert engine.client.redis.ping()
        assert engine.client.redis.client_info()["db"] == number
        assert engine.client.address() == f"{redis_server.socket}, database {number}"


def test_url_can_not_make_texts_of_the_replies(
    redis_server: EmbeddedServer, engine: Engine, configure
) -> None:
    """A payload is bytes, whatever the cache's URL wants."""
    configure(URL=f"unix://{redis_server.socket}?decode_responses=True")
    assert get_engine("default").queues.names() == ["default"]


def test_tcp_by_url(port_server: tuple[EmbeddedServer, int], configure) -> None:
    """Host, port, password and database come from the address."""
    _, port = port_server
    configure(URL=f"redis://:hunter2@127.0.0.1:{port}/2")

    engine = get_engine("default")
    engine.client.attach()

    assert engine.client.redis.client_info()["db"] == 2
    assert engine.client.address() == f"127.0.0.1:{port}, database 2"


@pytest.mark.parametrize("backend", [DJANGO, DJANGO_REDIS])
def test_tcp_by_cache(port_server: tuple[EmbeddedServer, int], configure, backend: str) -> None:
    """Host, port and password are the cache's; pool and database are our own."""
    _, port = port_server
    configure({"default": cache(f"redis://:hunter2@127.0.0.1:{port}/0", backend)})

    engine = get_engine("default")
    engine.client.attach()

    client = client_of("default") if backend == DJANGO_REDIS else None
    assert client is None or client.connection_pool is not engine.client.redis.connection_pool
    assert engine.client.redis.client_info()["db"] == 1
    assert kwargs_of(engine)["socket_timeout"] == 1.0


@pytest.mark.parametrize("backend", [DJANGO, DJANGO_REDIS])
def test_unix_socket_by_cache(redis_server: EmbeddedServer, configure, backend: str) -> None:
    """A cache under another alias, on a socket, with a database of our choice."""
    configure(
        {"default": LOCMEM, "shared": cache(f"unix://{redis_server.socket}?db=0", backend)},
        CACHE="shared",
        DB=4,
    )
    engine = get_engine("default")
    engine.client.attach()
    assert engine.client.redis.client_info()["db"] == 4


LOCMEM = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}


@pytest.mark.parametrize("backend", [DJANGO, DJANGO_REDIS])
def test_cache_clear_deletes_no_jobs(
    engine: Engine, redis_server: EmbeddedServer, configure, backend: str
) -> None:
    """FLUSHDB of the cache's database does not reach ours."""
    configure({"default": cache(f"unix://{redis_server.socket}?db=0", backend)})
    engine = get_engine("default")
    engine.queues.pause("kept")

    caches["default"].set("a", 1)
    caches["default"].clear()

    assert engine.queues.names() == ["default", "kept"]


def test_tls_and_login_come_from_the_cache(configure) -> None:
    """What the cache needs to connect, we need too."""
    configure({"default": cache("rediss://me:hunter2@host:6390/0", DJANGO_REDIS, SOCKET_TIMEOUT=1)})
    given = kwargs_of(get_engine("default"))
    pool = get_engine("default").client.redis.connection_pool

    assert (given["host"], given["port"], given["username"], given["password"], given["db"]) == (
        "host",
        6390,
        "me",
        "hunter2",
        1,
    )
    assert "SSL" in pool.connection_class.__name__
    assert given["socket_timeout"] == 1.0


SENTINELS = {"DJANGO_REDIS_CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory"}


def by_sentinels(places: list[tuple[str, int]]) -> dict[str, Any]:
    """Return a cache whose server is the master `main` of some sentinels."""
    return {
        "BACKEND": DJANGO_REDIS,
        "LOCATION": "redis://main/0",
        "OPTIONS": {
            "CLIENT_CLASS": "django_redis.client.SentinelClient",
            "CONNECTION_POOL_CLASS": "redis.sentinel.SentinelConnectionPool",
            "SENTINELS": places,
        },
    }


def test_sentinel_by_cache(configure) -> None:
    """The master's name and the sentinels are the cache's, pool and database our own."""
    configure({"default": by_sentinels([("127.0.0.1", 1), ("127.0.0.1", 2)])}, DB=2)
    with override_settings(**SENTINELS):
        engine = get_engine("default")
    pool: Any = engine.client.redis.connection_pool

    assert pool.service_name == "main"
    assert pool.is_master
    assert pool is not client_of("default").connection_pool
    assert pool.connection_kwargs["db"] == 2
    assert engine.client.address() == "sentinel service main, database 2"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"No Redis is configured: set OPTIONS\['URL'\] to a redis://"),
        ({"CACHE": "default"}, r"names 'default', which is no Redis cache with one master"),
        ({"CACHE": "gone"}, r"names 'gone', which CACHES does not have: \['default'\]"),
        ({"URL": "redis://host:port"}, r"OPTIONS\['URL'\] can't be read"),
        ({"URL": "redis://host/x?db=y"}, r"OPTIONS\['URL'\] can't be read"),
        ({"URL": "redis://host/mail"}, r"OPTIONS\['URL'\] can't be read: port and database must"),
        ({"URL": "redis://host?colour=red&socket_timeout=3"}, r"They are: colour, socket_timeout"),
        ({"URL": "unix:///run/redis.sock?ssl_ca_certs=/x"}, r"They are: ssl_ca_certs"),
    ],
)
def test_missing_redis_is_told(configure, given: dict[str, Any], message: str) -> None:
    """The message names the setting and what to write there."""
    configure({"default": LOCMEM}, **given)
    with pytest.raises(ImproperlyConfigured, match=message):
        get_engine("default")


def test_url_wins_over_the_cache(configure) -> None:
    """Who gives both means the URL."""
    configure({"default": cache("redis://cachehost")}, URL="redis://urlhost")
    assert kwargs_of(get_engine("default"))["host"] == "urlhost"


def test_making_an_engine_connects_to_nothing(configure) -> None:
    """Importing tasks works while Redis is away."""
    configure(URL=NOWHERE)
    assert get_engine("default").client.epoch == ""


def test_unreachable_server_is_told(configure) -> None:
    """Which server, and what to look at; nothing of the login."""
    configure(URL=NOWHERE)
    with pytest.raises(QueueUnavailable) as caught:
        get_engine("default").queues.names()
    message = str(caught.value)
    assert "127.0.0.1:1, database 1" in message
    assert "Is the server running" in message
    assert "hunter2" not in message


def test_wrong_password_is_told(port_server: tuple[EmbeddedServer, int], configure) -> None:
    """The advice is another one than for a server that is down."""
    _, port = port_server
    for login in (":secret-but-wrong@", ""):
        configure(URL=f"redis://{login}127.0.0.1:{port}")
        with pytest.raises(QueueUnavailable, match="Check user, password and ACL") as caught:
            get_engine("default").client.attach()
        assert "secret-but-wrong" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunter2/x@host:6379/0",
        "redis://me:hunter2@host:port/0",
        "redis://:hunter2#x@host:6379",
        "redis://:hunter2?x@host:6379",
    ],
)
def test_url_that_can_not_be_read_shows_no_password(configure, url: str) -> None:
    """A password with a slash in it is the usual reason."""
    configure(URL=url)
    with pytest.raises(ImproperlyConfigured, match="URL") as caught:
        get_engine("default")
    assert "hunter2" not in str(caught.value)


def test_user_without_info_may_work(port_server: tuple[EmbeddedServer, int], configure) -> None:
    """A managed server that forbids INFO is trusted."""
    _, port = port_server
    admin = Redis(port=port, password="hunter2")
    admin.acl_setuser(
        "worker", enabled=True, passwords=["+pw"], commands=["+@all", "-info"], keys=["*"]
    )
    configure(URL=f"redis://worker:pw@127.0.0.1:{port}")

    get_engine("default").client.attach()

    assert get_engine("default").client.epoch


def test_user_without_rights_is_told(port_server: tuple[EmbeddedServer, int], configure) -> None:
    """A key pattern that does not match ours is a refusal with advice."""
    _, port = port_server
    admin = Redis(port=port, password="hunter2")
    admin.acl_setuser(
        "guest", enabled=True, passwords=["+pw"], commands=["+@all"], keys=["cache:*"]
    )
    configure(URL=f"redis://guest:pw@127.0.0.1:{port}")

    with pytest.raises(QueueUnavailable, match="ACL"):
        get_engine("default").client.attach()


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random"])
def test_server_that_may_evict_is_refused(engine: Engine, policy: str) -> None:
    """A full server would throw waiting jobs away; nothing is stored there."""
    client = engine.client.redis
    client.config_set("maxmemory-policy", policy)
    before = everything(engine)
    try:
        with pytest.raises(ServerUnfit, match=f"has maxmemory-policy {policy}"):
            Client("default", load("default")).run("promote", limit=1)
    finally:
        client.config_set("maxmemory-policy", "noeviction")
    assert everything(engine) == before


@pytest.mark.parametrize("policy", ["volatile-lru", "noeviction"])
def test_server_that_evicts_no_jobs_is_accepted(engine: Engine, policy: str) -> None:
    """Nothing of ours that matters has a time to live."""
    engine.client.redis.config_set("maxmemory-policy", policy)
    try:
        Client("default", load("default")).attach()
    finally:
        engine.client.redis.config_set("maxmemory-policy", "noeviction")


@pytest.mark.parametrize(
    ("version", "fit"), [("5.0.14", False), ("6.0.16", False), ("6.2.0", True)]
)
def test_old_server_is_refused(engine: Engine, version: str, fit: bool) -> None:
    """The message names the version and what is needed."""
    connection = Client("default", load("default"))
    read = connection.redis.response_callbacks["INFO"]
    connection.redis.set_response_callback(
        "INFO", lambda reply, **options: read(reply, **options) | {"redis_version": version}
    )
    if fit:
        connection.attach()
        return
    with pytest.raises(ServerUnfit, match=rf"is Redis {version}; .*needs Redis 6\.2"):
        connection.attach()


def test_fifty_threads_share_one_pool(engine: Engine) -> None:
    """One engine per process and alias, whoever asks first."""
    engines.close_engines()
    found: list[Engine] = []
    start = threading.Barrier(50)

    def ask() -> None:
        start.wait()
        found.append(get_engine("default"))
        found[-1].queues.names()

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 50
    assert {id(one) for one in found} == {id(get_engine("default"))}


def test_aliases_have_engines_of_their_own(engine: Engine, settings) -> None:
    """Neither pool nor keys are shared between two aliases."""
    settings.TASKS = settings.TASKS | {"mail": settings.TASKS["default"]}
    default, mail = get_engine("default"), get_engine("mail")

    mail.queues.pause("default")

    assert default.client.redis.connection_pool is not mail.client.redis.connection_pool
    assert mail.client.keys("job", "x") == "djq:{mail}:job:x"
    assert not any(stats.paused for stats in default.inspector.queue_stats())


def test_forked_child_has_engines_of_its_own(engine: Engine, make_job: Make) -> None:
    """A child that writes to its parent's socket would mix up their replies."""
    first = make_job()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            own = get_engine("default")
            fresh = own is not engine and own.client.redis is not engine.client.redis
            own.queues.pause("of the child")
            os.write(write, b"1" if fresh else b"0")
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    answer = os.read(read, 1)
    os.close(read)
    os.close(write)

    assert answer == b"1"
    assert engine.queues.names() == ["default", "of the child"]
    assert places(engine) == {"queued": {"default": [first]}}


@pytest.mark.parametrize(
    "changed",
    [
        {"TASKS": {"default": {"BACKEND": BACKEND, "OPTIONS": {"URL": NOWHERE}}}},
        {"CACHES": {"default": LOCMEM}},
        {"SECRET_KEY": "other"},
        {"SECRET_KEY_FALLBACKS": ["other"]},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_changed_settings_make_new_engines(engine: Engine, changed: dict[str, Any]) -> None:
    """override_settings works in users' tests."""
    with override_settings(**changed):
        other = get_engine("default")
        assert other is not engine
    assert get_engine("default") is not other


def test_other_settings_leave_the_engines(engine: Engine) -> None:
    """Not every change costs the connections."""
    before = get_engine("default")
    with override_settings(DEBUG=True):
        assert get_engine("default") is before


def test_worker_waits_longer_and_repeats_nothing(engine: Engine) -> None:
    """The socket outlasts the blocking call; retries are the worker's own."""
    worker = new_engine("default", worker_timeouts(5.0))
    given = kwargs_of(worker)
    assert given["socket_timeout"] == 10.0
    assert given["retry"]._retries == 0  # get_retries() came later than redis-py 5.1
    assert worker is not get_engine("default")
    worker.client.close()


def test_replies_are_parsed_by_hiredis(engine: Engine) -> None:
    """It is a dependency; one row of the matrix goes without, and has the parser in Python."""
    pool = engine.client.pool
    parser = type(pool.connection_class(**pool.connection_kwargs)._parser).__name__
    by_hiredis = os.environ.get("TEST_REDIS_PARSER") != "python"
    assert ("Hiredis" in parser) is by_hiredis, parser


INTERRUPTED = """
import signal
from django_jobqueue.engine.sockets import Packer, pack

class Stop(BaseException):
    pass

def stop(*_):
    raise Stop

signal.signal(signal.SIGALRM, stop)
numbers = list(range(100)) + [0.5]
packer = Packer()
for one in (pack, lambda words: packer.pack("HELLO", *words)):
    for _ in range(200):
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0002)
            while True:
                one(numbers)
        except Stop:
            pass
"""


def test_signal_that_raises_while_a_command_is_packed_is_no_crash() -> None:
    """As at the stop of a scheduler, or when the time of a task is over that enqueues a job."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], cwd=ROOT, timeout=PATIENCE)
    assert done.returncode == 0


def test_quick_engine_gives_up_soon(engine: Engine) -> None:
    """For what may fail: progress."""
    quick = new_engine("default", BEST_EFFORT_TIMEOUTS)
    assert kwargs_of(quick)["socket_timeout"] == 0.1
    until(partial(answers, quick))
    quick.client.close()


@pytest.mark.parametrize("way", ["cluster", "sentinel"])
def test_quick_engine_asks_nobody_for_long(configure, way: str) -> None:
    """Nor those who know where the master is: three that are silent cost no second each."""
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        first, *others = [f"127.0.0.1:{one.getsockname()[1]}" for one in silent]
        if way == "cluster":
            configure(URL=f"redis://{first}", CLUSTER=others)
        else:
            known = [("127.0.0.1", one.getsockname()[1]) for one in silent]
            configure({"default": by_sentinels(known)})

        def ask() -> float:
            with override_settings(**SENTINELS):
                quick = new_engine("default", BEST_EFFORT_TIMEOUTS)
            began = time.monotonic()
            with pytest.raises(QueueUnavailable):
                quick.jobs.progress(new_id(), "1-a", 1, 2, "half")
            return time.monotonic() - began

        takes_less_than(2.0, ask)


def test_lost_connection_attaches_anew(tmp_path: Path, configure) -> None:
    """A server that came back empty is looked at again: its epoch differs."""
    server = EmbeddedServer(tmp_path / "server", config={"appendonly": "no"})
    configure(URL=server.url)
    with server:
        engine = get_engine("default")
        engine.queues.pause("gone")
        first = engine.client.epoch
        server.kill()
        with pytest.raises(QueueUnavailable):
            engine.queues.names()
        server.start()
        with pytest.raises(QueueUnavailable):
            engine.queues.names()  # refused at once, without a try
        engine.client.try_again()
        assert engine.queues.names() == ["default"]
        assert engine.client.epoch not in ("", first)


def test_black_hole_holds_a_caller_for_its_time_out_and_once(tmp_path: Path, configure) -> None:
    """A frozen server: two tries, then calls fail at once; after a second they try again."""
    server = EmbeddedServer(tmp_path / "server")
    configure(URL=server.url, TIMEOUT=0.4)
    with server:
        engine = get_engine("default")
        assert engine.queues.names() == ["default"]
        os.kill(server.pid, signal.SIGSTOP)
        try:
            assert 0.8 <= seconds_until_refused(engine) < PROMPT
            takes_less_than(0.2, lambda: max(seconds_until_refused(engine) for _ in range(3)))
            until(lambda: seconds_until_refused(engine) > 0.3, what="it tries again")
        finally:
            os.kill(server.pid, signal.SIGCONT)
        until(partial(answers, engine))


def seconds_until_refused(engine: Engine) -> float:
    began = time.monotonic()
    with pytest.raises(QueueUnavailable):
        engine.queues.names()
    return time.monotonic() - began


def test_workers_never_fail_at_once(tmp_path: Path, configure) -> None:
    """They pause by themselves, and each of their calls is a try."""
    server = EmbeddedServer(tmp_path / "server")
    configure(URL=server.url)
    worker = new_engine("default", worker_timeouts(1.0))
    assert not answers(worker)
    with server:
        assert answers(worker)
        worker.client.close()


def test_failures_use_up_no_connections(tmp_path: Path, configure) -> None:
    """However often connections break, and however few are allowed, calls go through again."""
    server = EmbeddedServer(tmp_path / "server", config={"appendonly": "no"})
    configure(URL=f"unix://{server.socket}?max_connections=3")
    with server, Redis(unix_socket_path=str(server.socket)) as admin:
        worker = new_engine("default", worker_timeouts(1.0))  # it repeats nothing by itself
        for _ in range(5):
            until(partial(answers, worker))
            admin.client_kill_filter(_type="normal", skipme=True)
            answers(worker)
        until(partial(answers, worker))
        worker.client.close()


def answers(engine: Engine) -> bool:
    with suppress(QueueUnavailable):
        return engine.queues.names() == ["default"]
    return False


def test_forked_child_shares_no_connection_of_an_engine_that_it_holds(
    engine: Engine, make_job: Make
) -> None:
    """Such as the one through which a task reports: the two would read each other's replies."""
    held = new_engine("default", BEST_EFFORT_TIMEOUTS)
    make_job()
    assert held.queues.names() == ["default"]
    (connection,) = held.client.sockets.idle
    child = os.fork()
    if child == 0:
        os._exit(int(connection in held.client.sockets.idle or held.queues.names() != ["default"]))
    assert os.waitpid(child, 0)[1] == 0
    assert list(held.client.sockets.idle) == [connection]
    assert held.queues.names() == ["default"]
    held.client.close()


def test_work_goes_on_while_a_script_runs(engine: Engine, make_job: Make) -> None:
    """Also work that asks Redis, over another connection; and once, whatever is repeated."""
    job_id = make_job(data=99 * b"x")
    client = engine.client
    seen: list[Any] = []
    client.close()
    reply = client.run("get_job", (), lambda: seen.append(engine.queues.names()), id=job_id)
    assert seen == [["default"]]
    assert reply[1] is not None
    assert len(client.sockets.idle) == 2

    client.redis.client_kill_filter(_type="normal", skipme=False)
    assert client.run("get_job", (), lambda: seen.append("again"), id=job_id) == reply
    assert seen[1:] == ["again"]


def test_refused_calls_keep_their_connection(engine: Engine) -> None:
    """An error of the server is a reply: nothing has to be connected anew."""
    client = engine.client.redis
    before = client.info("stats")["total_connections_received"]
    for _ in range(5):
        client.set(engine.client.keys("names"), "not a set")
        with pytest.raises(QueueUnavailable, match="WRONGTYPE"):
            engine.queues.pause("default")
        client.delete(engine.client.keys("names"))
        engine.queues.names()
    assert client.info("stats")["total_connections_received"] <= before + 1


def test_threads_that_follow_each_other_share_connections(engine: Engine) -> None:
    """A server of many short threads opens no more connections than run at once."""
    client = engine.client.redis
    engine.queues.names()
    before = client.info("stats")["total_connections_received"]
    for _ in range(20):
        thread = threading.Thread(target=engine.queues.names)
        thread.start()
        thread.join()
    assert client.info("stats")["total_connections_received"] == before


def test_dropped_connections_are_invisible(
    engine: Engine, redis_server: EmbeddedServer, make_job: Make
) -> None:
    """A producer's call is repeated by the client: every script may be."""
    job_id = make_job()
    other = Redis(unix_socket_path=str(redis_server.socket))
    other.client_kill_filter(_type="normal", skipme=True)

    second = make_job()

    assert places(engine) == {"queued": {"default": [job_id, second]}}
    other.close()
