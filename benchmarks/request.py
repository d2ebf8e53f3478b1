"""What the command asks of a process that takes one measure."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

Values = dict[str, float]  # key of a figure → what was measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One measure and how much of it. Where: in the environment."""

    measure: str
    round: int  # even and odd ones differ in what comes first
    jobs: int
    samples: int
    due_jobs: int
    memory_jobs: int
    idle: float
    patience: float
    names: int = 0
    site_jobs: int = 0
    client_cores: Sequence[int] = ()
    both_cores: Sequence[int] = ()

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> "Request":
        given: dict[str, Any] = json.loads(text)
        return cls(**given)
