"""Do the tests bite? Break the Lua scripts of a copy, one thing at a time: a test must turn red.

What is broken stands in mutations.toml. First an unbroken copy must pass all of tests/engine. Then
each mutation gets the tests of its own script, and if they stay green all of tests/engine; one
that these pass has survived: a test is missing. The checkout itself is never touched.

    make matrix ARGS="--row mutants"
    python scripts/mutants.py --only trim --only wakes
    python scripts/mutants.py --tests tests/engine/test_model.py      # how much these alone see
"""

import argparse
import os
import queue
import re
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
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
LUA = Path("django_jobqueue/engine/lua")
ENGINE = "tests/engine"
PARTS = ("django_jobqueue", "docs", "tests", "testproject", "pyproject.toml")
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".*", "*.sqlite3", "*.rdb")
DECIDED_HERE = ("REDIS_URL", "TEST_REDIS_URL", "PYTEST_ADDOPTS", "CHAOS_SEED")
PROCESSES = 2
LONGEST = 600  # seconds of one run
RED = re.compile(r"^(?:FAILED|ERROR) (\S+::.+?)(?: - .*)?$", re.MULTILINE)
NO_SERVER = re.compile(r"Server(?:Failed|NotFound|AlreadyRunning)\b")
# A plugin that makes sure that it is the copy which is tested.
ONLY_HERE = """
from pathlib import Path

import django_jobqueue.engine.scripts


def pytest_collection_finish() -> None:
    assert Path(django_jobqueue.engine.scripts.__file__).is_relative_to(Path(__file__).parent)
"""


