"""Exceptions that can't be put into words end a run as any other does."""

import logging
from collections.abc import Iterator

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.testing import drain
from tests.project import untellable
from tests.worker.execution import claimed, executor, run

PATH = "tests.project.untellable."


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """A handler as the standard library has it, which formats what it is given."""
    handler = logging.StreamHandler()
    logging.getLogger().addHandler(handler)
    yield
    logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize(
    ("name", "exception", "words"),
    [
        ("fails_to_format", "builtins.SyntaxError", "SyntaxError: x (t.html, line 1)\n"),
        ("is_mute", "tests.project.untellable.Mute", "untellable.Mute"),
        ("is_disguised", "tests.project.untellable.Disguised", "untellable.Disguised"),
        ("is_unencodable", "tests.project.untellable.Half_\\ud83d_class", "half \\ud83d"),
    ],
)
@pytest.mark.usefixtures("terminal")
def test_run_fails_with_the_words_there_are(name: str, exception: str, words: str) -> None:
    """The class is named, and where it was raised if that can be told."""
    ended = run(claimed("", path=PATH + name))
    result = ended.result
    assert (result.outcome, result.reason, result.exception) == ("failed", "exception", exception)
    assert words in result.traceback
    result.error.encode()
    executor.send_signals(ended, 3_000_000)


@pytest.mark.parametrize("name", ["has_unformattable_cause", "has_broken_backoff"])
@pytest.mark.usefixtures("terminal")
def test_attempts_are_not_cut_short(name: str) -> None:
    """The job is retried as if it could be told."""
    assert run(claimed("", path=PATH + name, max_attempts=2)).result.outcome == "retried"


@pytest.mark.usefixtures("terminal")
def test_cause_without_words_leaves_the_frames() -> None:
    """And the message of the exception itself."""
    text = run(claimed("", path=PATH + "has_unformattable_cause")).result.traceback
    assert "in has_unformattable_cause" in text
    assert text.endswith("ValueError: the words\n")


@pytest.mark.usefixtures("terminal")
def test_receiver_without_words_stops_nothing(engine: Engine) -> None:
    """The next job runs in the same slot."""
    results = [untellable.has_broken_receiver.enqueue(), untellable.fails_to_format.enqueue()]
    results.append(untellable.has_unformattable_cause.using(max_attempts=1).enqueue())
    assert drain() == 3
    for result in results:
        result.refresh()
    assert [result.state for result in results] == ["succeeded", "failed", "failed"]


class Raising(logging.Handler):
    """A handler that raises, as the standard library's do for a record they can't format."""

    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("no log today")


def test_log_that_raises_stops_nothing(engine: Engine) -> None:
    """Each job runs once."""
    names = ("fails_to_format", "has_broken_backoff", "has_broken_receiver")
    results = [getattr(untellable, name).using(max_attempts=1).enqueue() for name in names]
    handler = Raising()
    logging.getLogger().addHandler(handler)
    try:
        assert drain() == len(names)
    finally:
        logging.getLogger().removeHandler(handler)
    for result in results:
        result.refresh()
    assert [result.state for result in results] == ["failed", "failed", "succeeded"]
