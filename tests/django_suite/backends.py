"""Our backend as Django's own tests want it: with the jobs already run."""

from collections.abc import Mapping, Sequence
from typing import Any

from django_jobqueue.backend import JobQueueBackend
from django_jobqueue.testing import drain


class DrainedBackend(JobQueueBackend):
    """Enqueue, run a worker in burst, refresh: what ImmediateBackend does in one step."""

    def enqueue(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        result = super().enqueue(task, args, kwargs)
        drain(self.alias)
        result.refresh()
        return result