class Wrong(Exception):
    """The check itself does not work: that is neither a pass nor a survivor."""


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One thing to break."""

    file: str  # of lua/, without its suffix
    what: str
    old: str
    new: str
    tests: tuple[str, ...] = ()  # tried first; none: those of the script

    @property
    def name(self) -> str:
        return f"{self.file}: {self.what}"

    @property
    def paths(self) -> list[str]:
        return [f"{ENGINE}/test_{name}.py" for name in self.tests or (self.file,)]

    def check(self) -> None:
        """See that it can be made, before anything runs.

        Raises: Wrong.
        """
        self.apply((ROOT / LUA / f"{self.file}.lua").read_text())
        for path in self.paths:
            if not (ROOT / path).exists():
                raise Wrong(f"{self.name}: there is no {path}.")

    def apply(self, source: str) -> str:
        """Return the broken source.

        Raises: Wrong if the text to break does not stand there exactly once.
        """
        found = source.count(self.old)
        if found != 1 or self.old == self.new:
            raise Wrong(f"{self.name}: its text is found {found} times in lua/{self.file}.lua.")
        return source.replace(self.old, self.new)


@dataclass(frozen=True)
class Verdict:
    """How a mutation ended."""

    mutation: Mutation
    red: str  # the first test that failed; empty: it survived
    seconds: float


class Copy:
    """A copy of the project in which the tests run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for part in PARTS:
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, folder / part, ignore=LEFT_OUT)
            else:
                shutil.copy2(ROOT / part, folder / part)
        (folder / "only_here.py").write_text(ONLY_HERE)

    def first_red(self, tests: Sequence[str]) -> str:
        """Run tests up to the first that fails, and return its name; empty if none does.

        Raises: Wrong if they could not run.
        """
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=line", "--no-header"]
        plugins = ["-p", "no:cacheprovider", "-p", "no:randomly", "-p", "only_here"]
        environment = {name: v for name, v in os.environ.items() if name not in DECIDED_HERE}
        environment["PYTHONPATH"] = f"{self.folder}{os.pathsep}{self.folder / 'testproject'}"
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        done = subprocess.run(
            [*command, *plugins, *tests],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        red = RED.search(done.stdout)
        if done.returncode not in (0, 1) or NO_SERVER.search(done.stdout):
            raise Wrong(f"pytest ended with exit code {done.returncode}:\n{done.stdout}")
        if bool(red) != bool(done.returncode):
            raise Wrong(f"pytest does not say which test failed:\n{done.stdout}")
        return red[1] if red else ""

    def judge(self, mutation: Mutation, tests: Sequence[str]) -> Verdict:
        """Break the copy, run the tests, mend it."""
        began = time.monotonic()
        path = self.folder / LUA / f"{mutation.file}.lua"
        source = path.read_text()
        path.write_text(mutation.apply(source))
        try:
            stages = [tests] if tests else [mutation.paths, [ENGINE]]
            red = next(filter(None, map(self.first_red, stages)), "")
        finally:
            path.write_text(source)
        return Verdict(mutation, red, time.monotonic() - began)


def mutations() -> list[Mutation]:
    """Read mutations.toml."""
    listed = tomllib.loads((ROOT / "scripts/mutations.toml").read_text("utf-8"))["mutation"]
    return [Mutation(**{**one, "tests": tuple(one.get("tests", ()))}) for one in listed]


def judge_all(chosen: Sequence[Mutation], tests: Sequence[str]) -> list[Verdict]:
    """Judge all mutations, two at a time, and print each when it is done."""
    copies: queue.Queue[Copy] = queue.Queue()

    def judge(mutation: Mutation) -> Verdict:
        copy = copies.get()
        try:
            verdict = copy.judge(mutation, tests)
        finally:
            copies.put(copy)
        red = verdict.red.removeprefix(f"{ENGINE}/") or "SURVIVED"
        print(f"{verdict.seconds:6.1f} s  {mutation.name:72} {red}", flush=True)
        return verdict

    with tempfile.TemporaryDirectory(prefix="djq-mutants-") as folder:
        for number in range(PROCESSES):
            copies.put(Copy(Path(folder) / str(number)))
        control(copies, tests)
        with ThreadPoolExecutor(PROCESSES) as pool:
            return list(pool.map(judge, chosen))


def control(copies: queue.Queue[Copy], tests: Sequence[str]) -> None:
    """Run the tests unbroken: what is red without a mutation says nothing of one.

    Raises: Wrong.
    """
    began, copy = time.monotonic(), copies.get()
    if red := copy.first_red(tests or [ENGINE]):
        raise Wrong(f"Nothing is broken, and yet {red} fails.")
    copies.put(copy)
    print(f"{time.monotonic() - began:6.1f} s  nothing is broken", flush=True)


def write_junit(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Write the verdicts as a report of one test per mutation."""
    failures = sum(not verdict.red for verdict in verdicts)
    suite = ElementTree.Element(
        "testsuite", name="mutants", tests=str(len(verdicts)), failures=str(failures)
    )
    for one in verdicts:
        name, seconds = one.mutation.name, f"{one.seconds:.3f}"
        case = ElementTree.SubElement(suite, "testcase", name=name, time=seconds)
        if not one.red:
            ElementTree.SubElement(case, "failure", message="no test turned red")
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--list", action="store_true", help="name the mutations and stop")
    parser.add_argument("--only", action="append", help="only mutations with this in their name")
    parser.add_argument("--tests", action="append", default=[], help="run these and no others")
    parser.add_argument("--junitxml", type=Path, help="file for a report")
    options = parser.parse_args()
    listed = mutations()
    chosen = [one for one in listed if any(part in one.name for part in options.only or [""])]
    try:
        for one in listed:
            one.check()
        if options.list or not chosen:
            print("\n".join(one.name for one in chosen) or "no mutation of that name; try --list")
            return 0 if chosen else 2
        verdicts = judge_all(chosen, options.tests)
    except (Wrong, subprocess.TimeoutExpired) as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 3
    if options.junitxml:
        write_junit(options.junitxml, verdicts)
    survivors = [one.mutation.name for one in verdicts if not one.red]
    print(f"{len(verdicts) - len(survivors)} of {len(verdicts)} mutations turned a test red")
    print("".join(f"survived: {name}\n" for name in survivors), end="")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
