"""edit: a job gets other arguments, unless it runs."""

from typing import Any

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.exceptions import JobNotFound, QueueUnavailable
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.states import State
from tests.support.places import Make, claimed, everything, full_memory, places

SHORT, OTHER = b"1.a.{}", b"1.b.{}"
LONG, LONGER = b"1.c." + b"x" * 99, b"1.d." + b"y" * 999


def stored(engine: Engine, job_id: str) -> tuple[Any, Any]:
    """Return the payload in the record, and the one in its own key."""
    client, keys = engine.client.redis, engine.client.keys
    return client.hget(keys("job", job_id), "payload"), client.get(keys("payload", job_id))


def give(engine: Engine, job_id: str, payload: bytes) -> None:
    """Let a job that is there have this payload."""
    held = engine.inspector.job(job_id).payload
    assert held is not None
    assert engine.edits.edit(job_id, held, payload)


@pytest.mark.parametrize("state", [state for state in State if state is not State.RUNNING])
@pytest.mark.parametrize("before", [SHORT, LONG])
@pytest.mark.parametrize("after", [OTHER, LONGER])
def test_job_has_the_new_payload_where_its_size_belongs(
    engine: Engine, job_in: Make, state: State, before: bytes, after: bytes
) -> None:
    """It stays where it is, and has one payload."""
    job_id = job_in(state)
    give(engine, job_id, before)
    indexes = places(engine)
    assert engine.edits.edit(job_id, before, after)
    assert engine.inspector.job(job_id).payload == after
    assert stored(engine, job_id) == ((after, None) if len(after) <= 64 else (None, after))
    assert places(engine) == indexes


def test_same_call_again_changes_nothing(engine: Engine, job_in: Make) -> None:
    job_id = job_in(State.QUEUED)
    give(engine, job_id, SHORT)
    assert engine.edits.edit(job_id, SHORT, LONG)
    before = everything(engine)
    assert engine.edits.edit(job_id, SHORT, LONG)
    assert everything(engine) == before


def test_running_job_keeps_its_arguments(engine: Engine, slot: Slot, make_job: Make) -> None:
    job_id = make_job()
    job = claimed(engine, slot)
    before = everything(engine)
    assert not engine.edits.edit(job_id, job.payload or b"", OTHER)
    assert everything(engine) == before


def test_job_that_somebody_else_has_edited_stays(engine: Engine, job_in: Make) -> None:
    job_id = job_in(State.FAILED)
    give(engine, job_id, LONG)
    before = everything(engine)
    assert not engine.edits.edit(job_id, SHORT, OTHER)
    assert everything(engine) == before


def test_unknown_job_is_told(engine: Engine) -> None:
    with pytest.raises(JobNotFound):
        engine.edits.edit(new_id(), SHORT, OTHER)
    assert not places(engine)


def test_full_memory_refuses_it_and_the_job_keeps_what_it_had(engine: Engine, job_in: Make) -> None:
    job_id = job_in(State.FAILED)
    held = engine.inspector.job(job_id).payload
    assert held is not None
    with full_memory(engine), pytest.raises(QueueUnavailable):
        engine.edits.edit(job_id, held, LONGER)
    assert engine.inspector.job(job_id).payload == held
