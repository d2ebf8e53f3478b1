"""The engine against a model: random calls, repeated at once or late, and never a difference.

`CHAOS_EXAMPLES=5000` makes more of it, `CHAOS_SEED=…` the same again; with `CHAOS_SHRINK=0` a case
is shown as it was found.
"""

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from django_jobqueue.conf import load
from django_jobqueue.engine import Engine
from django_jobqueue.engine.client import Client
from django_jobqueue.engine.keys import INDEXES
from django_jobqueue.jobs.states import State
from tests.support.clock import scripts_with

from .invariants import Auditor
from .machine import Machine
from .machine_flows import FlowMachine
from .machine_limits import words
from .machine_schedules import QUEUES, names
from .snapshot import take
from .world import SLOTS, START

EXAMPLES = int(os.environ.get("CHAOS_EXAMPLES", "40"))  # of each machine
SHRINK = os.environ.get("CHAOS_SHRINK", "1") == "1"
STILL_CLOCK = "local function now() return redis.call('GET', KEYS[1] .. 'clock') end"


class DamagedMachine(Machine):
    """The same, and records are damaged: nothing else may suffer."""

    @rule(data=st.data(), part=st.sampled_from(["job", "payload", "attempts", "result"]))
    def lose_part(self, data: st.DataObject, part: str) -> None:
        victim = self.victim(data)
        fields = self.model.fields(victim)
        if part == "payload" and "payload" in fields:
            self.put(f"job:{victim}", {name: fields[name] for name in fields if name != part})
        self.put(f"{part}:{victim}", None)

    @rule(data=st.data(), part=st.sampled_from(["job", "attempts"]))
    def break_part(self, data: st.DataObject, part: str) -> None:
        """It becomes a string where none should be."""
        self.put(f"{part}:{self.victim(data)}", "nonsense")

    @rule(data=st.data(), part=st.sampled_from(["payload", "result", "progress"]))
    def break_text(self, data: st.DataObject, part: str) -> None:
        """It becomes a list where a string should be."""
        self.put(f"{part}:{self.victim(data)}", ["nonsense"])

    @rule(data=st.data(), state=st.sampled_from([*State, "unknown", None]))
    def alter_state(self, data: st.DataObject, state: str | None) -> None:
        job_id = self.victim(data)
        fields = dict(self.model.fields(job_id))
        fields.pop("state", None)
        if fields:
            self.put(f"job:{job_id}", fields | ({"state": str(state)} if state else {}))

    @rule(
        data=st.data(),
        index=st.sampled_from([index for index in INDEXES if index != "waiting"]),
        queue=st.sampled_from(QUEUES),
        known=st.booleans(),
    )
    def stray(self, data: st.DataObject, index: str, queue: str, known: bool) -> None:
        """An index leads to no record, or to that of a job elsewhere."""
        job_id = self.victim(data) if known else self.new_id()
        self.auditor.damaged.add(job_id)
        ids = self.model.keys.get(f"{index}:{queue}", {})
        self.put(f"{index}:{queue}", ids | {job_id: float(START)})
        self.put("names", self.model.keys.get("names", {}) | {queue: 0.0})

    @rule(slot=st.sampled_from(SLOTS), held=st.sampled_from(["a b c d", "1 2 3 4 5", "a b c"]))
    def break_slot(self, slot: tuple[str, str], held: str) -> None:
        worker, name = slot
        if unnamed := self.model.held(worker, name):
            self.auditor.damaged.add(unnamed[2])
        self.auditor.unread.add(worker)
        self.put(f"slots:{worker}", self.model.keys.get(f"slots:{worker}", {}) | {name: held})

    @rule(digest=st.sampled_from(["d1", "d2"]))
    def break_value(self, digest: str) -> None:
        """It becomes a string where a hash should be."""
        self.put(f"cached:{digest}", "nonsense")

    @rule(name=names)
    def break_schedule(self, name: str) -> None:
        """It becomes a string where a hash should be."""
        self.put(f"schedule:{name}", "nonsense")

    @rule()
    def break_ends(self) -> None:
        """They become a string where a sorted set should be."""
        self.put("ended", "nonsense")

    @rule()
    def lose_meta(self) -> None:
        """Lose what meta holds, but pauses and limits: only the next reap offers their queues."""
        meta = self.model.keys.get("meta", {})
        kept = {name: meta[name] for name in meta if name == "limits" or "paused:" in name}
        self.put("meta", kept)

    @rule()
    def empty_the_server(self) -> None:
        self.client.flushall()
        self.model.keys.clear()
        self.move_clock(0)
        self.auditor, self.seen = Auditor(), take(self.engine)

    def victim(self, data: st.DataObject) -> str:
        job_id = self.pick(data)
        self.auditor.damaged.add(job_id)
        return job_id


class KeyedMachine(Machine):
    """The same, and several jobs share their keys, over queues that may be paused."""

    claim_too = Machine.claim
    admit_too = Machine.admit

    @rule(
        queues=st.lists(st.sampled_from(QUEUES), min_size=2, max_size=4),
        limits=words.filter(bool),
        due=st.sampled_from(["", "", "+5000"]),
        expires=st.sampled_from(["", "", "+60000"]),
        tag=st.sampled_from(["", "t1"]),
        fair=st.sampled_from(["", "f1", "f2", "own"]),
    )
    def store_line(
        self, queues: list[str], limits: str, due: str, expires: str, tag: str, fair: str
    ) -> None:
        """Store jobs that share what they wait for; each, or none, may have a turn of its own."""
        line = [
            (queue, 0, due, 2, 0, tag, expires, "", f"f{at}" if fair == "own" else fair, limits)
            for at, queue in enumerate(queues)
        ]
        self.enqueue(line, known=False)

    store_line_too = store_line


@pytest.fixture
def still(engine: Engine) -> Iterator[Engine]:
    """The engine of the alias "default" with a clock that only the test moves."""
    connection = Client("default", load("default"), scripts=scripts_with(STILL_CLOCK))
    yield Engine(connection)
    connection.close()


def run(machine: type[Machine], engine: Engine) -> None:
    number = int(os.environ.get("CHAOS_SEED", random.randrange(2**32)))
    print(f"CHAOS_SEED={number}")  # noqa: T201 - shown if the test fails

    def start() -> Any:
        return machine(engine)

    seed(number)(start)
    run_state_machine_as_test(
        start,  # type: ignore[arg-type]
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=100,
            deadline=None,
            phases=[Phase.generate, *[Phase.shrink] * SHRINK],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )


@pytest.mark.timeout(600 + EXAMPLES)  # to make a found case small takes minutes
@pytest.mark.parametrize("machine", [Machine, KeyedMachine, FlowMachine, DamagedMachine])
def test_random_calls_and_the_model_agree(still: Engine, machine: type[Machine]) -> None:
    """Whatever the order, repeated and late calls included, both come to the same."""
    run(machine, still)
