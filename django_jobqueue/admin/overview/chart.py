"""Charts of runs that ended, as the figures of an SVG that a template draws."""

from collections.abc import Sequence
from dataclasses import dataclass

from django_jobqueue.engine.activity import Counts
from django_jobqueue.jobs import phrases

WIDTH, HEIGHT = 600, 100  # of the view box
SHOWN = ("succeeded", "failed")  # from the bottom of a bar to its top


@dataclass(frozen=True, slots=True)
class Rect:
    """One part of a bar. Texts, because a template would write numbers in the user's language."""

    event: str
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Runs that ended, by minute or hour, oldest first."""

    title: str
    start: str  # of the time that it shows
    highest: str  # says what ended in the busiest minute or hour
    rects: tuple[Rect, ...]
    totals: dict[str, str]  # by event

    @property
    def view_box(self) -> str:
        return f"0 0 {WIDTH} {HEIGHT}"


def draw(title: str, start: str, most: str, counts: Sequence[Counts]) -> Chart:
    """Return the chart of some counts; `most` is the text about the busiest time."""
    highest = max(sum(one.get(event, 0) for event in SHOWN) for one in counts)
    totals = {
        event: phrases.count(sum(one.get(event, 0) for one in counts))
        for event in ("enqueued", "succeeded", "failed", "retried", "recovered")
    }
    step = WIDTH / len(counts)
    rects = [
        rect
        for place, one in enumerate(counts)
        for rect in _bar(one, place * step, step * 0.8, highest or 1)
    ]
    return Chart(title, start, most % {"count": phrases.count(highest)}, tuple(rects), totals)


def _bar(counts: Counts, x: float, width: float, highest: int) -> list[Rect]:
    found, top = [], float(HEIGHT)
    for event in SHOWN:
        if many := counts.get(event, 0):
            height = max(1.0, HEIGHT * many / highest)  # one of a million is seen too
            top = max(0.0, top - height)
            found.append(Rect(event, f"{x:.1f}", f"{top:.1f}", f"{width:.1f}", f"{height:.1f}"))
    return found
