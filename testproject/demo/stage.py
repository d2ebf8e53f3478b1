"""Start, watch, restart and stop the processes of the demo.

Start: Redis server, worker, scheduler, web server.
Stop: worker (warm) and scheduler, web server, Redis server last.
"""

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from demo.processes import Child, how_it_ended
from embedded.server import EmbeddedServer

WARM_STOP = 45.0  # seconds for the worker: its own limit is 30
HASTY_STOP = 5.0  # seconds for the web server, and for the workers after a second signal
STOPPERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class WebServerEnded(RuntimeError):
    """The web server ended by itself or does not answer, so the demo can't go on."""


class Stage:
    """The processes of the demo."""

    def __init__(
        self,
        server: EmbeddedServer | None,
        web: Child,
        workers: Sequence[Child],
        say: Callable[[str], None],
    ) -> None:
        """Prepare the stage; `server` runs already and its owner stops it, None: not ours."""
        self._server = server
        self.web = web
        self.workers = [_Restarted(worker, say) for worker in workers]
        self._say = say
        self._asked = 0  # number of stop signals so far
        self._wake = threading.Event()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle the signals that stop the demo, and restore their handlers afterwards."""
        before = {signum: signal.signal(signum, self._on_signal) for signum in STOPPERS}
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def start(self) -> None:
        for worker in self.workers:
            worker.start()
        self.web.start()

    def wait_for_web(self, address: tuple[str, int], timeout: float = 30.0) -> None:
        """Wait until the web server takes connections, or the demo is asked to stop."""
        deadline = time.monotonic() + timeout
        while not self._asked and not _accepts(address):
            self._check_web()
            if time.monotonic() > deadline:
                raise WebServerEnded(f"The web server did not answer within {timeout:g} s.")
            self._wake.wait(0.05)

    def watch(self) -> None:
        """Restart the Redis server and the workers when they end, until the demo is to stop."""
        while not self._asked:
            self._check_server()
            self._check_web()
            for worker in self.workers:
                worker.look_after()
            self._wake.wait(0.2)

    def stop(self) -> None:
        """Stop the workers, then the web server; hurry after a second signal."""
        for worker in self.workers:
            worker.child.ask_to_stop()
        self._wait_for([worker.child for worker in self.workers], WARM_STOP)
        self.web.ask_to_stop()
        self._wait_for([self.web], HASTY_STOP)

    def _wait_for(self, children: Sequence[Child], timeout: float) -> None:
        asked, deadline = self._asked, time.monotonic() + timeout
        while any(child.running for child in children):
            if asked <= 1 < self._asked:  # The worker ends its running jobs on the second signal.
                for child in children:
                    child.ask_to_stop()
                asked, deadline = self._asked, time.monotonic() + HASTY_STOP
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        for child in children:
            child.kill()
            child.drain()

    def _check_web(self) -> None:
        code = self.web.exit_code
        if code is not None:
            self.web.drain()
            raise WebServerEnded(f"The web server ended with {how_it_ended(code)}.")

    def _check_server(self) -> None:
        if self._server is not None and not self._server.running:
            self._server.start()
            self._say(f"redis: had ended; started again, pid {self._server.pid}")

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        self._asked += 1
        self._wake.set()


class _Restarted:
    """A child that is restarted when it ends, after longer pauses if it keeps ending."""

    def __init__(self, child: Child, say: Callable[[str], None]) -> None:
        self.child = child
        self._say = say
        self._started = 0.0
        self._pause = 0.0
        self._again_at: float | None = None

    def start(self) -> None:
        self.child.start()
        self._started = time.monotonic()
        self._say(f"{self.child.name}: pid {self.child.pid}")

    def look_after(self) -> None:
        code, now = self.child.exit_code, time.monotonic()
        if code is None:
            return
        if self._again_at is None:
            lived = now - self._started
            self._pause = 0.0 if lived > 10 else min(10.0, self._pause * 2 or 0.5)
            self._again_at = now + self._pause
            self._say(f"{self.child.name}: ended with {how_it_ended(code)}; starting it again")
        if now >= self._again_at:
            self._again_at = None
            self.start()


def _accepts(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, timeout=1):
            return True
    except OSError:
        return False
