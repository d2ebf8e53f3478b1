"""One call to the server and to the model of it: they must answer and do the same.

machine.py decides which calls these are.
"""

import hashlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine
from redis.exceptions import NoScriptError, ResponseError

from django_jobqueue.engine import Engine

from .invariants import Auditor
from .model import Refused
from .model_flow_scripts import WholeModel
from .model_scripts import Call
from .snapshot import Snapshot, read, take

START = 1_700_000_000_000  # ms
SLOTS = (("w1", "0"), ("w1", "1"), ("w2", "0"))
LEASE = 30_000  # ms
ERRORS = ("DETACHED", "WRONGTYPE", "maxmemory")
LATE = 40  # so many calls ago is the oldest that arrives again


class World(RuleBasedStateMachine):
    """The server, the model of it, and what three slots believe to run."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.client, self.scripts = engine.client.redis, engine.client.scripts
        self.engine, self.prefix = engine, engine.client.keys.prefix
        self.client.flushall()
        self.model, self.auditor = WholeModel(START), Auditor()
        self.move_clock(0)
        self.seen = Snapshot({}, frozenset())
        self.past: deque[Call] = deque(maxlen=LATE)
        self.fresh = False  # nothing happened since the last call
        self.broken = False  # a difference was found
        self.numbers: dict[str, int] = {}
        self.epoch = ""
        self.owners: tuple[str, ...] = ("owner-0",)  # the project's key, and the one before
        self.runs: dict[int, tuple[str, str]] = {}  # what a slot believes to run: id and fence
        self.attach()

    # One call

    def send(self, call: Call) -> Any:
        """Make a call, and compare what it answers and does with the model."""
        before, self.broken = self.seen, True
        reply, wanted = self.answer(call), self.predicted(call)
        assert reply == wanted, (reply, wanted, call)
        self.seen = take(self.engine)
        differ = {*self.seen.keys} ^ {*self.model.keys} or {
            key for key, value in self.seen.keys.items() if value != self.model.keys[key]
        }
        assert not differ, {k: (self.seen.keys.get(k), self.model.keys.get(k)) for k in differ}
        self.auditor.look(before, self.seen, call, reply, self.model.now)
        self.past.append(call)
        self.fresh, self.broken = True, False
        return reply

    def answer(self, call: Call) -> Any:
        """Call the server; an error comes as the word that all servers have in it."""
        script, execute = self.scripts.all[call.script], self.engine.client.execute
        words = script.arguments(self.prefix, call.rest, call.given)
        try:
            try:
                reply = execute("EVALSHA", script.sha, *words)
            except NoScriptError:
                reply = execute("EVAL", script.source, *words)
        except ResponseError as error:
            return ["error", next(word for word in ERRORS if word in str(error))]
        return read(call.script, reply)

    def predicted(self, call: Call) -> Any:
        try:
            return read(call.script, self.model.call(call))
        except Refused as error:
            return ["error", str(error)]

    def ask(self, script: str, rest: tuple[Any, ...] = (), /, **given: Any) -> Any:
        """Make a new call; a process that is no longer attached attaches and asks again."""
        if self.scripts.all[script].is_gated:
            given["epoch"] = self.epoch
        reply = self.send(Call(script, given, rest))
        if reply != ["error", "DETACHED"]:
            return reply
        self.attach()
        return self.ask(script, rest, **given)

    def attach(self) -> None:
        if self.model.full:
            self.memory(full=False)
        given = {"schema": "1.0", "new_epoch": self.new_epoch()}
        reply = self.send(Call("attach", given | {"known": self.epoch}, self.owners))
        if reply[0] == "foreign":  # an adoption arrived late
            self.send(Call("adopt", given | {"owner": self.owners[0]}))
            self.attach()
            return
        self.epoch = reply[2]

    def number(self, kind: str) -> int:
        self.numbers[kind] = self.numbers.get(kind, 0) + 1
        return self.numbers[kind]

    def new_epoch(self) -> str:
        return f"epoch-{self.number('epoch')}"

    def new_id(self) -> str:
        return f"0190a5b2-7c3d-7abc-8def-{self.number('job'):010x}00"

    def slot(self, number: int) -> dict[str, Any]:
        """Return what a slot says of itself in a claim, with a nonce greater than all before."""
        worker, slot = SLOTS[number]
        count = self.number("nonce")
        nonce = f"{count:04d}{hashlib.sha256(str(count).encode()).hexdigest()[:12]}"
        return {"worker": worker, "slot": slot, "nonce": nonce, "lease": LEASE}

    def ids(self) -> dict[str, list[str]]:
        """Return the ids of the jobs by state."""
        found: dict[str, list[str]] = {}
        for job_id, fields in sorted(self.seen.records().items()):
            found.setdefault(fields.get("state", ""), []).append(job_id)
        return found

    def pick(self, data: st.DataObject) -> str:
        """Return the id of a job in some state, or one that is unknown."""
        ids = self.ids() | {"none": ["0190a5b2-7c3d-7abc-8def-000000000000"]}
        return data.draw(st.sampled_from(ids[data.draw(st.sampled_from(sorted(ids)))]))

    def begin(self, number: int, reply: list[Any], before: Snapshot) -> None:
        """Let a slot begin what it was given."""
        self.runs.pop(number, None)
        if "job" in reply:
            _, job_id, _, fence, *_ = reply[reply.index("job") :]
            self.auditor.begin(job_id, fence, before, self.seen)
            self.runs[number] = job_id, fence

    def arrived(self, lost: bool, reply: Any) -> Any:
        """Return the reply, or that of the same call again if it was lost."""
        return self.send(self.past[-1]) if lost else reply

    # Behind the scripts' back

    def move_clock(self, ms: int) -> None:
        self.model.now += ms
        with self.room():
            self.client.set(f"{self.prefix}clock", self.model.now)
        self.fresh = False

    def memory(self, full: bool) -> None:
        if full != self.model.full:
            self.client.config_set("maxmemory", int(full))
            self.model.full = full

    @contextmanager
    def room(self) -> Iterator[None]:
        """Let the test itself write at maxmemory."""
        full = self.model.full
        self.memory(full=False)
        yield
        self.memory(full=full)

    def put(self, key: str, value: Any) -> None:
        """Give a key another value; what is empty goes."""
        self.model.keys.pop(key, None)
        with self.room():
            self.client.delete(self.prefix + key)
            if value:
                self.write(self.prefix + key, value)
                self.model.keys[key] = value
        self.seen, self.fresh = take(self.engine), False

    def write(self, key: str, value: Any) -> None:
        if isinstance(value, str):
            self.client.set(key, value)
        elif isinstance(value, list):
            self.client.rpush(key, *value)
        elif any(isinstance(score, float) for score in value.values()):
            self.client.zadd(key, value)
        else:
            self.client.hset(key, mapping=value)
