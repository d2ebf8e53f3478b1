"""A text becomes a line that does no harm wherever it is shown."""

import unicodedata

import pytest

from django_jobqueue import QueueUnavailable
from django_jobqueue.jobs.text import MAX_LINE, one_line, read_log, spelled


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain", "plain"),
        ("", ""),
        ("  a  b  ", "  a  b  "),
        ("žluťoučký kůň 😀 क्‍ष نمی‌خواهم", "žluťoučký kůň 😀 क्‍ष نمی‌خواهم"),
        ("two\nlines\r\nand\ttab", "two lines  and tab"),
        ("\x1b[31mred\x07\x00", "\\x1b[31mred\\x07\\x00"),
        ("\x9b31m", "\\x9b31m"),
        ("abc\u202egpj.exe", "abc\\u202egpj.exe"),
        ("a\u2028b\u2029c\x85d", "a b c d"),
        ("half \ud83d", "half \\ud83d"),
        (5, "5"),
    ],
)
def test_what_becomes_of_a_text(text: object, line: str) -> None:
    """Letters of all scripts stay, line breaks are spaces, what steers a terminal is spelled."""
    assert one_line(text) == line


def test_text_of_any_length_keeps_what_is_wanted() -> None:
    """A block keeps its line breaks."""
    text = "a\u202eb\n\tc\x1b" + "x" * (2 * MAX_LINE)
    assert spelled(text, kept="\n\t") == "a\\u202eb\n\tc\\x1b" + "x" * (2 * MAX_LINE)
    assert spelled(text).startswith("a\\u202eb  c\\x1bx")


def test_error_of_the_package_is_safe_to_print() -> None:
    """It may quote what somebody stored in Redis."""
    error = QueueUnavailable("the owner is \x1b[31mEVIL\nFAKE")
    assert str(error) == f"{error}" == "the owner is \\x1b[31mEVIL FAKE"


def test_no_control_character_is_left() -> None:
    """Nor half a character, which no UTF-8 has, nor what turns the direction of writing."""
    everything = "".join(map(chr, range(0x11000)))
    shown = "".join(one_line(everything[at : at + 50]) for at in range(0, len(everything), 50))
    kinds = {unicodedata.category(char) for char in shown}
    assert not kinds & {"Cc", "Cs", "Zl", "Zp"}
    turned = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    assert not {unicodedata.bidirectional(char) for char in shown} & turned
    shown.encode()


@pytest.mark.parametrize("char", ["x", "€", "\n", "\x1b", "\ud800"])
def test_long_text_is_cut_with_an_ellipsis(char: str) -> None:
    """At the cap, also if it grew by what had to be written out."""
    for length in (MAX_LINE - 1, MAX_LINE, MAX_LINE + 1, 100_000):
        line = one_line(char * length)
        assert len(line) <= MAX_LINE
        assert line.endswith("…") == (len(one_line(char)) * length > MAX_LINE)


def test_stored_lines_are_read() -> None:
    """What is none is left out."""
    stored = [b"1700000000000 a b", b"", b"x y", b"1700000000001", b"17000000000000 far"]
    assert read_log(stored) == ((1700000000000, "a b"), (1700000000001, ""))
