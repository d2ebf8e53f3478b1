"""Do the tests bite? Break the Lua scripts of a copy, one thing at a time: a test must turn red.

lua_mutants.py says what can be broken. What no test can notice stands in equivalents.toml, with the
reason. First an unbroken copy must pass all of tests/engine. Then each mutant gets the tests of its
own script, and after them all others of tests/engine that call what it changes; one that these
pass has survived: a test is missing. The checkout itself is never touched.

    make matrix ARGS="--row mutants"
    python -m scripts.mutants --only trim: --only wake
    python -m scripts.mutants --tests tests/engine/test_model.py      # how much these alone see
"""

import argparse
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast
from xml.etree import ElementTree

from scripts.lua_mutants import Mutant, mutants_of

ROOT = Path(__file__).resolve().parents[1]
LUA = Path("django_jobqueue/engine/lua")
EQUIVALENTS = Path(__file__).with_name("equivalents.toml")
WARM_TESTS = Path(__file__).with_name("warm_tests.py")
ENGINE = "tests/engine"
PARTS = ("django_jobqueue", "docs", "tests", "testproject", "pyproject.toml")
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".*", "*.sqlite3", "*.rdb")
DECIDED_HERE = ("REDIS_URL", "TEST_REDIS_URL", "TEST_REDIS_OWNER", "PYTEST_ADDOPTS")
PROCESSES = 2
NO_SERVER = ("ServerFailed", "ServerNotFound", "ServerAlreadyRunning")


class Wrong(Exception):
    """The check itself does not work: that is neither a pass nor a survivor."""


@dataclass(frozen=True)
class Verdict:
    """How a mutant ended."""

    mutant: Mutant
    red: str  # the first test that failed; empty: it survived
    seconds: float


class Copy:
    """A copy of the project, with a pytest in it that is ready to run tests."""

    def __init__(self, folder: Path, tests: Sequence[str]) -> None:
        for part in PARTS:
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, folder / part, ignore=LEFT_OUT)
            else:
                shutil.copy2(ROOT / part, folder / part)
        environment = {name: v for name, v in os.environ.items() if name not in DECIDED_HERE}
        environment["PYTHONPATH"] = f"{folder}{os.pathsep}{folder / 'testproject'}"
        # The same random calls each time, and as they were found: to make them few takes minutes.
        environment["CHAOS_SEED"], environment["CHAOS_SHRINK"] = "1", "0"
        self.folder = folder
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(WARM_TESTS), f"--basetemp={folder / 'tmp'}", *tests],
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.requests = cast(IO[str], self.process.stdin)
        self.answers = cast(IO[str], self.process.stdout)

    def answer(self) -> str:
        """Wait for an answer, and return the first test that failed; empty if none did.

        Raises: Wrong if they could not run.
        """
        line = self.answers.readline()
        answer: dict[str, Any] = json.loads(line or '{"broken": "pytest has ended"}')
        why = answer.get("broken") or next(filter(answer.get("why", "").count, NO_SERVER), "")
        if why:
            raise Wrong(f"The tests could not be run: {why}\n{self.log.read_text()[-3000:]}")
        return str(answer["red"])

    def judge(self, mutant: Mutant) -> Verdict:
        """Run the tests with a broken file."""
        began = time.monotonic()
        path = files()[mutant.file]
        source = mutant.apply((ROOT / path).read_text("utf-8"))
        first = f"{ENGINE}/test_{mutant.file}.py"
        request = {"file": str(path), "source": source, "first": first}
        self.requests.write(json.dumps(request) + "\n")
        self.requests.flush()
        return Verdict(mutant, self.answer(), time.monotonic() - began)

    def close(self) -> None:
        self.process.communicate()


def files() -> dict[str, Path]:
    """Return the Lua files by their stems, their paths from the root."""
    return {path.stem: path.relative_to(ROOT) for path in sorted((ROOT / LUA).rglob("*.lua"))}


def all_mutants() -> list[Mutant]:
    """Return the mutants of all files."""
    return [
        mutant
        for file, path in files().items()
        for mutant in mutants_of(file, (ROOT / path).read_text("utf-8"))
    ]


