"""Health: each slot has claimed, polled or run a job lately."""

import logging
import multiprocessing
import time
from pathlib import Path

from django_jobqueue.worker.health import UNHEALTHY_AFTER_LEASES, Health
from django_jobqueue.worker.limits.shared_state import NEVER, SharedState, SlotState
from tests.support.processes import PATIENCE, until

LEASE = 0.5


def make(state: SlotState, file: Path | None = None, lease: float = LEASE) -> Health:
    shared = SharedState(multiprocessing, ["0.0"])
    shared.slot = lambda name: state  # type: ignore[method-assign]
    return Health(shared, ["0.0"], lease, file)


def test_slot_that_hears_nothing_is_a_fault(state: SlotState) -> None:
    state.reset(NEVER)
    health = make(state)
    assert health.faults() == []
    health.note_renewal()
    until(lambda: time.monotonic() - state.last_reply_at > UNHEALTHY_AFTER_LEASES * LEASE)
    assert health.faults()[0] == "slot 0.0 has neither claimed nor polled for 1 s"
    state.note_reply()
    health.note_renewal()
    assert health.faults() == []


def test_idle_slot_may_be_silent_while_it_waits_for_work(state: SlotState) -> None:
    """A lease that is shorter than that wait makes no idle worker unhealthy."""
    state.reset(NEVER)
    shared = SharedState(multiprocessing, ["0.0"])
    shared.slot = lambda name: state  # type: ignore[method-assign]
    health = Health(shared, ["0.0"], 0.01, None, idle=PATIENCE)
    until(lambda: health.faults())
    assert [fault for fault in health.faults() if "slot" in fault] == []


def test_running_job_is_healthy_for_days(state: SlotState) -> None:
    state.mark_busy()
    health = make(state, lease=0.0)
    assert not any("slot" in fault for fault in health.faults())


def test_missing_renewals_are_a_fault(state: SlotState) -> None:
    state.mark_busy()
    health = make(state)
    until(health.faults)
    assert health.faults() == ["leases could not be renewed for 1 s"]
    health.note_renewal()
    assert health.faults() == []


def test_refusals_are_faults_at_once(state: SlotState) -> None:
    """They name the cause; a renewal, or the slot's next process, ends them."""
    state.reset(NEVER)
    health = make(state, lease=PATIENCE)
    state.is_refused = True
    health.note_refusal("the log-in is refused")
    assert health.faults() == [
        "slot 0.0 is refused by Redis until a setting is changed; its log line says which",
        "leases can't be renewed: the log-in is refused",
    ]
    health.note_renewal()
    state.mark_idle()
    assert health.faults() == []


def test_file_is_touched_only_while_healthy(state: SlotState, tmp_path: Path, caplog) -> None:
    """And the change is told once in either direction."""
    file = tmp_path / "health"
    state.mark_busy()
    health = make(state, file)
    with caplog.at_level(logging.WARNING, "django_jobqueue"):
        health.show()
        assert file.exists()
        until(health.faults)
        file.unlink()
        health.show()
        health.show()
        assert not file.exists()
        health.note_renewal()
        health.show()
        assert file.exists()
    assert [line.levelname for line in caplog.records] == ["ERROR", "WARNING"]
    health.end()
    assert not file.exists()


def test_file_that_can_not_be_touched_ends_nothing(
    state: SlotState, tmp_path: Path, caplog
) -> None:
    """It is told once until it works again."""
    folder = tmp_path / "gone"
    state.mark_busy()
    health = make(state, folder / "health", lease=60)
    for _ in range(3):
        health.show()
    folder.mkdir()
    health.show()
    assert (folder / "health").exists()
    assert caplog.text.count("can't be touched") == 1
