"""What Redis holds is read, whatever it is; a text becomes a line that does no harm anywhere."""

import unicodedata

import pytest

from django_jobqueue import QueueUnavailable
from django_jobqueue.jobs.text import (
    MAX_LINE,
    MAX_NUMBER,
    ms,
    ms_of,
    number,
    one_line,
    raw,
    read_log,
    spelled,
    text,
)


@pytest.mark.parametrize(
    ("given", "line"),
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
def test_what_becomes_of_a_text(given: object, line: str) -> None:
    """Letters of all scripts stay, line breaks are spaces, what steers a terminal is spelled."""
    assert one_line(given) == line


def test_text_of_any_length_keeps_what_is_wanted() -> None:
    """A block keeps its line breaks."""
    given = "a\u202eb\n\tc\x1b" + "x" * (2 * MAX_LINE)
    assert spelled(given, kept="\n\t") == "a\\u202eb\n\tc\\x1b" + "x" * (2 * MAX_LINE)
    assert spelled(given).startswith("a\\u202eb  c\\x1bx")


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


def test_all_bytes_are_a_text_that_leads_back_to_them() -> None:
    """A text of any bytes can be written anywhere, and names what it was read from."""
    for data in (
        bytes(range(256)),
        b"",
        "žluť 😀".encode(),
        b"\xf0\x9f\x98",
        b"\xed\xa0\x80",
        b"a\\b",
    ):
        shown = text(data)
        shown.encode()
        found = raw(shown)
        assert (found.encode() if isinstance(found, str) else found) == data


@pytest.mark.parametrize("word", ["", "x", "1.5", "inf", "9" * 15, "9" * 5000, "-" + "9" * 15])
def test_what_is_no_number_is_refused(word: str) -> None:
    """Before anything is computed with it."""
    for read in (number, ms):
        with pytest.raises(ValueError, match=r".+"):
            read(word)
    assert number(b"-5") == -5
    with pytest.raises(ValueError, match="no time"):
        ms(b"-5")


@pytest.mark.parametrize("score", ["-inf", "inf", "nan", "-1", "1e300", str(MAX_NUMBER)])
def test_score_that_is_no_time_is_none(score: str) -> None:
    """Scores are floats, and may be anything."""
    assert ms_of(float(score)) is None
    assert ms_of(b"1700000000000") == 1_700_000_000_000