def equivalents(mutants: Sequence[Mutant]) -> dict[str, str]:
    """Read equivalents.toml: the name of a mutant that no test can kill, and why.

    Raises: Wrong if it names one that there is not, or one without a reason.
    """
    listed: dict[str, str] = tomllib.loads(EQUIVALENTS.read_text("utf-8"))
    stale = listed.keys() - {mutant.name for mutant in mutants}
    if stale:
        names = "\n".join(sorted(stale))
        raise Wrong(f"{EQUIVALENTS.name} names what is no mutant (any more):\n{names}")
    for name, reason in listed.items():
        if not reason.endswith("."):
            raise Wrong(f"{EQUIVALENTS.name} gives no reason in a sentence for: {name}")
    return listed


def judge_all(chosen: Sequence[Mutant], tests: Sequence[str], processes: int) -> list[Verdict]:
    """Judge all mutants, several at a time, and print each when it is done."""
    copies: queue.Queue[Copy] = queue.Queue()

    def judge(mutant: Mutant) -> Verdict:
        copy = copies.get()
        try:
            verdict = copy.judge(mutant)
        finally:
            copies.put(copy)
        red = verdict.red.removeprefix(f"{ENGINE}/") or "SURVIVED"
        print(f"{verdict.seconds:6.1f} s  {mutant.line:3} {mutant.name}  {red}", flush=True)
        return verdict

    with tempfile.TemporaryDirectory(prefix="djq-mutants-") as folder:
        began = time.monotonic()
        made = [Copy(Path(folder) / str(number), tests) for number in range(processes)]
        try:
            for copy in made:
                if red := copy.answer():
                    raise Wrong(f"Nothing is broken, and yet {red} fails.")
                copies.put(copy)
            print(f"{time.monotonic() - began:6.1f} s  nothing is broken", flush=True)
            with ThreadPoolExecutor(processes) as pool:
                return list(pool.map(judge, chosen))
        finally:
            for copy in made:
                copy.close()


def write_junit(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Write the verdicts as a report of one test per mutant."""
    failures = sum(not verdict.red for verdict in verdicts)
    suite = ElementTree.Element(
        "testsuite", name="mutants", tests=str(len(verdicts)), failures=str(failures)
    )
    for one in verdicts:
        name, seconds = one.mutant.name, f"{one.seconds:.3f}"
        case = ElementTree.SubElement(suite, "testcase", name=name, time=seconds)
        if not one.red:
            ElementTree.SubElement(case, "failure", message="no test turned red")
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--list", action="store_true", help="name the mutants and stop")
    parser.add_argument("--only", action="append", help="only mutants with this in their name")
    parser.add_argument("--tests", action="append", help="run these and no others")
    parser.add_argument("--equivalents", action="store_true", help="those listed: each survives")
    parser.add_argument("--processes", type=int, default=PROCESSES, help="that test side by side")
    parser.add_argument("--junitxml", type=Path, help="file for a report")
    options = parser.parse_args()
    try:
        mutants = all_mutants()
        listed = equivalents(mutants)
        chosen = [
            mutant
            for mutant in mutants
            if (mutant.name in listed) is options.equivalents
            and any(part in mutant.name for part in options.only or [""])
        ]
        if options.list or not chosen:
            print("\n".join(one.name for one in chosen) or "no mutant of that name; try --list")
            return 0 if chosen else 2
        verdicts = judge_all(chosen, options.tests or [ENGINE], options.processes)
    except (Wrong, SyntaxError) as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 3
    if options.junitxml:
        write_junit(options.junitxml, verdicts)
    survivors = [one.mutant.name for one in verdicts if not one.red]
    print(f"{len(verdicts) - len(survivors)} of {len(verdicts)} mutants turned a test red")
    print("".join(f"survived: {name}\n" for name in survivors), end="")
    expected = len(verdicts) if options.equivalents else 0
    return 0 if len(survivors) == expected else 1


if __name__ == "__main__":
    sys.exit(main())
