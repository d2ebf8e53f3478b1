"""Grade answers against a key, with pure functions that use no database and no queue."""

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from homework.answers import AnswerSheet, shortened

CORRECT, PARTIAL, WRONG, MISSING = "correct", "partial", "wrong", "missing"
CLOSE_TEXT = 0.85  # similarity from which a misspelt word still earns half of the points
CLOSE_NUMBER = 10  # tolerances within which a number still earns half of the points


class BrokenKey(ValueError):
    """An assignment's key is invalid; its author must correct it."""


@dataclass(frozen=True, slots=True)
class KeyLine:
    """The right answer to one question; see models.Question."""

    label: str
    kind: str  # choice, number, text
    answer: str
    tolerance: float = 0.0
    points: int = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome and the points of one answer, with a comment."""

    label: str
    given: str
    outcome: str  # correct, partial, wrong, missing
    points: float
    out_of: int
    comment: str

    def __str__(self) -> str:
        given = f"you answered “{self.given}”" if self.given else ""
        told = [f"{self.outcome}, {self.points:g} of {self.out_of}", given, self.comment]
        return f"{self.label}. {' – '.join(filter(None, told))}"


def report(verdicts: Sequence[Verdict], notes: Sequence[str]) -> str:
    """Return what the student reads: the mark, notes about the file, and the verdicts."""
    mark = round(sum(verdict.points for verdict in verdicts), 2)
    head = f"{mark:g} of {sum(verdict.out_of for verdict in verdicts)} points"
    return "\n\n".join(filter(None, [head, "\n".join(notes), "\n".join(map(str, verdicts))]))


def grade(line: KeyLine, sheet: AnswerSheet) -> Verdict:
    """Return the verdict on the answers to one question of the key."""
    return judge(line, sheet.answers.get(line.label.lower(), []))


def judge(line: KeyLine, given: Sequence[str]) -> Verdict:
    """Return the verdict on the answers to one question; the last answer counts."""
    answer = given[-1] if given else ""
    if not answer.strip():
        outcome, share, comment = MISSING, 0.0, "Not answered."
    else:
        share, comment = _RULES[line.kind](line, answer)
        outcome = CORRECT if share == 1 else PARTIAL if share > 0 else WRONG
    if len({_folded(one) for one in given}) > 1:
        comment += f" Answered {len(given)} times: the last answer counts."
    points = round(share * line.points, 2)
    return Verdict(line.label, shortened(answer), outcome, points, line.points, comment.strip())


def notes(key: Sequence[KeyLine], sheet: AnswerSheet) -> list[str]:
    """Return notes for the student about the file itself."""
    known = {line.label.lower() for line in key}
    unknown = [label for label in sheet.answers if label not in known]
    found = []
    if unknown:
        listed = ", ".join(unknown[:10]) + (" …" if len(unknown) > 10 else "")
        found.append(f"Not questions of this assignment, so not graded: {listed}.")
    if sheet.unread:
        listed = "; ".join(sheet.unread[:5]) + (" …" if len(sheet.unread) > 5 else "")
        found.append(f"Not understood as “question, answer”: {listed}.")
    return found


def _choice(line: KeyLine, answer: str) -> tuple[float, str]:
    """Return the share of the points and a comment; each wrong letter cancels a right one."""
    right = _letters(line.answer)
    if right is None:
        raise BrokenKey(f"The key of question {line.label} is {line.answer!r}: not letters A to H.")
    chosen = _letters(answer)
    if chosen is None:
        return 0.0, "Expected the letter of a choice."
    hits, misses = len(chosen & right), len(chosen - right)
    share = max(0, hits - misses) / len(right)
    if share == 1:
        return 1.0, ""
    if share > 0:
        return share, f"{hits} of {len(right)} right choices, {misses} wrong."
    return 0.0, ""


def _letters(answer: str) -> set[str] | None:
    """Return the letters of 'b', 'A, C', 'a and c' or 'AC', or None if it is something else."""
    text = answer.strip()
    if re.fullmatch(r"[A-H]{2,8}", text):
        return set(text)
    words = re.findall(r"\w+", text.upper())
    letters = {word for word in words if word not in {"AND", "OPTION"}}
    return letters if letters and all(re.fullmatch("[A-H]", one) for one in letters) else None


def _number(line: KeyLine, answer: str) -> tuple[float, str]:
    right, found = number(line.answer), number(answer)
    if right is None:
        raise BrokenKey(f"The key of question {line.label} is {line.answer!r}: not a number.")
    if found is None:
        return 0.0, "Expected a number."
    off = abs(found - right)
    if off <= line.tolerance + 1e-9 * abs(right):
        return 1.0, ""
    if off <= line.tolerance * CLOSE_NUMBER:
        return 0.5, f"Close: expected within {line.tolerance:g} of the right value."
    return 0.0, ""


def number(text: str) -> float | None:
    """Return the number in '1,024', '3,14', '1 000.5', '1/3', '−4', '50 %' or '9.81 m/s²'."""
    plain = unicodedata.normalize("NFKC", text[:40]).strip().replace("−", "-").replace("'", "")
    found = re.match(
        r"([-+]?\d+)\s*/\s*(\d+)|[-+]?(?:\d[\d ,.]*|[.,]\d+)(?:e[-+]?\d+)?", plain, re.IGNORECASE
    )
    if found is None:
        return None
    if found[1]:
        return int(found[1]) / int(found[2]) if int(found[2]) else None
    try:
        value = float(_decimal_point(found[0].replace(" ", "")))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _decimal_point(digits: str) -> str:
    """Return digits with a decimal point only; a comma is one too unless it groups thousands."""
    digits = digits.rstrip(",.")
    if "," in digits and "." in digits:
        last = max(digits.rfind(","), digits.rfind("."))
        return re.sub("[,.]", "", digits[:last]) + "." + digits[last + 1 :]
    if re.fullmatch(r"[-+]?[1-9]\d{0,2}(,\d{3})+", digits):
        return digits.replace(",", "")
    return digits.replace(",", ".")


def _text(line: KeyLine, answer: str) -> tuple[float, str]:
    given = _folded(answer)
    rights = [_folded(one) for one in line.answer.split("|")]
    if given in rights:
        return 1.0, ""
    likeness = max(SequenceMatcher(None, given[:200], right).ratio() for right in rights)
    if likeness >= CLOSE_TEXT:
        return 0.5, "Nearly: check the spelling."
    return 0.0, ""


def _folded(text: str) -> str:
    """Return text without differences of case, accents, punctuation and white space."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    bare = (char for char in plain if not unicodedata.combining(char))
    return " ".join("".join(char if char.isalnum() else " " for char in bare).split())


_RULES = {"choice": _choice, "number": _number, "text": _text}
