"""Find the node of a Redis Cluster that owns the keys of an alias.

The keys share one hash slot, so all connections go to that slot's master, which is looked up
at each connect. An ASK redirection is not followed: while a slot is being moved, its keys are on
two nodes, and a script would see only some of them.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from redis import ConnectionPool
from redis.connection import Connection, SSLConnection
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from django_jobqueue.engine.errors import NO_RETRY
from django_jobqueue.jobs.text import text

Node = tuple[str, int]  # host, port

ASK_TIMEOUT = 1.0  # seconds to connect to a node, and to wait for its reply


class NodeConnection(Connection):
    """A connection to the master of one slot, looked up at each connect."""

    def __init__(self, *, nodes: "Nodes", **given: Any) -> None:
        super().__init__(**given)  # type: ignore[no-untyped-call]
        self._nodes = nodes

    def connect(self) -> None:
        if self._sock is None:
            self.host, self.port = self._nodes.master()
        super().connect()  # type: ignore[no-untyped-call]


class SecureNodeConnection(NodeConnection, SSLConnection):
    """A NodeConnection with TLS."""


class Nodes:
    """The known nodes of a cluster, and the lookup of the master of one slot."""

    def __init__(
        self, key: str, start: Sequence[Node], kind: type[Any], given: Mapping[str, Any]
    ) -> None:
        """Take the nodes to ask first, and the class and arguments of connections to nodes."""
        self._slot = key_slot(key.encode())
        self._start = start
        self._known: list[Node] = []
        self._kind = kind
        timeout = min(ASK_TIMEOUT, given.get("socket_connect_timeout", ASK_TIMEOUT))
        self._given = {
            **given,
            "socket_connect_timeout": timeout,
            "socket_timeout": timeout,
            "retry": NO_RETRY,  # the next node may answer
        }

    def master(self) -> Node:
        """Return the master of the slot.

        Raises: RedisError of the last node that failed, ConnectionError if none knows a master.
        """
        failure: RedisError = RedisConnectionError(
            f"No node of the cluster owns the slot {self._slot} now."
        )
        nodes = list({*self._known, *self._start})
        # In random order: a node that is cut off would give the same outdated reply for ever.
        for node in random.sample(nodes, len(nodes)):
            try:
                ranges = self._ask(node)
            except RedisError as error:
                failure = error
                continue
            found = _owner(ranges, self._slot, node)
            if found:
                self._known = _all(ranges, node)
                return found
        raise failure

    def _ask(self, node: Node) -> Sequence[Any]:
        """Return the reply to CLUSTER SLOTS, per range: first slot, last slot, master, replicas."""
        connection = self._kind(**{**self._given, "host": node[0], "port": node[1]})
        try:
            connection.connect()
            connection.send_command("CLUSTER", "SLOTS")
            reply: Sequence[Any] = connection.read_response()
        finally:
            connection.disconnect()
        return reply


def cluster_pool(
    kind: type[Any], given: Mapping[str, Any], key: str, further: Sequence[str]
) -> ConnectionPool:
    """Return a pool to the master that owns `key`.

    `kind` and `given` are the class and the arguments of a connection to one node; `further` are
    more nodes to ask, as host:port.
    """
    start = [(given["host"], int(given["port"])), *map(_node, further)]
    return ConnectionPool(
        connection_class=SecureNodeConnection
        if issubclass(kind, SSLConnection)
        else NodeConnection,
        **{**given, "nodes": Nodes(key, start, kind, given)},
    )


def _node(text: str) -> Node:
    host, _, port = text.rpartition(":")
    return host, int(port)


def _owner(ranges: Sequence[Any], slot: int, asked: Node) -> Node | None:
    for first, last, master, *_ in ranges:
        if first <= slot <= last:
            return _address(master, asked)
    return None


def _all(ranges: Sequence[Any], asked: Node) -> list[Node]:
    return [_address(node, asked) for _, _, *nodes in ranges for node in nodes]


def _address(node: Sequence[Any], asked: Node) -> Node:
    """Return a node's address; a node that does not know its host has that of the asked one."""
    host = text(node[0]) if node[0] else ""
    return host if host not in ("", "?") else asked[0], int(node[1])
