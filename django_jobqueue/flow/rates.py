"""How many jobs with the same key may start in a time: the option `rate` of a task."""

import re
from dataclasses import KW_ONLY, dataclass

from django_jobqueue.compat import InvalidTask
from django_jobqueue.flow import key_templates

MOST_STARTS = 1_000_000  # in a window
UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}  # ms
_RATE = re.compile(r"([0-9]{1,7})/([smhd])")


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many jobs with one key start in any second, minute, hour or day: "100/m".

    Others wait; none is dropped, and waiting uses no attempt. `key` is a template as in Limit. Up
    to `burst` jobs start back to back, by default all of a window; the rest evenly spaced.
    """

    rate: str
    _: KW_ONLY
    key: str = ""
    burst: int | None = None

    def __post_init__(self) -> None:
        rate: object = self.rate
        found = _RATE.fullmatch(rate) if isinstance(rate, str) else None
        if not found or not 1 <= int(found[1]) <= MOST_STARTS:
            raise InvalidTask(
                f"Rate({rate!r}): it must be a number from 1 to {MOST_STARTS:,}, a slash and s, m, "
                'h or d, such as "100/m".'
            )
        key_templates.check_template(self.key, f"Rate({self.rate!r})")
        burst: object = self.burst
        if burst is not None and not (type(burst) is int and 1 <= burst <= self.count):
            raise InvalidTask(
                f"Rate({rate!r}): burst={burst!r} must be a whole number from 1 to {self.count}."
            )

    @property
    def count(self) -> int:
        """Return how many jobs start in a window."""
        return int(self.rate.partition("/")[0])

    @property
    def window(self) -> int:
        """Return the length of the window in ms."""
        return UNITS[self.rate[-1]]

    @property
    def word(self) -> str:
        """Return the rate as a word of its jobs, without the key."""
        return f"{self.count}r{self.window}.{self.burst or self.count}"
