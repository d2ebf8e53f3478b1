"""Two models of a queue that is fair by key: the formula, and all that the scripts do."""

from dataclasses import dataclass, field


class Formula:
    """Start-time fair queueing of jobs that cost the same: how a textbook has it."""

    def __init__(self) -> None:
        self.claimed = 0
        self.last: dict[str, int] = {}
        self.waiting: list[tuple[int, str]] = []

    def store(self, job_id: str, key: str) -> None:
        number = max(self.claimed, self.last.get(key, 0)) + 1
        self.last[key] = number
        self.waiting.append((number, job_id))
        self.waiting.sort()

    def claim(self) -> str:
        self.claimed, job_id = self.waiting.pop(0)
        return job_id


Place = tuple[int, int]  # priority, negative; number in it


@dataclass
class Queue:
    """The jobs of a queue with their places, and what it knows of keys."""

    places: dict[str, Place] = field(default_factory=dict)
    claimed: dict[int, int] = field(default_factory=dict)
    last: dict[tuple[int, str], int] = field(default_factory=dict)
    is_fair: bool = False

    def begin(self) -> None:
        self.is_fair = True
        for step, number in sorted(self.places.values()):
            self.last[step, ""] = number

    def forget(self) -> None:
        if not self.places:
            self.claimed, self.last, self.is_fair = {}, {}, False

    def order(self) -> list[str]:
        return sorted(self.places, key=lambda job_id: (self.places[job_id], job_id))


class Rounds:
    """All queues of an alias; each method is one script."""

    def __init__(self) -> None:
        self.sequence = 0
        self.queues: dict[str, Queue] = {}

    def queue(self, name: str) -> Queue:
        return self.queues.setdefault(name, Queue())

    def store(self, name: str, job_id: str, priority: int, key: str) -> Place:
        """Give a job a new place."""
        queue, step = self.queue(name), -priority
        if key and not queue.is_fair:
            queue.begin()
        number = self._round(queue, step, key) if queue.is_fair else None
        if number is None:
            self.sequence += 1
            number = self.sequence
        if queue.is_fair:
            queue.last[step, key] = number
        queue.places[job_id] = step, number
        return step, number

    def _round(self, queue: Queue, step: int, key: str) -> int | None:
        """Return the first round after those that count; forget two keys behind the claims."""
        claimed, last = queue.claimed.get(step), queue.last.get((step, key))
        if claimed is not None:
            behind = sorted((n, k) for (s, k), n in queue.last.items() if s == step and n < claimed)
            for _, gone in behind[:2]:
                del queue.last[step, gone]
        after = max(claimed or 0, last or 0)
        return min((n for s, n in queue.places.values() if s == step and n > after), default=None)

    def bring_back(self, name: str, job_id: str, place: Place, key: str) -> None:
        """Give a job its old place."""
        queue, (step, number) = self.queue(name), place
        if key:
            if not queue.is_fair:
                queue.begin()
            queue.last[step, key] = max(number, queue.last.get((step, key), 0))
        queue.places[job_id] = place

    def claim(self, name: str) -> tuple[str, Place] | None:
        queue = self.queue(name)
        if not queue.places:
            return None
        job_id = queue.order()[0]
        step, number = place = queue.places.pop(job_id)
        if queue.is_fair:
            queue.claimed[step] = max(number, queue.claimed.get(step, 0))
        queue.forget()
        return job_id, place

    def remove(self, name: str, job_id: str) -> None:
        self.queue(name).places.pop(job_id, None)
        self.queue(name).forget()
