"""Words for people."""

import pytest

from django_jobqueue.admin.display import block, pretty
from django_jobqueue.jobs.phrases import reason


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


def test_block_spells_what_turns_the_writing() -> None:
    """JSON keeps such marks as they are; the block's own lines stay."""
    shown = block(pretty({"file": "a\u202egpj.exe", "n": "\x9b1m"}))
    assert shown == (
        '<pre class="jobqueue-text" tabindex="0">{\n'
        "  &quot;file&quot;: &quot;a\\u202egpj.exe&quot;,\n"
        "  &quot;n&quot;: &quot;\\x9b1m&quot;\n}</pre>"
    )
