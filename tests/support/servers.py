"""Servers for tests that break them: one over TCP, a master under Sentinel, a cluster.

They end with the process that started them, however it ends: start them in its main thread.
"""

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from embedded.server import EmbeddedServer
from embedded.tether import tethered
from tests.support.processes import PATIENCE, free_port, until

HOST = "127.0.0.1"
# The replicas keep the data, and nobody waits for the disk, which would look like a dead server.
REPLICATED = {"appendonly": "no", "repl_diskless_sync_delay": "0"}


def redis_server() -> Path:
    """Return the server of this system, which also is a sentinel; skip the test without one."""
    return _program("redis-server", "valkey-server")


def redis_cli() -> Path:
    """Return the command line client of this system; skip the test without one."""
    return _program("redis-cli", "valkey-cli")


def _program(*names: str) -> Path:
    for name in names:
        if found := shutil.which(name):
            return Path(found)
    pytest.skip(f"needs {' or '.join(names)} on PATH")


class TcpServer:
    """A server with an append-only file, on the same port whenever it is started."""

    def __init__(self, folder: Path, *, binary: Path | None = None, **config: str) -> None:
        """Underscores in the names of config options stand for hyphens."""
        self.port = free_port()
        self.url = f"redis://{HOST}:{self.port}/0"
        self._folder = folder
        options = {name.replace("_", "-"): value for name, value in config.items()}
        options = {"port": str(self.port), "bind": HOST, "hz": "100"} | options
        self._server = EmbeddedServer(folder, binary=binary, config=options)
        self.client: Redis = Redis(host=HOST, port=self.port, decode_responses=True)

    @property
    def pid(self) -> int:
        return self._server.pid

    @property
    def running(self) -> bool:
        return self._server.running

    def start(self) -> None:
        """Start, or start again with the data that was there."""
        self._server.start()

    def kill(self) -> None:
        """End as a crash would."""
        self._server.kill()

    def stop(self) -> None:
        """End in order."""
        self._server.stop()

    def empty(self) -> None:
        """Forget the data of a server that does not run."""
        for found in self._folder.iterdir():
            if found.is_dir():  # the append-only files of Redis 7 and newer
                shutil.rmtree(found)
            elif found.suffix in (".aof", ".rdb"):
                found.unlink()

    def info(self, section: str) -> dict[str, Any]:
        """Return a section of INFO; nothing while the server is away."""
        with contextlib.suppress(RedisError):
            found: dict[str, Any] = self.client.info(section)
            return found
        return {}

    def close(self) -> None:
        """Kill the server and close the client."""
        self.client.close()
        self.kill()

    def __enter__(self) -> "TcpServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Sentinel:
    """One sentinel process."""

    def __init__(self, folder: Path, binary: Path, service: str, master: TcpServer) -> None:
        self.port = free_port()
        self._service = service
        folder.mkdir()
        config = folder / "sentinel.conf"  # it writes there what it learns
        config.write_text(
            f"port {self.port}\nbind {HOST}\ndir {folder}\n"
            f"sentinel monitor {service} {HOST} {master.port} 2\n"
            f"sentinel down-after-milliseconds {service} 1000\n"
            f"sentinel failover-timeout {service} 4000\n"
        )
        with (folder / "sentinel.log").open("wb") as log:
            self._process = subprocess.Popen(
                tethered([str(binary), str(config), "--sentinel"], signal.SIGKILL),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.client: Any = Redis(host=HOST, port=self.port, decode_responses=True)

    def knows(self, sentinels: int, replicas: int) -> bool:
        """Tell whether it would succeed with a failover."""
        try:
            master = self.client.sentinel_master(self._service)
            found: Sequence[dict[str, Any]] = self.client.sentinel_slaves(self._service)
        except RedisError:
            return False
        linked = [one for one in found if one["flags"] == "slave" and _linked(one)]
        return (
            master["flags"] == "master"
            and int(master["num-other-sentinels"]) == sentinels - 1
            and len(linked) == replicas
        )

    def close(self) -> None:
        self.client.close()
        self._process.kill()
        self._process.wait()


def _linked(replica: dict[str, Any]) -> bool:
    return bool(replica["master-link-status"] == "ok")


class Sentinels:
    """A master, its replicas and three sentinels, of which two must agree on a failover."""

    def __init__(self, folder: Path, *, replicas: int = 1, **config: str) -> None:
        binary, config = redis_server(), REPLICATED | config
        self.servers = [
            TcpServer(folder / f"node-{n}", binary=binary, **config) for n in range(1 + replicas)
        ]
        # A name of its own: django-redis keeps pools by name as long as the process lives.
        self.service = f"service-{self.servers[0].port}"
        self._folder, self._binary = folder, binary
        self._sentinels: list[_Sentinel] = []

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where the sentinels are."""
        return [(HOST, sentinel.port) for sentinel in self._sentinels]

    @property
    def master(self) -> TcpServer:
        """The server that most sentinels name as the master."""
        named = [
            int(sentinel.client.sentinel_get_master_addr_by_name(self.service)[1])
            for sentinel in self._sentinels
        ]
        port = max(named, key=named.count)
        return next(server for server in self.servers if server.port == port)

    def replicas_of(self, master: TcpServer) -> list[TcpServer]:
        """Return all servers but the master."""
        return [server for server in self.servers if server is not master]

    @property
    def ready(self) -> bool:
        """Whether the replicas are in sync, and all sentinels know each other and them."""
        replicas = len(self.servers) - 1
        knows = all(sentinel.knows(3, replicas) for sentinel in self._sentinels)
        return knows and all(in_sync(replica) for replica in self.replicas_of(self.master))

    def fail_over(self) -> None:
        """Let the sentinels demote the master, which stays up."""
        self._sentinels[0].client.execute_command("SENTINEL", "FAILOVER", self.service)

    def start(self) -> None:
        for server in self.servers:
            server.start()
        for server in self.servers[1:]:
            server.client.replicaof(HOST, str(self.servers[0].port))
        for n in range(3):
            folder = self._folder / f"sentinel-{n}"
            self._sentinels.append(_Sentinel(folder, self._binary, self.service, self.servers[0]))
        until(lambda: self.ready, what="replicas and sentinels are ready")

    def close(self) -> None:
        for sentinel in self._sentinels:
            sentinel.close()
        for server in self.servers:
            server.close()

    def __enter__(self) -> "Sentinels":
        with _closed_on_error(self):
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Cluster:
    """Three masters with a replica each."""

    def __init__(self, folder: Path) -> None:
        binary = redis_server()
        self._cli = redis_cli()
        self.nodes = [
            TcpServer(
                folder / f"node-{n}",
                binary=binary,
                cluster_enabled="yes",
                cluster_node_timeout="1500",
                **REPLICATED,
            )
            for n in range(6)
        ]

    @property
    def url(self) -> str:
        """The address of the node that lives and was made first."""
        return next(node.url for node in self.nodes if node.running)

    @property
    def ready(self) -> bool:
        """Whether all living nodes agree that all is well, and the replicas are in sync."""
        nodes = [node for node in self.nodes if node.running]
        replicas = [node for node in nodes if node.info("replication").get("role") == "slave"]
        return (
            all(_cluster_ok(node) for node in nodes)
            and len(nodes) - len(replicas) == 3
            and all(in_sync(node) for node in replicas)
        )

    def masters(self) -> list[TcpServer]:
        """Return the nodes that say of themselves that they are masters."""
        return [node for node in self.nodes if node.info("replication").get("role") == "master"]

    def slot_of(self, key: str) -> int:
        """Return the hash slot of a key."""
        living = next(node for node in self.nodes if node.running)
        return int(living.client.execute_command("CLUSTER", "KEYSLOT", key))

    def master_of(self, key: str) -> TcpServer:
        """Return the node that serves a key, as most living nodes see it."""
        slot = self.slot_of(key)
        named = [port for node in self.nodes if node.running for port in _masters(node, slot)]
        port = max(named, key=named.count)
        return next(node for node in self.nodes if node.port == port)

    def replicas_of(self, master: TcpServer) -> list[TcpServer]:
        """Return the living replicas of a master."""
        return [
            node
            for node in self.nodes
            if node.running and node.info("replication").get("master_port") == master.port
        ]

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        addresses = [f"{HOST}:{node.port}" for node in self.nodes]
        create = ["--cluster", "create", *addresses, "--cluster-yes", "--cluster-replicas", "1"]
        subprocess.run([self._cli, *create], check=True, capture_output=True, timeout=PATIENCE)
        until(lambda: self.ready, what="the cluster is ready")

    def close(self) -> None:
        for node in self.nodes:
            node.close()

    def __enter__(self) -> "Cluster":
        with _closed_on_error(self):
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def in_sync(replica: TcpServer) -> bool:
    """Tell whether a replica has all that its master has, as far as both know."""
    found = replica.info("replication")
    return found.get("master_link_status") == "up" and not found.get("master_sync_in_progress")


def _cluster_ok(node: TcpServer) -> bool:
    with contextlib.suppress(RedisError):
        return "cluster_state:ok" in str(node.client.execute_command("CLUSTER", "INFO"))
    return False


def _masters(node: TcpServer, slot: int) -> Iterator[int]:
    """Yield the port of the master that serves a slot in the eyes of a node."""
    with contextlib.suppress(RedisError):
        for first, last, master, *_ in node.client.execute_command("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                yield int(master[1])


@contextlib.contextmanager
def _closed_on_error(group: Sentinels | Cluster) -> Iterator[None]:
    try:
        yield
    except BaseException:
        group.close()
        raise
