"""What a job of the load has beside its kind: an equal share of each, and some have several."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

from django_jobqueue import Limit, Rate, Unique

NARROW, MOST_IN_NARROW = "narrow", 5  # the limited queue, and how many of its jobs may run at once
WIDE = 3  # jobs that may run at once of the second key of one that waits
RATE, BURST = "5/s", 2


class Feature(StrEnum):
    PLAIN = "plain"
    UNIQUE = "unique"
    WAIT = "waits for two keys"
    SKIP = "skipped if its key is full"
    CANCEL_OLDER = "cancels older ones"
    NARROW = "in a limited queue"
    RATE = "rate"
    TAGS = "tags"
    EXPIRES = "expires"
    CHAIN = "chain"
    GROUP = "group with callbacks"


FLOWS = (Feature.CHAIN, Feature.GROUP)
OF_JOBS = tuple(one for one in Feature if one not in FLOWS)
OF_MEMBERS = (Feature.WAIT, Feature.SKIP, Feature.NARROW, Feature.RATE, Feature.TAGS)


def tags_of(lane: int, kind: str) -> tuple[str, ...]:
    return (f"load:{lane % 7}", f"{kind}:1".replace(" ", "-"))


def options_of(
    features: frozenset[Feature], lane: int, kind: str, expires: float | None
) -> dict[str, Any]:
    """Return what `using` takes for them; jobs of one lane share their keys."""
    given: dict[str, Any] = {}
    limits = []
    if Feature.WAIT in features:
        limits += [Limit(1, key=f"wait:{lane}"), Limit(WIDE, key=f"wide:{lane % 3}")]
    if Feature.SKIP in features:
        limits.append(Limit(1, key=f"skip:{lane}", when="skip"))
    if Feature.CANCEL_OLDER in features:
        limits.append(Limit(1, key=f"newest:{lane}", when="cancel_older"))
    if limits:
        given["concurrency"] = limits
    if Feature.RATE in features:
        given["rate"] = Rate(RATE, key=f"api:{lane % 4}", burst=BURST)
    if Feature.UNIQUE in features:
        given["unique"] = Unique("number")
    if Feature.TAGS in features:
        given["tags"] = tags_of(lane, kind)
    if expires is not None:
        given["expires"] = timedelta(seconds=expires)
    return given
