"""The numbers of queues whose keys take turns in plain Python; see lua/shared/rare/fair.lua."""

from .model import Moves

STEP = 10**13  # between the scores of two priorities
MOST = 201  # priorities


class FairMoves(Moves):
    """What all scripts do to the places of jobs."""

    def fair_queues(self) -> list[str]:
        names: list[str] = self.keys.get("meta", {}).get("fair", "").split()
        return names

    def note_fair(self, names: list[str]) -> None:
        if names:
            self.hset("meta", fair=f" {' '.join(names)} ")
        else:
            self.drop("meta", "fair")

    def begin_fair(self, queue: str) -> None:
        names = self.fair_queues()
        if queue in names:
            return
        self.keys.pop(f"fair:{queue}", None)
        for score, _ in self.ordered(f"queued:{queue}"):
            self.zadd(f"fair:{queue}", f"{priority_of(score)}:", score)
        self.note_fair([*names, queue])

    def forget_fair(self, queue: str) -> None:
        names = self.fair_queues()
        if queue in names:
            self.keys.pop(f"fair:{queue}", None)
            self.note_fair([name for name in names if name != queue])

    def note_turn(self, queue: str, score: float, *, is_left: bool) -> None:
        if not is_left:
            self.forget_fair(queue)
        elif queue in self.fair_queues():
            self.raise_score(queue, str(priority_of(score)), score)

    def raise_score(self, queue: str, member: str, score: float) -> None:
        known = self.keys.get(f"fair:{queue}", {}).get(member, score)
        self.zadd(f"fair:{queue}", member, max(score, known))

    def new_score(self, queue: str, priority: str | None, fair: str = "") -> float:
        if fair:
            self.begin_fair(queue)
        if queue not in self.fair_queues():
            return float(self.new_plain_score(priority))
        lasts, own = self.keys.get(f"fair:{queue}", {}), int(priority or 0)
        first = (100 - own) * STEP
        claimed = lasts.get(str(own))
        after = max(first, claimed or 0, lasts.get(f"{own}:{fair}", 0))
        places = [score for score, _ in self.ordered(f"queued:{queue}")]
        joined = next((score for score in places if after < score < first + STEP), None)
        score = float(self.new_plain_score(priority)) if joined is None else joined
        behind = [
            member
            for at, member in self.ordered(f"fair:{queue}")
            if claimed is not None and first <= at < claimed
        ]
        self.drop(f"fair:{queue}", *behind[:2])
        self.zadd(f"fair:{queue}", f"{own}:{fair}", score)
        return score

    def old_score(self, queue: str, job: dict[str, str], score: float | str | None) -> float:
        known = float(-1 if score in (None, "") else score)
        fair = job.get("fair", "")
        if not 0 <= known < MOST * STEP:
            return self.new_score(queue, job.get("priority"), fair)
        if fair:
            self.begin_fair(queue)
            self.raise_score(queue, f"{priority_of(known)}:{fair}", known)
        return known


def priority_of(score: float) -> int:
    return 100 - int(score // STEP)
