"""What a process in a queue's own environment is told to enqueue."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Order:
    """Jobs of the numbers 1 to `jobs`."""

    peer: str
    call: str  # "enqueue", "bulk", "fill", or "paced": one at a time, with pauses
    jobs: int

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> "Order":
        return cls(**json.loads(text))
