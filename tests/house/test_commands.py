"""Commands print by `tell` and `complain`, which clean what they are given."""

import re
from pathlib import Path

import pytest

COMMANDS = Path(__file__).resolve().parents[2] / "django_jobqueue/management/commands"


@pytest.mark.parametrize("path", sorted(COMMANDS.glob("job*.py")), ids=lambda path: path.stem)
def test_command_prints_nothing_raw(path: Path) -> None:
    """Neither to its streams nor past them."""
    text = path.read_text("utf-8")
    assert re.search(r"class Command\((output\.Command|LongRunningCommand)\)", text)
    assert not re.search(r"self\.std|sys\.std|\bprint\(", text)
