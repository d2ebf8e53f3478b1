"""Health: each slot has claimed, polled or run a job lately."""

import logging
import multiprocessing
import time
from pathlib import Path

import pytest

from django_jobqueue.worker.board import NEVER, Board, Row
from django_jobqueue.worker.health import LEASES, Health
from tests.rig import until

LEASE = 0.5


@pytest.fixture
def row() -> Row:
    return Board(multiprocessing, ["0.0"]).row("0.0")


def make(row: Row, file: Path | None = None, lease: float = LEASE) -> Health:
    board = Board(multiprocessing, ["0.0"])
    board.row = lambda slot: row  # type: ignore[method-assign]
    return Health(board, ["0.0"], lease, file)


def test_slot_that_hears_nothing_is_a_fault(row: Row) -> None:
    row.reset(NEVER)
    health = make(row)
    assert health.faults() == []
    health.renewed()
    until(lambda: time.monotonic() - row.heard_at > LEASES * LEASE)
    assert health.faults()[0] == "slot 0.0 has neither claimed nor polled for 1 s"
    row.hear()
    health.renewed()
    assert health.faults() == []


def test_running_job_is_healthy_for_days(row: Row) -> None:
    row.work(1.0)
    health = make(row, lease=0.0)
    assert not any("slot" in fault for fault in health.faults())


def test_missing_renewals_are_a_fault(row: Row) -> None:
    row.work(1.0)
    health = make(row)
    until(health.faults)
    assert health.faults() == ["leases could not be renewed for 1 s"]
    health.renewed()
    assert health.faults() == []


def test_file_is_touched_only_while_healthy(row: Row, tmp_path: Path, caplog) -> None:
    """And the change is told once in either direction."""
    file = tmp_path / "health"
    row.work(1.0)
    health = make(row, file)
    with caplog.at_level(logging.WARNING, "django_jobqueue"):
        health.show()
        assert file.exists()
        until(health.faults)
        file.unlink()
        health.show()
        health.show()
        assert not file.exists()
        health.renewed()
        health.show()
        assert file.exists()
    assert [line.levelname for line in caplog.records] == ["ERROR", "WARNING"]
    health.end()
    assert not file.exists()


def test_file_that_can_not_be_touched_ends_nothing(row: Row, tmp_path: Path, caplog) -> None:
    """It is told once until it works again."""
    folder = tmp_path / "gone"
    row.work(1.0)
    health = make(row, folder / "health", lease=60)
    for _ in range(3):
        health.show()
    folder.mkdir()
    health.show()
    assert (folder / "health").exists()
    assert caplog.text.count("can't be touched") == 1
