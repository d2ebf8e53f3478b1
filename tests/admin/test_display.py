"""Words for people."""

import pytest

from django_jobqueue.admin.display import reason


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("exception", "the task raised an exception"),
        ("lost", "its worker was lost too often while running it"),
        ("killed_9", "its process was killed too often while running it: signal 9"),
        ("exited_3", "its process ended too often while running it: exit code 3"),
        ("of another version", "of another version"),
    ],
)
def test_a_reason_is_put_into_words(code: str, words: str) -> None:
    """Codes that end in a number name it; an unknown code is shown as it is."""
    assert reason(code) == words
