"""The environments of the queues under .bench/, each filled once for its pinned requirements."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.asking import ROOT, tell
from benchmarks.peers.peer import Peer

HOME = ROOT / ".bench" / "peers"
LEAST_PYTHON = (3, 12)  # of Django 6.1
CANDIDATES = (sys.executable, "python3.14", "python3.13", "python3.12")
_SUPPORTED = f"import sys; sys.exit(sys.version_info < {LEAST_PYTHON})"


class Unavailable(RuntimeError):
    """A queue can't be installed here; the message says why."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a queue is installed."""

    python: str
    database: Path

    def variables(self, peer: Peer, url: str) -> dict[str, str]:
        """Return what the queue's processes get besides the record."""
        return {
            "BENCHMARK_PEER": peer.name,
            "BENCHMARK_REDIS_URL": url,
            "BENCHMARK_DATABASE": str(self.database),
            "DJANGO_SETTINGS_MODULE": "benchmarks.peers.settings",
            "PATH": os.pathsep.join([str(Path(self.python).parent), os.environ.get("PATH", "")]),
            "PYTHONPATH": str(ROOT),
        }


def interpreter(named: str | None) -> str:
    """Return the interpreter for all environments.

    Raises: Unavailable.
    """
    for candidate in [named] if named else CANDIDATES:
        if shutil.which(candidate) and _runs([candidate, "-c", _SUPPORTED]):
            return candidate
    least = ".".join(map(str, LEAST_PYTHON))
    found = f"{named!r} is not one" if named else "none was found"
    raise Unavailable(f"The other queues need Python {least} or newer, and {found}: use --python.")


def version_of(python: str) -> str:
    code = "import platform; print(platform.python_version())"
    return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()


def prepare(peer: Peer, python: str, home: Path = HOME) -> Environment:
    """Return the environment of a queue, made and filled if it is not there as it is to be.

    Raises: Unavailable.
    """
    folder = home / peer.folder
    environment = Environment(str(folder / "bin" / "python"), folder / "db.sqlite3")
    wanted = json.dumps([python, *peer.requirements])
    note = folder / "filled-with.json"
    if note.exists() and note.read_text("utf-8") == wanted:
        return environment
    tell(f"installing {peer.label} in {folder}")
    shutil.rmtree(folder, ignore_errors=True)
    _must([python, "-m", "venv", str(folder)])
    _must([environment.python, "-m", "pip", "install", "--quiet", *peer.requirements])
    if peer.settings:
        command = [environment.python, "-m", "django", "migrate", "--verbosity", "0"]
        _must(command, environment.variables(peer, "redis://127.0.0.1:1/0"))
    note.write_text(wanted, "utf-8")
    return environment


def _runs(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _must(command: Sequence[str], variables: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        command,
        env=os.environ | (variables or {}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise Unavailable(lines[-1] if lines else f"{command[0]} ended with {done.returncode}")
