"""Run tests again and again in forks of one pytest, which has imported and collected them once.

mutants.py starts it in a copy of the project. First it runs all tests and notes how long each
takes and which scripts it calls. Then each line of its input is a request:

    {"file": path, "source": what stands in it for this request, "first": start of a test's id}

The tests that call a script which the file changes are run up to the first that fails: those named
first, then the quick ones before the slow ones. Others can't see the change. A line of output
answers with {"red": id of the test that failed, or "", "why": what it says}, or with {"broken": why
there is no answer}.
"""

import contextlib
import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import pytest

from django_jobqueue.engine import scripts
from django_jobqueue.engine.scripts import Script, Scripts, standard

LONGEST = 600  # seconds of one request


class WarmTests:
    """The plugin that takes the place of pytest's loop over the tests."""

    def __init__(self, requests: TextIO, answers: TextIO) -> None:
        self.requests = requests
        self.answers = answers
        self.sources = {name: script.source for name, script in Scripts().all.items()}
        self.seconds: dict[str, float] = {}
        self.called: dict[str, list[str]] = {}
        self.names: set[str] = set()  # of the scripts that the present test has called
        self.red = ""
        self.why = ""

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        noted = in_fork(lambda: self.note_calls(session))
        self.seconds, self.called = noted.pop("seconds", {}), noted.pop("called", {})
        self.answer(noted)
        for line in self.requests:
            self.answer(self.judge(session, **json.loads(line)))
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        before = self.seconds.get(report.nodeid, 0) if report.when != "setup" else 0
        self.seconds[report.nodeid] = before + report.duration
        if report.when == "teardown":
            self.called[report.nodeid] = sorted(self.names)
            self.names.clear()
        if report.failed and not self.red:
            self.red, self.why = report.nodeid, report.longreprtext

    def answer(self, answer: dict[str, Any]) -> None:
        self.answers.write(json.dumps(answer) + "\n")
        self.answers.flush()

    # ── Unbroken ─────────────────────────────────────────────────────────────────────────────

    def note_calls(self, session: pytest.Session) -> dict[str, Any]:
        """Run all tests up to the first that fails; note which scripts each of them calls."""
        plain = Script.arguments

        def call(script: Script, *args: Any, **kwargs: Any) -> Any:
            self.names.add(script.name)
            return plain(script, *args, **kwargs)

        pytest.MonkeyPatch().setattr(Script, "arguments", call)
        self.run(session, session.items)
        noted = {"seconds": self.seconds, "called": self.called}
        return {"red": self.red, "why": self.why, **noted}

    # ── Broken ───────────────────────────────────────────────────────────────────────────────

    def judge(self, session: pytest.Session, file: str, source: str, first: str) -> dict[str, Any]:
        """Change the file, run the tests, and change it back."""
        path = Path(file)
        unbroken = path.read_text()
        path.write_text(source)
        try:
            return in_fork(lambda: self.first_red(session, first))
        finally:
            path.write_text(unbroken)

    def first_red(self, session: pytest.Session, first: str) -> dict[str, Any]:
        standard.cache_clear()
        changed = {
            name for name, script in Scripts().all.items() if script.source != self.sources[name]
        }
        if not changed:
            return {"broken": "no script changes"}
        items = [item for item in session.items if changed.intersection(self.called[item.nodeid])]
        items.sort(key=lambda item: (not item.nodeid.startswith(first), self.seconds[item.nodeid]))
        self.run(session, items)
        return {"red": self.red, "why": self.why}

    def run(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Run tests up to the first that fails, and tear all down."""
        for item, following in zip(items, [*items[1:], None], strict=False):  # there may be none
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.red:
                # What the fixtures of other tests share is left, and may find what is broken too.
                with contextlib.suppress(Exception, pytest.fail.Exception):
                    session._setupstate.teardown_exact(None)
                return


def in_fork(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do it in a fork of this process, and return what comes of it there."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            answer = work()
        except BaseException:  # whatever it is: only the fork may end by it
            answer = {"broken": traceback.format_exc()}
        with os.fdopen(writer, "w") as file:
            file.write(json.dumps(answer))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        if select.select([file], [], [], LONGEST)[0]:
            text = file.read()
        else:
            text = ""
            os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return json.loads(text) if text else {"broken": f"no answer within {LONGEST} s"}


def main() -> None:
    """Answer on what was standard output; what the tests print goes where errors go."""
    if not Path(scripts.__file__).is_relative_to(Path.cwd()):
        sys.exit(f"The tests would test {scripts.__file__}, which is not what is broken.")
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    requests = os.fdopen(os.dup(sys.stdin.fileno()))
    plugins = ["-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist"]
    options = ["-s", "-q", "--tb=line", "--no-header", *plugins, *sys.argv[1:]]
    sys.exit(pytest.main(options, plugins=[WarmTests(requests, answers)]))


if __name__ == "__main__":
    main()
