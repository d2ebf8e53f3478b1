"""Read the documentation's pages, and do what they say.

What a code block is for stands in a comment above its fence, which readers don't see:

    <!-- file: homework/tasks.py -->     it is the content of this file
    <!-- append: mysite/settings.py -->  it goes to the end of this file
    <!-- run -->                         its lines after `$` are run; the others, in which … stands
                                         for anything, are lines of the output, in this order
    <!-- run: --burst -->                the last command gets these arguments too
    <!-- start: --noreload {port} -->    the same, and it is left running
    <!-- shell -->                       it is run in `manage.py shell`
    <!-- settings: host:1, database 1 --> with these settings the jobs are found there
    <!-- redis -->                       its redis-cli commands suit the keys that they name
    <!-- theirs: Celery -->              it is written for another queue, and is valid Python
    <!-- shown: why -->                  it is only shown

`, before Django 6.1` or `, from Django 6.1` at the end of a mark limits it to these versions.
"""

import http.cookiejar
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import django

from tests.support.processes import PATIENCE, free_port

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
URL = "redis://localhost:6379/1"  # what the pages say; the walk puts its own server there

_MARK = re.compile(
    r"<!-- (file|append|run|start|shell|settings|redis|theirs|shown)(?:: (.+?))? -->"
)
_VERSIONS = re.compile(r", (before|from) Django ([\d.]+)$")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    mark: str  # "" if it has none
    what: str
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """Return its commands; of no other language than console it has any."""
        lines = self.text.splitlines() if self.language == "console" else []
        return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    lines = page.read_text(encoding="utf-8").splitlines()
    found: list[Block] = []
    fence_at, mark = -1, ("", "")
    for number, line in enumerate(lines):
        if fence_at >= 0:
            if line == "```":
                language = lines[fence_at].removeprefix("```")
                text = "\n".join(lines[fence_at + 1 : number]) + "\n"
                found.append(Block(page, fence_at + 1, *mark, language, text))
                fence_at = -1
        elif line.startswith("```"):
            fence_at = number
            match = _MARK.fullmatch(lines[number - 1])
            mark = (match[1], match[2] or "") if match else ("", "")
    assert fence_at < 0, f"{page}: a fence is not closed"
    return found


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


class Walk:
    """A folder in which a reader follows pages, with a server of their own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.port = free_port()
        self.started: list[subprocess.Popen[bytes]] = []
        self._env = {
            name: value
            for name, value in os.environ.items()
            if name not in {"DJANGO_SETTINGS_MODULE", "REDIS_URL", "TEST_DATABASE"}
        } | {
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SUPERUSER_PASSWORD": "only for this test",
        }

    def take(self, page: Path, *marks: str) -> None:
        """Do what the marked blocks of a page say, in their order."""
        wanted = [block for block in blocks(page) if block.mark in marks]
        for is_shell, group in groupby(wanted, key=lambda block: block.mark == "shell"):
            if is_shell:  # one process for all that follow each other: it takes its time to start
                self._shell(list(group))
            else:
                for block in group:
                    self.do(block)

    def do(self, block: Block) -> None:
        what = _VERSIONS.sub("", block.what)
        if not _is_for_this_django(block):
            return
        if block.mark in {"file", "append"}:
            path = self.folder / what
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a" if block.mark == "append" else "w", encoding="utf-8") as file:
                file.write(block.text.replace(URL, self.url))
        elif block.mark == "run":
            self._run_all(block, shlex.split(what))
        elif block.mark == "start":
            self._start(block, shlex.split(what.format(port=self.port)))

    def run(self, command: list[str], where: str) -> str:
        """Run a command to its end and return what it wrote."""
        done = subprocess.run(
            self._real(command),
            cwd=self.folder,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=2 * PATIENCE,
            text=True,
        )
        assert done.returncode == 0, f"{where}: {shlex.join(command)}\n{done.stdout}"
        return done.stdout

    def log(self, number: int) -> str:
        """Return what a program that was left running has written."""
        return (self.folder / f"started-{number}.log").read_text(encoding="utf-8")

    def stop(self) -> None:
        """End what was left running."""
        for process in self.started:
            if process.poll() is None:
                process.terminate()
        for process in self.started:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # its own session
                process.wait()

    def _shell(self, group: list[Block]) -> None:
        code = "\n".join(block.text for block in group)
        self.run(["python", "manage.py", "shell", "-c", code], ", ".join(map(str, group)))

    def _run_all(self, block: Block, more: list[str]) -> None:
        steps = re.split(r"^\$ ", block.text, flags=re.M)[1:]
        for position, step in enumerate(steps, 1):
            line, *expected = step.splitlines()
            output = self.run(
                shlex.split(line) + (more if position == len(steps) else []), str(block)
            )
            pattern = r".*\n".join(
                ".*?".join(re.escape(part) for part in wanted.split("…")) for wanted in expected
            )
            pattern = pattern.replace(r".*\n", r"[^\n]*\n(?s:.*?)")
            assert re.search(pattern, output), f"{block}: {line}\n{output}"

    def _start(self, block: Block, more: list[str]) -> None:
        (line,) = block.commands
        with (self.folder / f"started-{len(self.started)}.log").open("wb") as log:
            process = subprocess.Popen(
                self._real(shlex.split(line) + more),
                cwd=self.folder,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.started.append(process)

    def _real(self, command: list[str]) -> list[str]:
        if command[0] == "django-admin":
            return [sys.executable, "-m", "django", *command[1:]]
        assert command[0] == "python", f"a page runs {command[0]!r}"
        asks = ["--noinput"] if "createsuperuser" in command else []
        return [sys.executable, *command[1:], *asks]


class Browser:
    """As much of a browser as it takes to send a form."""

    def __init__(self, site: str) -> None:
        self._site = site
        self._cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self._cookies)
        )

    def get(self, path: str, data: bytes | None = None, accept: str = "text/html") -> str:
        request = urllib.request.Request(self._site + path, data, {"Accept": accept})
        with self._opener.open(request, timeout=20) as reply:
            return str(reply.read().decode())

    def post(self, path: str, **form: str) -> str:
        self.get(path)
        token = {c.name: c.value for c in self._cookies}["csrftoken"]
        form["csrfmiddlewaretoken"] = token or ""
        return self.get(path, urllib.parse.urlencode(form).encode())

    def answers(self, path: str) -> bool:
        try:
            return bool(self.get(path))
        except OSError:
            return False


def _is_for_this_django(block: Block) -> bool:
    limit = _VERSIONS.search(block.what)
    if limit is None:
        return True
    is_newer = tuple(int(part) for part in limit[2].split(".")) <= django.VERSION
    return is_newer == (limit[1] == "from")


def table_rows(page: Path, first: str) -> list[tuple[str, str]]:
    """Return the first two cells, without backticks, of the table whose head begins so."""
    text = page.read_text(encoding="utf-8")
    _, _, rest = text.partition(f"\n| {first} |")
    rows = []
    for line in rest.split("\n\n")[0].splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        rows.append((cells[0].strip("`"), cells[1].strip("`")))
    assert rows, f"{page} has no table with {first}"
    return rows


def texts(page: Path) -> list[str]:
    """Return the blocks of plain text, which show what a reader will see."""
    return [block.text for block in blocks(page) if block.language == "text"]
