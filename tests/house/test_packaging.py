"""What a user installs: the wheel, its metadata, and the files that must agree with them."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from django_jobqueue import __version__

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "django_jobqueue"


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in a freshly built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def test_wheel_has_every_file_of_the_package(wheel: set[str]) -> None:
    """Scripts, templates, static files, translations and the typing marker are not left behind."""
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file()
        and path.suffix != ".pyc"
        and not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    }

    assert {name for name in wheel if name.startswith("django_jobqueue/")} == expected
    assert "django_jobqueue/py.typed" in wheel
    assert any(name.startswith("django_jobqueue/engine/lua/") for name in wheel)


def test_wheel_has_nothing_but_the_package_and_its_licence(wheel: set[str]) -> None:
    """Tests, demo and benchmarks stay in the repository."""
    tops = {name.split("/")[0] for name in wheel}
    metadata = {top for top in tops if top.endswith(".dist-info")}

    assert tops - metadata == {"django_jobqueue"}
    assert len(metadata) == 1
    assert f"{metadata.pop()}/licenses/LICENSE" in wheel


def test_version_stands_in_one_place(pyproject: dict[str, Any], wheel: set[str]) -> None:
    """The wheel takes the package's own `__version__`, and nobody repeats it."""
    literal = re.compile(r"""^\s*(?:__version__|VERSION|version)\s*=\s*["']""", re.MULTILINE)
    places = [path for path in PACKAGE.rglob("*.py") if literal.search(path.read_text("utf-8"))]

    assert places == [PACKAGE / "__init__.py"]
    assert f"django_jobqueue-{__version__}.dist-info/METADATA" in wheel
    assert "version" in pyproject["project"]["dynamic"]


def test_each_dependency_has_its_reason(pyproject: dict[str, Any]) -> None:
    """The decision record names every package that a user or a developer gets."""
    reasons = (ROOT / "docs/decisions/0001-dependencies.md").read_text("utf-8").lower()
    groups = pyproject["dependency-groups"].values()
    wanted = [*pyproject["project"]["dependencies"], *(item for group in groups for item in group)]
    names = {re.split(r"[^\w-]", item)[0].lower() for item in wanted if isinstance(item, str)}
    plugins = {name for name in names if name.startswith("pytest-")}  # named together there

    assert [name for name in sorted(names - plugins) if f"`{name}`" not in reasons] == []


def test_hooks_and_lint_use_the_same_ruff(pyproject: dict[str, Any]) -> None:
    """A hook that formats differently from `make lint` would send people in circles."""
    hooks = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    (pin,) = [
        item for item in pyproject["dependency-groups"]["lint"] if str(item).startswith("ruff")
    ]

    assert set(re.findall(r"ruff==[\d.]+", hooks)) == {pin}
