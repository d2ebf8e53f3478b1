"""A relay between clients and a Redis server that does what bad networks do, on demand."""

import contextlib
import math
import selectors
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType

from tests.support.resp import take_values

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
CHUNK = 65536
Target = tuple[str, int] | str | Path


class _End:
    """One of a link's two sockets, and what is to be sent to it."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket = sock
        self.waiting: deque[tuple[float, bytes]] = deque()  # when it is due, what
        self.unsent = bytearray()
        self.watched = 0

    @property
    def drained(self) -> bool:
        return not self.waiting and not self.unsent

    def send(self, now: float) -> None:
        while self.waiting and self.waiting[0][0] <= now:
            self.unsent += self.waiting.popleft()[1]
        if self.unsent:
            with contextlib.suppress(BlockingIOError):
                del self.unsent[: self.socket.send(self.unsent)]


class _Link:
    """A client's connection with the server's that belongs to it."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = self.ends = _End(client), _End(server)
        self.request, self.reply = bytearray(), bytearray()  # that have come in part
        self.unanswered: deque[bytes] = deque()
        self.ended = False
        self.gap = False  # something of it was swallowed: the rest makes no sense any more

    def asked(self, data: bytes) -> None:
        self.request += data
        self.unanswered.extend(take_values(self.request))

    def answered(self, data: bytes) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield the replies that are complete, each with its request; a push has none."""
        self.reply += data
        for reply in take_values(self.reply):
            pushed = reply.startswith(b">") or not self.unanswered
            yield reply, None if pushed else self.unanswered.popleft()


class FaultProxy:
    """Stand between clients and a server; each method's fault is in force when it returns.

    One thread does everything, so no fault meets a connection half-way through another.
    """

    def __init__(self, target: Target) -> None:
        faults = ("delayed", "held", "swallowed", "dropped", "reset", "refused", "replaced")
        self.counts = dict.fromkeys(faults, 0)
        self._target = target
        self._links: set[_Link] = set()
        self._orders: SimpleQueue[tuple[Callable[[], None], threading.Event]] = SimpleQueue()
        self._delay, self._hole, self._refusing = 0.0, False, False
        self._drops, self._every, self._of, self._matched = 0, 1, b"", 0
        self._holds, self._held = 0, deque[_End]()
        self._replaced: dict[bytes, bytes] = {}
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen on a free port of 127.0.0.1."""
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._wakened, self._waker = socket.socketpair()
        for sock in (self._listener, self._wakened):
            sock.setblocking(False)
        self._selector.register(self._listener, READ, self._accept)
        self._selector.register(self._wakened, READ, self._obey)
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close all connections and end the thread."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._waker.close()
        thread.join(30)
        for link in list(self._links):
            self._close(link)
        for sock in (self._listener, self._wakened):
            sock.close()
        self._selector.close()

    def __enter__(self) -> "FaultProxy":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def port(self) -> int:
        """Where clients connect."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """The address for clients, database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def connections(self) -> int:
        """How many connections of clients are open."""
        return len(self._links)

    def pass_on(self) -> None:
        """End every fault; what was swallowed stays lost."""
        self._order(partial(self._mode))

    def delay(self, seconds: float) -> None:
        """Let each chunk wait, in both directions."""
        self._order(partial(self._mode, delay=seconds))

    def black_hole(self) -> None:
        """Pass nothing in either direction, not even the end of a connection; accept new ones."""
        self._order(partial(self._mode, hole=True))

    def refuse(self) -> None:
        """Reset all connections, and new ones at once, until `pass_on`."""
        self._order(partial(self._mode, refusing=True))

    def reset(self) -> None:
        """Reset all open connections; new ones work."""
        self._order(self._reset)

    def drop_replies(self, n: int = 1, of: bytes | None = None, *, every: int = 1) -> None:
        """Swallow the next n replies and close their connections: the server did the work.

        `of`: only replies to requests that contain these bytes; `every`: only each k-th of them.
        """
        self._order(partial(self._drop, n, of or b"", every))

    def replace(self, words: dict[bytes, bytes]) -> None:
        """Put other words of the same length into the requests, until `pass_on`."""
        self._order(partial(self._mode, replaced=words))

    def hold_requests(self, n: int, of: bytes) -> None:
        """Hold back the next n requests that contain these bytes, even if their client goes."""
        self._order(partial(self._mode, holds=n, of=of))

    def let_go(self) -> None:
        """Pass on the request that was held back first."""
        self._order(self._let_go)

    # What follows runs in the proxy's thread.

    def _order(self, order: Callable[[], None]) -> None:
        done = threading.Event()
        self._orders.put((order, done))
        self._waker.send(b".")
        if not done.wait(30):
            raise RuntimeError("The fault proxy's thread does not answer.")

    def _run(self) -> None:
        while self._thread is not None:
            for key, events in self._selector.select(self._until_due()):
                key.data(events)
            self._send()

    def _obey(self, events: int) -> None:
        self._wakened.recv(CHUNK)
        while not self._orders.empty():
            order, done = self._orders.get()
            order()
            done.set()

    def _mode(
        self,
        delay: float = 0.0,
        hole: bool = False,
        refusing: bool = False,
        holds: int = 0,
        of: bytes = b"",
        replaced: dict[bytes, bytes] | None = None,
    ) -> None:
        self._replaced = replaced or {}
        self._delay, self._hole, self._refusing, self._drops = delay, hole, refusing, 0
        self._holds, self._of = holds, of
        while self._held:
            self._let_go()
        for link in self._links if hole else ():
            for end in link.ends:
                link.gap |= not end.drained
                end.waiting.clear()
                end.unsent.clear()
        if refusing:
            self._reset()

    def _reset(self) -> None:
        for link in list(self._links):
            self.counts["reset"] += 1
            for end in link.ends:
                _reset_at_close(end.socket)
            self._close(link)

    def _drop(self, n: int, of: bytes, every: int) -> None:
        self._drops, self._of, self._every, self._matched = n, of, every, 0

    def _accept(self, events: int) -> None:
        client = self._listener.accept()[0]
        try:
            if self._refusing:
                self.counts["refused"] += 1
                raise ConnectionRefusedError
            server = self._connect()
        except OSError:
            _reset_at_close(client)
            client.close()
            return
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._links.add(_Link(client, server))

    def _connect(self) -> socket.socket:
        if isinstance(self._target, tuple):
            server = socket.create_connection(self._target, 2)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return server
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self._target))
        return server

    def _ready(self, link: _Link, end: _End, events: int) -> None:
        if link not in self._links or not events & READ:
            return
        try:
            data = end.socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            link.ended = True
        elif self._hole or link.gap:
            link.gap = True
            self.counts["swallowed"] += 1
        elif end is link.client:
            link.asked(data)
            self._post(link.server, self._rewritten(data))
            if self._holds and self._of in data:
                self._hold(link.server)
        else:
            self._answer(link, data)

    def _rewritten(self, data: bytes) -> bytes:
        for word, other in self._replaced.items():
            self.counts["replaced"] += word in data
            data = data.replace(word, other)
        return data

    def _answer(self, link: _Link, data: bytes) -> None:
        for reply, request in link.answered(data):
            if request is not None and self._drops and self._of in request:
                self._matched += 1
                if self._matched % self._every == 0:
                    self._drops -= 1
                    self.counts["dropped"] += 1
                    link.ended = True
                    return
            self._post(link.client, reply)

    def _post(self, end: _End, data: bytes) -> None:
        self.counts["delayed"] += self._delay > 0
        end.waiting.append((time.monotonic() + self._delay, data))

    def _hold(self, end: _End) -> None:
        self._holds -= 1
        self.counts["held"] += 1
        end.waiting.append((math.inf, end.waiting.pop()[1]))
        self._held.append(end)

    def _let_go(self) -> None:
        end = self._held.popleft()
        end.waiting = deque((min(due, time.monotonic()), data) for due, data in end.waiting)

    def _until_due(self) -> float | None:
        due = [end.waiting[0][0] for link in self._links for end in link.ends if end.waiting]
        soonest = min(due, default=math.inf)
        return None if soonest == math.inf else max(0.0, soonest - time.monotonic())

    def _send(self) -> None:
        now = time.monotonic()
        for link in list(self._links):
            try:
                for end in link.ends:
                    end.send(now)
            except OSError:
                link.ended = True
                for end in link.ends:
                    end.waiting.clear()
                    end.unsent.clear()
            if link.ended and not self._hole and all(end.drained for end in link.ends):
                self._close(link)
            else:
                self._watch(link)

    def _watch(self, link: _Link) -> None:
        for end in link.ends:
            events = (0 if link.ended else READ) | (WRITE if end.unsent else 0)
            if events == end.watched:
                continue
            if end.watched:
                self._selector.unregister(end.socket)
            if events:
                self._selector.register(end.socket, events, partial(self._ready, link, end))
            end.watched = events

    def _close(self, link: _Link) -> None:
        self._links.discard(link)
        for end in link.ends:
            if end.watched:
                self._selector.unregister(end.socket)
            end.socket.close()


def _reset_at_close(sock: socket.socket) -> None:
    """Let the other side see RST, not the orderly end."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
