"""Several indexes are read as one, at any depth, without what stands before the page."""

import random
from collections.abc import Iterator

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.merging import merged_ids

PAGE = 50


@pytest.fixture(autouse=True)
def strange(engine: Engine) -> Iterator[None]:
    """Remove entries that are no jobs, before the consistency of all is looked at."""
    yield
    engine.client.redis.flushall()


def filled(engine: Engine, scores: list[list[float]]) -> list[str | bytes]:
    """Fill an index for each list of scores; an entry's name tells its score and index."""
    keys = [engine.client.keys("succeeded", f"q{number}") for number in range(len(scores))]
    for number, (key, own) in enumerate(zip(keys, scores, strict=True)):
        if own:
            entries = {f"{score:.0f}-{number}-{place}": score for place, score in enumerate(own)}
            engine.client.redis.zadd(key, entries)
    return [*keys]


def score_of(name: str) -> float:
    return float(name.rsplit("-", 2)[0])


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("spread", [5, 3_000, 10**13])
def test_pages_follow_each_other(engine: Engine, spread: int, newest_first: bool) -> None:
    """Each entry is on one page, in order, however many have the same score."""
    seed = random.randrange(10**9)
    draw = random.Random(seed)
    sizes = (0, 1, 700, 1_800)
    scores = [[float(draw.randrange(spread)) for _ in range(size)] for size in sizes]
    indexes = filled(engine, scores)
    total = sum(sizes)
    found: list[str] = []
    for start in range(0, total, PAGE):
        found += merged_ids(engine.client, indexes, start, start + PAGE, newest_first=newest_first)
    assert len(set(found)) == len(found) == total, seed
    wanted = sorted((score for own in scores for score in own), reverse=newest_first)
    assert [score_of(name) for name in found] == wanted, seed


@pytest.mark.parametrize("newest_first", [True, False])
def test_what_stands_before_a_deep_page_is_not_read(engine: Engine, newest_first: bool) -> None:
    scores = [[float(number * 7 + at) for number in range(3_000)] for at in range(3)]
    indexes = filled(engine, scores)
    before = sent(engine)
    merged_ids(engine.client, indexes, 4_000, 4_050, newest_first=newest_first)
    assert sent(engine) - before < 100_000  # 4,050 of each index would be about 400,000


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("many", [1, 7, 60])
def test_of_many_indexes_some_may_have_the_whole_page(
    engine: Engine, many: int, newest_first: bool
) -> None:
    """Those that come first stand in a few of 60 indexes, one behind the other."""
    scores = [[float(number * 60 + at) for number in range(200)] for at in range(60)]
    for own in scores[:many]:
        own += [score + 10**6 for score in own]
        own += [-score for score in own]
    indexes = filled(engine, scores)
    wanted = sorted((score for own in scores for score in own), reverse=newest_first)
    for start, stop in ((0, 100), (0, 900), (90, 210), (1_100, 1_150)):
        page = merged_ids(engine.client, indexes, start, stop, newest_first=newest_first)
        assert list(map(score_of, page)) == wanted[start:stop]


def test_of_many_indexes_little_more_than_the_page_is_read(engine: Engine) -> None:
    scores = [[float(number * 60 + at) for number in range(300)] for at in range(60)]
    indexes = filled(engine, scores)
    before = sent(engine)
    assert len(merged_ids(engine.client, indexes, 0, 100, newest_first=True)) == 100
    assert sent(engine) - before < 60_000  # 100 of each index would be about 200,000


def test_scores_that_nobody_wrote(engine: Engine) -> None:
    """An infinite one stops no page."""
    ordinary = [float(number) for number in range(2_000)]
    indexes = filled(engine, [ordinary, [float("inf"), float("-inf")]])
    for newest_first in (True, False):
        page = merged_ids(engine.client, indexes, 1_500, 1_550, newest_first=newest_first)
        assert len(page) == 50


def sent(engine: Engine) -> int:
    """Return how many bytes the server has sent to this test's connection and others."""
    return int(engine.client.redis.info("stats")["total_net_output_bytes"])
