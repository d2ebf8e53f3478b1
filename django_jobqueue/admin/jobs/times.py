"""The spans of time by which the list of jobs is narrowed."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

# In the address, and its text; "-" is before that time.
SPANS: dict[str, tuple[int, Promise]] = {
    "hour": (HOUR_MS, gettext_lazy("in the last hour")),
    "day": (DAY_MS, gettext_lazy("in the last day")),
    "week": (7 * DAY_MS, gettext_lazy("in the last 7 days")),
    "-hour": (HOUR_MS, gettext_lazy("more than an hour ago")),
    "-day": (DAY_MS, gettext_lazy("more than a day ago")),
    "-week": (7 * DAY_MS, gettext_lazy("more than 7 days ago")),
}


def bounds(span: str, now: int) -> tuple[int | None, int | None]:
    """Return the first ms of a span, and that after its end; None: it has none."""
    if span not in SPANS:
        return None, None
    at = now - SPANS[span][0]
    return (None, at) if span.startswith("-") else (at, None)
