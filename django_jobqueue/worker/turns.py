"""The turns of queues that a slot serves by weights.

Each claim is one queue's turn. A smooth weighted round robin spreads the turns: of
`high:5,default:2,low:1`, eight turns are 5, 2 and 1, the five not in a row. An empty queue gives
its turn to the next one, and saves up none.
"""

from collections.abc import Sequence


class Turns:
    """The turns in one slot."""

    def __init__(self, names: Sequence[str], weights: Sequence[int]) -> None:
        self._weights = dict(zip(names, weights, strict=True))
        # How far each queue is behind its share, in units of the weights.
        self._credits = dict.fromkeys(names, 0)

    def next(self) -> Sequence[str]:
        """Return the names in the order in which the next claim is to try them."""
        return sorted(self._weights, key=self._claim_of, reverse=True)

    def note(self, queue: str) -> None:
        """Note the queue that the claim's job came from."""
        tried = self.next()
        at = tried.index(queue)
        for name in tried[:at]:  # they are empty
            self._credits[name] = 0
        for name in tried[at:]:
            self._credits[name] += self._weights[name]
            self._credits[queue] -= self._weights[name]

    def _claim_of(self, name: str) -> int:
        return self._credits[name] + self._weights[name]
