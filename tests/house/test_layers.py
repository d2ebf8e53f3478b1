"""The floors: imports go downward only, and no module grows beyond a page or two."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "django_jobqueue"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)
MOST_LINES = 320  # the aim is 300
MOST_LINES_OF_A_FUNCTION = 60  # the aim is 40
FRAMEWORKS = {"django.tasks", "django_tasks"}


def imports(path: Path) -> set[str]:
    """Return the modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_contracts_of_import_linter_are_kept() -> None:
    """The same command as in `make lint`."""
    pytest.importorskip("importlinter", reason="import-linter is part of the group lint")
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_module_can_be_read_in_one_go(path: Path) -> None:
    """Comments included; who needs more has two things in one file."""
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    functions = {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: n for name, n in functions.items() if n > MOST_LINES_OF_A_FUNCTION} == {}


def test_one_module_knows_which_task_framework_is_there() -> None:
    """Everybody else takes the words from `compat`."""
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in MODULES
        if any(
            name == one or name.startswith(f"{one}.")
            for name in imports(path)
            for one in FRAMEWORKS
        )
    }
    assert users == {"compat.py"}


def test_one_module_reads_the_configuration() -> None:
    """`settings.TASKS` and the keys stand in `options`; `checks` lists the aliases."""
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in MODULES
        if re.search(r"settings\.(TASKS|SECRET_KEY)|settings, \"TASKS\"", path.read_text("utf-8"))
    }
    assert found <= {"conf.py", "checks.py", "admin/source.py"}
    assert "conf.py" in found


def test_nothing_of_the_project_around_is_imported() -> None:
    """Tests, demo and benchmarks use the package, never the other way round."""
    outside = {"tests", "testproject", "benchmarks", "embedded", "homework", "demo", "pages"}
    outside |= {"inbox", "library", "reports"}
    found = {
        (path.name, name)
        for path in MODULES
        for name in imports(path)
        if name.split(".")[0] in outside
    }
    assert found == set()


def test_every_module_says_what_it_owns() -> None:
    """A docstring at the top of each module and of each public class and function of weight."""
    silent = []
    for path in MODULES:
        tree = ast.parse(path.read_text("utf-8"))
        if tree.body and not ast.get_docstring(tree):
            silent.append(path.relative_to(PACKAGE).as_posix())
    assert silent == []


def test_backend_imports_no_model() -> None:
    """A task may be defined in a module that Django imports before the models."""
    code = """
from django.conf import settings
settings.configure(
    SECRET_KEY="x",
    TASKS={"default": {"BACKEND": "django_jobqueue.backend.JobQueueBackend",
                       "OPTIONS": {"URL": "unix:///no/such/socket"}}},
)
from django_jobqueue import compat
import django_jobqueue.worker.maintenance_process
compat.task_backends["default"]
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
