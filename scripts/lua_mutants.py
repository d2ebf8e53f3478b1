"""Break Lua source, one small thing at a time. Each way to do it is a mutant.

A parser for the Lua that the scripts of the engine are written in: it knows no `goto` and no
method calls. While it reads, it notes what can be broken:

drop statement   a call, an assignment or an early return
drop argument    what a command writes or removes besides other things; the LIMIT of a range;
                 one of those whose least or greatest is taken
drop operand     of `and` and `or`
drop term        what is added, subtracted, multiplied by, divided by or joined
drop not         the condition is negated
always, never    a condition is true, or false
swap comparison  < and <=, > and >=, == and ~=
raise bound      a number that something is compared with
call unguarded   an error ends the script
"""

from collections import Counter
from dataclasses import dataclass

from scripts.lua_tokens import Reader, Span, Token

# How strongly an operator binds; two of one strength are read from left to right.
STRENGTH = {
    "or": 1, "and": 2, "<": 3, "<=": 3, ">": 3, ">=": 3, "==": 3, "~=": 3,
    "..": 4, "+": 5, "-": 5, "*": 6, "/": 6, "%": 6, "^": 8,
}  # fmt: skip
PREFIXES = ("not", "#", "-")
PREFIX_STRENGTH = 7
SWAPPED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "~=", "~=": "=="}
TERMS = ("+", "-", "*", "/", "..")
BLOCK_ENDS = ("end", "else", "elseif", "until", "")
REMOVES_EACH = ("UNLINK", "DEL", "HDEL")
CHOOSE = ("math.min", "math.max")


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One small change of a file. Its name outlives a change elsewhere in the file."""

    file: str  # the file's stem
    kind: str
    text: str  # what is broken, as it stands in the source
    occurrence: int  # 1 for the first of the file's mutants with this kind and text
    line: int
    start: int
    end: int
    new: str  # takes the place of source[start:end]

    @property
    def name(self) -> str:
        number = f" #{self.occurrence}" if self.occurrence > 1 else ""
        return f"{self.file}: {self.kind}: {self.text}{number}"

    def apply(self, source: str) -> str:
        """Return the broken source."""
        return source[: self.start] + self.new + source[self.end :]


def mutants_of(file: str, source: str) -> list[Mutant]:
    """Return all mutants of a file, in the order of their places.

    Raises: SyntaxError for Lua that is not read here.
    """
    parser = Parser(file, source)
    parser.block(nested=False)
    parser.expect("")
    seen: Counter[tuple[str, str]] = Counter()
    mutants = []
    for kind, span, cut, new in sorted(parser.found, key=lambda found: found[1:3]):
        text = " ".join(source[span.start : span.end].split())
        seen[kind, text] += 1
        line = source.count("\n", 0, cut.start) + 1
        place = {"line": line, "start": cut.start, "end": cut.end}
        mutants.append(
            Mutant(file=file, kind=kind, text=text, occurrence=seen[kind, text], new=new, **place)
        )
    return mutants


class Parser(Reader):
    """Read one file; `found` holds what can be broken: kind, its text, what goes, what comes."""

    def __init__(self, file: str, source: str) -> None:
        super().__init__(file, source)
        self.found: list[tuple[str, Span, Span, str]] = []

    def note(self, kind: str, span: Span, new: str = "", cut: Span | None = None) -> None:
        self.found.append((kind, span, cut or span, new))

    # ── Statements ───────────────────────────────────────────────────────────────────────────

    def block(self, *, nested: bool) -> int:
        """Read statements up to the end of their block; return how many they are.

        A return is an early one if it is nested in an `if` or a loop.
        """
        count = 0
        while self.next.text not in BLOCK_ENDS:
            self.statement(nested)
            self.takes(";")
            count += 1
        return count

    def statement(self, nested: bool) -> None:
        start = self.next.start
        if self.takes("local"):
            self.local()
        elif self.takes("if"):
            self.branches()
        elif self.takes("for"):
            self.loop()
        elif self.takes("while"):
            self.note("never", self.expression(), "false")
            self.loop_body()
        elif self.takes("repeat"):
            self.block(nested=True)
            self.expect("until")
            self.note("always", self.expression(), "true")
        elif self.takes("return"):
            if self.next.text not in BLOCK_ENDS:
                self.expressions()
            if nested:
                self.note("drop statement", self.since(start))
        elif self.takes("break"):
            self.note("drop statement", self.since(start))
        else:
            self.action()
            self.note("drop statement", self.since(start))

    def action(self) -> None:
        """Read a call or an assignment."""
        self.expressions()
        if self.takes("="):
            self.expressions()
        elif self.tokens[self.at - 1].text != ")":
            self.expect("=")

    def local(self) -> None:
        if self.takes("function"):
            self.take()
            self.function()
            return
        self.names()
        if self.takes("="):
            self.expressions()

    def branches(self) -> None:
        """Read an `if` from its condition to its end."""
        condition = self.expression()
        self.expect("then")
        self.note("always", condition, "true")
        size = self.block(nested=True)
        # Never what is one statement: it is dropped already, and a condition that acts as well.
        acts = "(" in self.source[condition.start : condition.end]
        if size != 1 or self.next.text != "end" or acts:
            self.note("never", condition, "false")
        if self.takes("elseif"):
            self.branches()
            return
        if self.takes("else"):
            self.block(nested=True)
        self.expect("end")

    def loop(self) -> None:
        self.names()
        if not self.takes("in"):
            self.expect("=")
        self.expressions()
        self.loop_body()

    def loop_body(self) -> None:
        self.expect("do")
        self.block(nested=True)
        self.expect("end")

    def names(self) -> None:
        self.take()
        while self.takes(","):
            self.take()

    def function(self) -> None:
        """Read a function from its parameters to its end."""
        self.expect("(")
        while not self.takes(")"):
            self.take()
        self.block(nested=False)
        self.expect("end")

    # ── Expressions ──────────────────────────────────────────────────────────────────────────

    def expressions(self) -> list[Span]:
        found = [self.expression()]
        while self.takes(","):
            found.append(self.expression())
        return found

    def expression(self, strength: int = 0) -> Span:
        """Read operands with the operators that bind more strongly than what stands before."""
        start = self.next.start
        left = self.prefixed() if self.next.text in PREFIXES else self.simple()
        while STRENGTH.get(self.next.text, 0) > strength:
            sign = self.take()
            right = self.expression(STRENGTH[sign.text])
            whole = self.since(start, sign.text)
            self.operation(left, sign, right, whole)
            left = whole
        return left

    def prefixed(self) -> Span:
        sign = self.take()
        operand = self.expression(PREFIX_STRENGTH)
        whole = self.since(sign.start)
        if sign.text == "not":
            self.note("drop not", whole, cut=Span(sign.start, operand.start))
        return whole

    def operation(self, left: Span, sign: Token, right: Span, whole: Span) -> None:
        """Note how an operator with two operands can be broken."""
        behind = Span(left.end, right.end)
        if sign.text in ("and", "or"):
            self.note("drop operand", Span(sign.start, right.end), cut=behind)
            if left.sign != sign.text:  # else it has several, each of them noted before
                before = Span(left.start, right.start)
                self.note("drop operand", Span(left.start, sign.end), cut=before)
        elif sign.text in TERMS:
            self.note("drop term", Span(sign.start, right.end), cut=behind)
        elif sign.text in SWAPPED:
            self.note("swap comparison", whole, SWAPPED[sign.text], Span(sign.start, sign.end))
            for side in (left, right):
                text = self.source[side.start : side.end]
                if text.isdigit():
                    self.note("raise bound", whole, str(int(text) + 1), side)

    def simple(self) -> Span:
        """Read an operand with the calls, fields and indices that follow it."""
        start = self.next.start
        if self.takes("("):
            self.expression()
            self.expect(")")
        elif self.next.text == "{":
            self.table()
        elif self.takes("function"):
            self.function()
        elif self.next.kind not in ("name", "string", "number") and self.next.text != "...":
            self.expect("an operand")
        else:
            self.take()
        while True:
            if self.takes("."):
                field = self.take()
                if field.text == "pcall":
                    span = self.since(start)
                    self.note("call unguarded", span, "call", Span(field.start, field.end))
            elif self.takes("["):
                self.expression()
                self.expect("]")
            elif self.takes("("):
                callee = Span(start, self.tokens[self.at - 2].end)
                given = [] if self.next.text == ")" else self.expressions()
                self.expect(")")
                self.arguments(callee, given)
            else:
                return self.since(start)

    def table(self) -> None:
        self.expect("{")
        while not self.takes("}"):
            if self.takes("["):
                self.expression()
                self.expect("]")
                self.expect("=")
            elif self.tokens[self.at + 1].text == "=":
                self.names()
                self.expect("=")
            self.expression()
            self.takes(",", ";")

    def arguments(self, callee: Span, given: list[Span]) -> None:
        """Note what a function or command can do without, of all that it is given."""
        name = self.source[callee.start : callee.end]
        words = [self.source[span.start : span.end] for span in given]
        command = words[0].strip("'\"") if words else ""
        if command.isupper() and command != words[0] and name.isidentifier() and name != "call":
            span = Span(callee.start, given[0].end)  # it runs commands, as `call` does
            self.note("call unguarded", span, "redis.call", callee)
        first, size = {"HSET": (2, 2), "HDEL": (2, 1)}.get(command, (1, 1))
        if command in ("HSET", *REMOVES_EACH) and len(given) > first + size:
            for at in range(first, len(given) - size + 1, size):
                if words[at] != "...":
                    self.without(given, at, size)
        if "'LIMIT'" in words:
            self.without(given, words.index("'LIMIT'"), 3)
        if name in CHOOSE:
            self.without(given, 1, 1)
            self.note("drop argument", given[0], cut=Span(given[0].start, given[1].start))

    def without(self, given: list[Span], at: int, size: int) -> None:
        last = given[at + size - 1]
        self.note(
            "drop argument", Span(given[at].start, last.end), cut=Span(given[at - 1].end, last.end)
        )
