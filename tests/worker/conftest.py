"""Fixtures of the worker's tests: the shared state of a worker with one slot."""

import multiprocessing

import pytest

from django_jobqueue.worker.limits.shared_state import SharedState, SlotState


@pytest.fixture
def state() -> SlotState:
    return SharedState(multiprocessing, ["0.0"]).slot("0.0")
