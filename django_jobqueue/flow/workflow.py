"""The workflow that a caller holds: its state, progress and result."""

import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from django_jobqueue import compat
from django_jobqueue.exceptions import JobQueueError

_POLL = (0.01, 0.5)  # seconds between two polls of wait(), at first and at most


class WorkflowNotFound(JobQueueError):
    """There is no workflow with this id, or it was removed after its retention."""


class WorkflowState(StrEnum):
    """The state of a workflow."""

    STAGED = "staged"  # not all members are stored, so that none runs
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # a member did not succeed
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self not in (WorkflowState.STAGED, WorkflowState.RUNNING)


class WorkflowProgress(NamedTuple):
    """How far a workflow is."""

    done: int  # members that have ended
    members: int
    failed: int  # of those that have ended, without success


@dataclass(slots=True)
class Workflow:
    """A workflow as it was when last read; `refresh()` reads it again."""

    id: str
    backend: str = compat.DEFAULT_TASK_BACKEND_ALIAS
    state: WorkflowState = WorkflowState.STAGED
    progress: WorkflowProgress = field(default_factory=lambda: WorkflowProgress(0, 0, 0))
    reason: str = ""  # why it was cancelled
    is_pending: bool = field(default=False, repr=False)  # it waits for the commit
    # There is none and there will be none: a rollback, or cancelled before the commit.
    is_dropped: bool = field(default=False, repr=False)
    # The commit is over, and Redis did not confirm it: `refresh()` tells whether there is one.
    store_failed: bool = field(default=False, repr=False)

    @classmethod
    def get(cls, id: str, backend: str = compat.DEFAULT_TASK_BACKEND_ALIAS) -> "Workflow":
        """Return the workflow with this id. Raises: WorkflowNotFound, QueueUnavailable."""
        found = cls(id, backend)
        found.refresh()
        return found

    def refresh(self) -> None:
        """Read the workflow again; do nothing before its commit.

        Raises: WorkflowNotFound, QueueUnavailable.
        """
        if not self.is_pending and not self.is_dropped:
            self._backend.refresh_workflow(self)

    def result(self) -> Any:
        """Return what the last part returned; of a group, the list of its members' results.

        Of a workflow that went on after failures, None stands in the place of what is missing.
        Raises: ValueError unless it has ended, and if it failed or was cancelled; BadSignature.
        """
        if self.is_dropped:
            raise ValueError(
                f"Workflow {self.id} was never stored: it was cancelled, or rolled back."
            )
        self.refresh()
        if not self.state.is_final:
            raise ValueError(f"Workflow {self.id} is {self.state}: it has no result yet.")
        return self._backend.workflow_result(self)

    def wait(self, timeout: float | None = None) -> Any:
        """Wait until the workflow has ended, and return its result.

        Raises: as `result` does; TimeoutError; RuntimeError at once before the commit.
        """
        if self.is_pending:
            raise RuntimeError(f"Workflow {self.id} waits for the commit of this transaction.")
        deadline = None if timeout is None else time.monotonic() + timeout
        pause, longest = _POLL
        self.refresh()
        while not self.state.is_final:
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"Workflow {self.id} is {self.state} after {timeout} s.")
            left = longest if deadline is None else max(0.0, deadline - time.monotonic())
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, longest)
            self.refresh()
        return self.result()

    def cancel(self) -> None:
        """Cancel what has not run, and tell what runs to end; before the commit, store nothing.

        Raises: WorkflowNotFound, QueueUnavailable.
        """
        if self.is_pending:
            self.drop()
            return
        if not self.is_dropped:
            self._backend.cancel_workflow(self.id)
            self.refresh()

    def drop(self) -> None:
        """Note that the workflow will never be stored."""
        self.is_pending, self.is_dropped = False, True
        self.state = WorkflowState.CANCELLED

    @property
    def _backend(self) -> Any:
        return compat.task_backends[self.backend]
