"""The storm itself: strikes with each fault in its time, and keeps a diary of the blows."""

import heapq
import math
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import FINAL
from tests.chaos.faults import Fault
from tests.chaos.load import Feeder
from tests.chaos.scene import Scene

TELL_EVERY = 10.0  # seconds between two lines about the progress
HANDOUTS = 0.7  # share of the faults "lost replies" that lose nothing but jobs handed out
# What the ACL loses, in turn; each stops the scripts at another point.
COMMANDS = ("zadd", "hset", "zrem", "rpush", "hincrby", "set", "unlink")
END = "end"  # no fault: the storm is over
End = Callable[[], object]


@dataclass(slots=True)
class Event:
    """A fault as it happened. Times by the machine's clock, in seconds since the epoch."""

    kind: str
    worker: int = 0  # pid of the supervisor that was hit
    slots: frozenset[int] = frozenset()  # pids of the slot processes that were hit
    began: float = field(default_factory=time.time)
    ended: float = math.inf
    command: str = ""  # that the ACL lost

    def end(self) -> None:
        self.ended = time.time()


class Storm:
    """Strike a scene with the planned faults while the load is fed."""

    def __init__(
        self, scene: Scene, feeder: Feeder, engine: Engine, tell: Callable[[str], None]
    ) -> None:
        """`engine` goes past the proxy."""
        self.events: list[Event] = []
        self._scene = scene
        self._feeder = feeder
        self._engine = engine
        self._tell = tell
        self._told = time.monotonic()
        self._commands = cycle(COMMANDS)
        self._todo: list[tuple[float, int, Callable[[], object]]] = []  # heap: monotonic, order

    def rage(self, faults: list[Fault]) -> None:
        """Let all faults happen, each at its time, and all of them end."""
        began = time.monotonic()
        for order, fault in enumerate(faults):
            act = partial(self._strike, fault, began + fault.end, len(faults) + order)
            self._later(began + fault.at, order, act)
        while self._todo:
            at, _, do = heapq.heappop(self._todo)
            while (left := at - time.monotonic()) > 0:
                self._look_around()
                time.sleep(min(left, 0.1))
            do()

    def drain(self, seconds: float) -> bool:
        """Wait until all of the load is stored and final; tell whether that came in time."""
        return self.wait(lambda: not self._feeder.is_alive() and not self._left(), seconds)

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is so while workers live; tell whether that came in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            self._look_around()
            time.sleep(0.1)
        return True

    def _left(self) -> int:
        """Return how many jobs are not final, after the hour that a workflow may be unsealed."""
        client, keys = self._engine.client.redis, self._engine.client.keys
        for name in [one.decode() for one in client.zrange(keys("workflows"), 0, -1)]:
            if client.hget(keys("workflow", name), "state") in (b"staged", None):
                client.zadd(keys("workflows"), {name: 0})
        return self.open_jobs()

    def end(self) -> None:
        """Stop all workers in order: what still runs there, its job long final, may be cut off."""
        for worker in self._scene.workers:
            if worker.free:
                self.events.append(Event(END, worker.pid, frozenset(worker.slots())))
        self._scene.stop_workers()

    def open_jobs(self) -> int:
        """Return how many jobs are not final."""
        return sum(
            count
            for queue in self._engine.inspector.queue_stats()
            for state, count in queue.counts.items()
            if state not in FINAL
        )

    def _strike(self, fault: Fault, end_at: float, order: int) -> None:
        event = Event(fault.kind)
        end: End | None = getattr(self, f"_{fault.kind}")(fault, event)
        if end is None:
            return

        def finish() -> None:
            end()
            event.end()

        self.events.append(event)
        if fault.seconds:
            self._later(end_at, order, finish)
        else:
            finish()

    def _later(self, at: float, order: int, do: Callable[[], object]) -> None:
        heapq.heappush(self._todo, (at, order, do))

    # Each kind of fault: begins it and returns how it ends; None if there was nothing to hit.

    def _slot_kill(self, fault: Fault, event: Event) -> End | None:
        worker = self._scene.victim(fault.dice)
        slots = worker.slots() if worker else []
        if worker is None or not slots:
            return None
        pid = slots[int(fault.dice * 1000) % len(slots)]
        event.worker, event.slots = worker.pid, frozenset([pid])
        os.kill(pid, signal.SIGKILL)
        return _nothing

    def _worker_kill(self, fault: Fault, event: Event) -> End | None:
        if (worker := self._scene.victim(fault.dice)) is None:
            return None
        event.worker, event.slots = worker.pid, frozenset(worker.slots())
        worker.kill()
        return self._scene.start_worker

    def _freeze(self, fault: Fault, event: Event) -> End | None:
        if (worker := self._scene.victim(fault.dice)) is None:
            return None
        event.worker, event.slots = worker.pid, frozenset(worker.slots())
        worker.freeze()
        return worker.thaw

    def _stop(self, fault: Fault, event: Event) -> End | None:
        if (worker := self._scene.victim(fault.dice)) is None:
            return None
        event.worker, event.slots = worker.pid, frozenset(worker.slots())
        worker.ask_to_stop(self._scene.stop_within)
        return self._scene.start_worker

    def _server_kill(self, fault: Fault, event: Event) -> End:
        self._scene.kill_server()
        return self._scene.server.start

    def _script_flush(self, fault: Fault, event: Event) -> End:
        self._scene.server.client.script_flush()
        return _nothing

    def _client_kill(self, fault: Fault, event: Event) -> End:
        self._scene.server.client.client_kill_filter(_type="normal")
        return _nothing

    def _oom(self, fault: Fault, event: Event) -> End:
        client = self._scene.server.client
        used = self._scene.server.info("memory")["used_memory"]
        client.config_set("maxmemory", used // 2)
        return partial(client.config_set, "maxmemory", 0)

    def _sleep(self, fault: Fault, event: Event) -> End:
        client = self._scene.server.client
        client.execute_command("DEBUG", "SLEEP", f"{fault.seconds:.2f}")
        return _nothing

    def _black_hole(self, fault: Fault, event: Event) -> End:
        self._scene.proxy.black_hole()
        return self._scene.proxy.pass_on

    def _lost_replies(self, fault: Fault, event: Event) -> End:
        every = 1 + int(fault.dice * 997) % 3
        if fault.dice < HANDOUTS:
            # Only replies to a finish, which bring the slot's next job along.
            self._scene.proxy.drop_replies(100, b"succeeded", every=every)
        else:
            self._scene.proxy.drop_replies(30, every=every)
        return self._scene.proxy.pass_on

    def _delay(self, fault: Fault, event: Event) -> End:
        self._scene.proxy.delay(0.02 + fault.dice * 0.3)
        return self._scene.proxy.pass_on

    def _acl(self, fault: Fault, event: Event) -> End:
        event.command = next(self._commands)
        self._scene.forbid(event.command)
        return partial(self._scene.allow, event.command)

    def _half_way(self, fault: Fault, event: Event) -> End:
        self._scene.break_scripts()
        return self._scene.proxy.pass_on

    def _reset(self, fault: Fault, event: Event) -> End:
        self._scene.proxy.reset()
        return _nothing

    def _look_around(self) -> None:
        """See that all that should run does, and say how far it is."""
        self._scene.watch()
        if self._feeder.failure is not None:
            raise RuntimeError("The load could not be stored.") from self._feeder.failure
        if time.monotonic() > self._told + TELL_EVERY:
            self._told = time.monotonic()
            running = sum(worker.running for worker in self._scene.workers)
            stored = len(self._feeder.receipts.jobs)
            self._tell(f"{stored:,} stored, {len(self.events)} faults, {running} workers")


def _nothing() -> None:
    """End a fault of a moment."""
