"""Random limits and rates of jobs, changed numbers of them, and the maintenance of their keys."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from .machine_schedules import ScheduleRules

# Two queues and more share each key. A word with = counts as it is, the others as is noted last.
WORDS = ("=1w:one", "1w:k", "2w:two", "1s:skip", "1o:newest")
RATES = ("2r10000.1:api", "3r60000.3:api", "=2r1000.2:own")
words = st.builds(
    lambda limits, rate: " ".join([*limits, *rate]),
    st.lists(st.sampled_from(WORDS), max_size=2, unique=True),
    st.lists(st.sampled_from(RATES), max_size=1),
)
NUMBERS = ("", "1w", "2w 1w", "1s 2w", "1o", "2r10000.1", "1w 3r60000.2", "5w 5w 1r1000.1")


class LimitRules(ScheduleRules):
    """What is done about limits beside storing, claiming and ending jobs."""

    @rule(numbers=st.sampled_from(NUMBERS), queues=st.sampled_from(("", "", "a 1 ", "b 2 c 1 ")))
    def set_limits(self, numbers: str, queues: str) -> None:
        """A worker starts whose code has other numbers."""
        self.ask("set_limits", ("a.b", numbers), queues=queues)

    @rule(limit=st.sampled_from([1, 100]), later=st.sampled_from([0, 1_000, 10_000]))
    @precondition(lambda self: "awaited" in self.seen.keys)
    def admit(self, limit: int, later: int) -> None:
        self.move_clock(later)
        self.ask("admit", limit=limit)
