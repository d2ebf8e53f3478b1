"""Cut Lua source into tokens, and go through them.

Next: lua_mutants.py, which reads them.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

TOKEN = re.compile(
    r"""
    (?P<space>  \s+ | --[^\n]*)
  | (?P<string> '(?:\\.|[^'\\\n])*' | "(?:\\.|[^"\\\n])*")
  | (?P<number> \d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<name>   [A-Za-z_]\w*)
  | (?P<symbol> \.\.\. | \.\. | [<>=~]= | [-+*/%^\#<>=(){}\[\];,.])
    """,
    re.VERBOSE,
)


class Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


def tokens(file: str, source: str) -> Iterator[Token]:
    """Yield the tokens, without spaces and comments; the last one is empty.

    Raises: SyntaxError.
    """
    at = 0
    while at < len(source):
        match = TOKEN.match(source, at)
        if not match:
            raise SyntaxError(f"{file}.lua: what is {source[at : at + 20]!r}?")
        if match.lastgroup != "space":
            yield Token(match.lastgroup or "", match[0], at, match.end())
        at = match.end()
    yield Token("end", "", at, at)


class Span(NamedTuple):
    """Where a piece of the source stands; `sign` is the operator that holds it together."""

    start: int
    end: int
    sign: str = ""


class Reader:
    """Go through the tokens of a file."""

    def __init__(self, file: str, source: str) -> None:
        self.file = file
        self.source = source
        self.tokens = list(tokens(file, source))
        self.at = 0

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def takes(self, *texts: str) -> bool:
        """Take the next token if it is one of these."""
        found = self.next.text in texts
        self.at += found
        return found

    def expect(self, text: str) -> None:
        """Take the next token.

        Raises: SyntaxError if it is another one.
        """
        if not self.takes(text):
            line = self.source.count("\n", 0, self.next.start) + 1
            raise SyntaxError(f"{self.file}.lua:{line}: {self.next.text!r} instead of {text!r}")

    def since(self, start: int, sign: str = "") -> Span:
        """Return the span from a place up to the last token taken."""
        return Span(start, self.tokens[self.at - 1].end, sign)
