"""The benchmarks run: a few jobs of each measure, for the command and not for the figures."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import PATIENCE, ROOT


def benchmarks(*arguments: str) -> str:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=3 * PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_smoke_run_prints_every_figure(tmp_path: Path) -> None:
    """Each figure stands in the table and, round by round, in the file."""
    file = tmp_path / "figures.json"

    text = benchmarks("--smoke", "--json", str(file))

    rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
    data = json.loads(file.read_text("utf-8"))["reports"][0]
    assert len(rows) == len(data["rounds"][0]) + 5 + 1  # scheduled and memory are taken once
    assert all(value > 0 for value in data["rounds"][0].values())
    assert data["memory"]["per_job"] > 0
    assert 0 <= data["scheduled"]["first"] <= data["scheduled"]["last"]
    assert data["scheduled"]["enqueue_p99"] > 0
    for word in ("EVALSHA", "task.enqueue()", "enqueue_many", "2 processes", "p99", "bytes"):
        assert word in text


@pytest.mark.parametrize("what", ["enqueue", "drain"])
def test_profile_names_functions(what: str) -> None:
    """A missed figure can be followed to where its time goes."""
    text = benchmarks("--profile", what, "--jobs", "200", "--no-pin")

    assert "in the server" in text
    assert "client.py" in text
