"""The workflows that Redis holds at the end."""

from dataclasses import dataclass

from django_jobqueue.engine import Engine
from django_jobqueue.engine.workflows import Member, WorkflowRecord
from django_jobqueue.flow.signatures import EVENTS


@dataclass(frozen=True, slots=True)
class FlowSeen:
    """A workflow with its members and callbacks."""

    record: WorkflowRecord
    members: list[Member]
    callbacks: dict[str, str]  # event → id

    @property
    def ids(self) -> list[str]:
        return [*(member.id for member in self.members), *self.callbacks.values()]


def read_flows(engine: Engine) -> list[FlowSeen]:
    client, keys = engine.client.redis, engine.client.keys
    found = []
    for name in [one.decode() for one in client.zrange(keys("workflows"), 0, -1)]:
        record = engine.workflows.read(name)
        if record is not None:
            ids = client.hmget(keys("workflow-members", name), EVENTS)
            callbacks = {event: i.decode() for event, i in zip(EVENTS, ids, strict=True) if i}
            found.append(FlowSeen(record, engine.workflows.members(name), callbacks))
    return found
