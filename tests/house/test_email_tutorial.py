"""The tutorial for a slow view, followed literally: a project is made, changed and used."""

import difflib
import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.support.docs import ROOT, Block, Browser, Walk, blocks, texts
from tests.support.processes import until

TUTORIAL = ROOT / "docs" / "tutorial" / "email.md"
MOST_LINES = 15
Sources = dict[Path, list[str]]


def test_a_slow_view_becomes_one_that_mails(
    new_walk: Callable[[Path], Walk], tmp_path: Path
) -> None:
    """With few changed lines; the mail has a link, which leads to the result."""
    walk = new_walk(tmp_path)
    steps = [block for block in blocks(TUTORIAL) if block.mark in {"file", "append", "run"}]
    _do(walk, [block for block in steps if block.line < _line_of("## 2.")])
    walk.run(["python", "manage.py", "check"], "the plain project")
    before = _sources(tmp_path)
    _do(walk, [block for block in steps if block.line > _line_of("## 2.")])
    added = _added(before, _sources(tmp_path))
    assert added <= MOST_LINES
    assert f"with {added} changed lines" in TUTORIAL.read_text("utf-8")

    walk.take(TUTORIAL, "start")
    browser = Browser(f"http://127.0.0.1:{walk.port}")
    until(lambda: browser.answers("/admin/login/"), what="the site answers")
    browser.post("/admin/login/", username="ada", password="only for this test", next="/")
    page = browser.post("/", year="2026")
    promise, mail = texts(TUTORIAL)
    assert promise.strip() in page
    for line in filter(None, mail.replace("…", "").splitlines()):
        until(partial(_logs, walk, line), what=line)
    (link,) = set(re.findall(rf"http://127\.0\.0\.1:{walk.port}(/requests/\S+/)", walk.log(1)))
    assert "2026-12: " in browser.get(link)
    status = json.loads(browser.get(link, accept="application/json"))
    assert (status["done"], status["title"]) == (True, "Write report")


def _logs(walk: Walk, line: str) -> bool:
    return line in walk.log(1)


def _do(walk: Walk, found: list[Block]) -> None:
    for block in found:
        walk.do(block)


def _line_of(heading: str) -> int:
    lines = TUTORIAL.read_text("utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.startswith(heading))


def _sources(folder: Path) -> Sources:
    """Return the lines of all files that a person writes."""
    paths = [path for path in folder.rglob("*") if path.suffix in {".py", ".html"}]
    return {path: path.read_text("utf-8").splitlines() for path in paths}


def _added(before: Sources, after: Sources) -> int:
    """Return how many lines are new or changed; blank ones don't count."""
    changes = (difflib.ndiff(before.get(path, []), after[path]) for path in after)
    return sum(line.startswith("+ ") and line != "+ " for change in changes for line in change)
