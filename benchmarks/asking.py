"""Ask a process of its own for values: how it is started, and what comes of it if it fails."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.cores import Set, on
from embedded.tether import tethered

ROOT = Path(__file__).resolve().parent.parent
PATH = os.pathsep.join([str(ROOT), str(ROOT / "testproject")])


def tell(line: str) -> None:
    """Say how far the run is, apart from the report."""
    print(line, "...", file=sys.stderr, flush=True)


def ask(command: Sequence[str], environment: dict[str, str], cores: Set) -> dict[str, Any]:
    """Return the JSON object on the last line that a command prints, or {"failed": why}.

    The process does not outlive this one.
    """
    with on(cores):
        done = subprocess.run(
            tethered(command, signal.SIGTERM),
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": PATH} | environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        print(done.stderr, file=sys.stderr)
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return {"failed": lines[-1]}
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
