"""The benchmarks run: a few jobs of each measure, for the command and not for the figures."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import pages, parsers
from benchmarks.asking import ask
from benchmarks.cores import Cores
from benchmarks.figures import ADMIN, NAMES, OWN, PEERS, SECTIONS
from benchmarks.options import Options, parse
from benchmarks.peers import catalogue, turn
from benchmarks.peers.environments import Environment, Unavailable, interpreter, prepare
from benchmarks.peers.peer import MEASURES, Peer
from benchmarks.plan import MEASURES as OWN_MEASURES
from benchmarks.record import Record, Start, cpu_usec, rate, require_each_once
from benchmarks.report import report
from benchmarks.results import NotResults, Results, Taken, Writer, load
from benchmarks.servers import binary, running
from benchmarks.watching import Worker
from benchmarks.worker import require_logged
from tests.support.processes import ROOT, until

TIMEOUT = 600  # seconds of a command, which takes ten on a quiet machine
pytestmark = pytest.mark.timeout(TIMEOUT + 60)
BOTH = [parsers.LABELS[parser] for parser in parsers.available()]


def benchmarks(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert done.returncode == status, done.stderr
    return done


def rows(text: str) -> list[list[str]]:
    """Return the cells of a report's table, its head first."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def keys(figures: list[Any]) -> set[str]:
    return {figure.key for figure in figures}


# ── The command ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The report and the file of a run of all measures, with one parser."""
    file = tmp_path_factory.mktemp("benchmarks") / "own.jsonl"
    arguments = ["--smoke", "--parsers", parsers.available()[0], "--json", str(file)]
    return benchmarks(*arguments).stdout, file


def test_each_measure_finds_its_figures(own: tuple[str, Path]) -> None:
    """None is missing, none is unknown."""
    results = load(own[1])

    assert results.section == "own"
    assert results.columns == BOTH[:1]
    for taken in results.taken:
        assert not taken.cannot + taken.failed
        assert all(value >= 0 for value in taken.values.values())
    assert {key for taken in results.taken for key in taken.values} == keys(OWN)
    rates = [figure.key for figure in OWN if figure.unit in ("/s", "µs", "bytes")]
    assert all(results.spread(BOTH[0], key).low > 0 for key in rates)
    assert {taken.measure for taken in results.taken} == {*OWN_MEASURES}


def test_measure_is_taken_with_each_parser(tmp_path: Path) -> None:
    """With all that are here, but for what does not depend on them; each has its column."""
    file = tmp_path / "own.jsonl"

    text = benchmarks("--smoke", "--only", "raw,memory", "--json", str(file)).stdout

    results = load(file)
    taken = [(one.measure, one.column) for one in results.taken]
    assert taken == [*(("raw", label) for label in BOTH), ("memory", BOTH[0])]
    assert rows(text)[0] == ["figure", *BOTH, "limit", ""]
    assert all(one.values for one in results.taken)


def test_table_has_each_figure(own: tuple[str, Path]) -> None:
    """A line for each, a column for each parser, and whether a limit is kept."""
    head, _, *body = rows(own[0])

    assert head == ["figure", BOTH[0], "limit", ""]
    assert [row[0] for row in body] == [figure.label for figure in OWN]
    assert {row[-1] for row in body} <= {"", "kept", "**MISSED**"}
    assert "–" not in [row[1] for row in body]


def test_file_is_one_line_for_each_measure(own: tuple[str, Path]) -> None:
    """Another program can read it line by line."""
    head, *lines = map(json.loads, own[1].read_text("utf-8").splitlines())

    assert {"date", "machine", "Python", "packages", "server", "log"} <= head["about"].keys()
    assert all(line["column"] == BOTH[0] and line["values"] for line in lines)


def test_run_is_shown_again_from_its_file(own: tuple[str, Path]) -> None:
    assert benchmarks("--read", str(own[1])).stdout == own[0]


def test_names_are_measured_by_size(tmp_path: Path) -> None:
    file = tmp_path / "names.jsonl"

    text = benchmarks("--smoke", "--names", "--rounds", "2", "--json", str(file)).stdout

    results = load(file)
    assert results.columns == ["4 names", "20 names"]
    assert [taken.column for taken in results.taken] == [
        *("4 names", "20 names"),
        *("20 names", "4 names"),
    ]
    assert all(taken.values.keys() == keys(NAMES) for taken in results.taken)
    assert [row[0] for row in rows(text)[2:]] == [figure.label for figure in NAMES]


def test_pages_of_the_admin_are_measured_by_queues(tmp_path: Path) -> None:
    """In one round, in which each page is asked for as often as was told."""
    file = tmp_path / "admin.jsonl"

    text = benchmarks(
        "--smoke", "--admin", "--rounds", "2", "--samples", "1", "--json", str(file)
    ).stdout

    results = load(file)
    assert [taken.column for taken in results.taken] == ["2 queues", "30 queues"]
    assert all(taken.values.keys() == keys(ADMIN) for taken in results.taken)
    assert all(taken.values["admin_walks"] == 0 for taken in results.taken)
    assert [row[0] for row in rows(text)[2:]] == [figure.label for figure in ADMIN]


def test_what_the_code_does_not_do_is_said(tmp_path: Path) -> None:
    """A size whose jobs do not start is told of with its reason, and the run goes on."""
    file = tmp_path / "names.jsonl"

    done = benchmarks("--smoke", "--names", "--patience", "0.001", "--json", str(file))

    assert [taken.values for taken in load(file).taken] == [{}, {}]
    for size in ("4 names", "20 names"):
        assert f"* {size} can't: names: no job started for 0.001 s, after 0 starts." in done.stdout


def test_measure_that_breaks_ends_the_command_with_1(tmp_path: Path) -> None:
    """The others are taken nevertheless."""
    file = tmp_path / "own.jsonl"

    done = benchmarks(
        *(
            "--smoke",
            "--parsers",
            "python",
            "--only",
            "raw,latency",
            "--patience",
            "0.001",
            "--json",
            str(file),
        ),
        status=1,
    )

    assert load(file).spread(parsers.LABELS["python"], "raw") is not None
    assert "no job started for 0.001 s" in done.stdout
    assert "1 measures failed: no job started" in done.stderr


def test_process_that_breaks_is_told_of(capfd: pytest.CaptureFixture[str]) -> None:
    """Its last line stands in the report, all of it on the terminal."""
    answer = ask([sys.executable, "-c", "raise ValueError('broken')"], {}, frozenset())

    assert answer == {"failed": "ValueError: broken"}
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads /proc")
def test_nothing_outlives_the_command(tmp_path: Path) -> None:
    """Not even if it is killed while a worker is idle."""
    mark = f"BENCHMARK_TEST={tmp_path}"
    command = [sys.executable, "-m", "benchmarks", "--smoke", "--names", "--idle", "600"]
    command += ["--json", str(tmp_path / "names.jsonl")]
    environment = os.environ | dict([mark.split("=")])
    started = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)

    def marked() -> list[str]:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark.encode() in (process / "environ").read_bytes().split(b"\0"):
                    found.append((process / "cmdline").read_text())
        return found

    try:
        until(lambda: len([words for words in marked() if "jobworker" in words]) == 2)
    finally:
        started.kill()
        started.wait()
    until(lambda: not marked(), what="all processes have ended")


@pytest.mark.parametrize("what", ["enqueue", "drain"])
def test_profile_names_functions(what: str) -> None:
    """A missed figure can be followed to where its time goes."""
    text = benchmarks("--profile", what, "--jobs", "200", "--no-pin").stdout

    assert "in the server" in text
    assert "client.py" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "enqeue"], "'enqeue' is not one of raw, enqueue,"),
        (["--peers", "--only", "drain"], "'drain' is not one of jobqueue, huey,"),
        (["--names", "--only", "drain"], "--names has one measure: leave --only out"),
        (["--rounds", "0"], "'0' is no whole number from 1"),
        (["--sizes", "10,x"], "'x' is no whole number from 1"),
        (["--patience", "-1"], "'-1' is no number of seconds above 0"),
        (["--parsers", "libvalkey"], "'libvalkey' is no reply parser: use hiredis, python"),
        (["--names", "--peers"], "not allowed with argument"),
    ],
)
def test_wrong_word_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(arguments)

    assert said in capsys.readouterr().err


def test_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = benchmarks("--smoke", "--server", str(tmp_path / "redis-server"), status=1)

    assert "redis-server' is not a program that can be run" in done.stderr


# ── Reply parsers ────────────────────────────────────────────────────────────────────────────


def test_hidden_hiredis_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever is installed under that name is not imported."""
    (tmp_path / "hiredis.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv(parsers.VARIABLE, parsers.PYTHON)
    code = (
        "from benchmarks import parsers; parsers.apply(); from redis.connection import Connection;"
        "parsers.require_chosen(Connection())"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_other_parser_than_asked_for_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures of one never stand under the name of the other."""

    class Connection:
        _parser = "one that is made of Python"

    monkeypatch.setenv(parsers.VARIABLE, parsers.HIREDIS)
    with pytest.raises(RuntimeError, match="read by python, not by hiredis"):
        parsers.require_chosen(Connection())


# ── What jobs and workers write ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("started", "said"),
    [
        ([1, 2], "Of 3 jobs 1 did not start, and 0 starts were too many"),
        ([1, 2, 3, 3], "Of 3 jobs 0 did not start, and 1 starts were too many"),
        ([1, 2, 9], "Of 3 jobs 1 did not start, and 1 starts were too many"),
    ],
)
def test_each_job_must_have_started_once(started: list[int], said: str) -> None:
    with pytest.raises(RuntimeError, match=said):
        require_each_once([Start(number, 0, 0, 1) for number in started], [1, 2, 3])


def test_worker_must_have_logged_each_job(tmp_path: Path) -> None:
    """Figures of a worker that writes less than by default would flatter it."""
    log = tmp_path / "worker.log"
    log.write_text("INFO succeeded in 0.000 s: job=a\nINFO failed in 0.000 s: job=b\n")
    process = subprocess.Popen(["true"])
    process.wait()
    worker = Worker(process, Record(tmp_path / "record"), log, 1.0)

    require_logged(worker, 1)
    with pytest.raises(RuntimeError, match="logged 1 of 2 jobs"):
        require_logged(worker, 2)


def test_rate_is_from_first_start_to_last() -> None:
    starts = [Start(number, number * 500_000_000, 0, 1) for number in range(5)]

    assert rate(starts) == 2.0


def test_cpu_is_taken_in_each_process() -> None:
    """What a process used before its first job does not count."""
    starts = [Start(1, 0, 7_000, 1), Start(2, 1, 900_000, 2), Start(3, 2, 9_000, 1)]
    starts += [Start(4, 3, 904_000, 2)]

    assert cpu_usec(starts) == 3.0


# ── Results and pages ────────────────────────────────────────────────────────────────────────


def some(section: str, column: str, *values: dict[str, float]) -> Results:
    taken = [
        Taken(column=column, measure="drain", round=number, server="s", busy=None, values=found)
        for number, found in enumerate(values)
    ]
    return Results(section, {"machine": "this one"}, taken)


def test_file_keeps_what_was_measured_before_a_break(tmp_path: Path) -> None:
    """Each measure is written when it is taken."""
    expected = some("own", "with hiredis", {"drain": 5.0}, {"drain": 7.0})
    writer = Writer(tmp_path / "new" / "own.jsonl", Results("own", expected.about))

    for taken in expected.taken:
        writer.add(taken)
        assert load(tmp_path / "new" / "own.jsonl") == writer.results
    assert writer.results == expected


@pytest.mark.parametrize("text", ["", "no JSON", "{}", '{"section": "x", "about": {}}', "[]"])
def test_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.jsonl"
    file.write_text(text)

    assert f"{file} h" in benchmarks("--read", str(file), status=1).stderr
    with pytest.raises(NotResults):
        load(file)


@pytest.mark.parametrize(("share", "warned"), [(0.05, False), (0.9, True)])
def test_busy_machine_is_said(share: float, warned: bool) -> None:
    """Nobody takes the figures of such a run for more than they are."""
    results = some("own", "with hiredis", {"drain": 5.0})
    results.taken = [replace(taken, busy=share) for taken in results.taken]

    text = report(results)
    assert f"{share:.0%} in the median" in text
    assert ("The machine was not quiet" in text) is warned


def test_peers_are_compared_within_a_round() -> None:
    """Of rounds of which one was slow for all, the ratio stays right."""
    results = some("peers", "this", {"drain": 100.0}, {"drain": 10.0})
    results.taken += some("peers", "other", {"drain": 50.0}, {"drain": 5.0}).taken

    assert results.ratio("other", "this", "drain").median == 0.5


def test_documentation_has_a_place_for_each_section(tmp_path: Path) -> None:
    """The tables of a run take the place of those before; all else stays."""
    page, readme = copies(tmp_path)

    for section, figures in SECTIONS.items():
        results = some(section, "a column", {figures[0].key: 123_456.0})
        before = page.read_text("utf-8")
        pages.write(results, page, readme)
        pages.write(results, page, readme)
        begin, end = pages.marks(section)
        after = page.read_text("utf-8")
        assert after.split(begin)[0] == before.split(begin)[0]
        assert after.split(end)[1] == before.split(end)[1]
        assert after.count("123,456") == before.count("123,456") + 1


def test_readme_compares_the_speeds(tmp_path: Path) -> None:
    """Each queue under its own head, with its first configuration; all else stays."""
    page, readme = copies(tmp_path)
    results = Results("peers", {})
    for number, column in enumerate(
        ["django_jobqueue", "Huey 3.5", "django-vtasks 3.2", "RQ 2.12", "RQ 2.12, SimpleWorker"],
        101,
    ):
        results.taken += some("peers", column, {"enqueue": number, "drain": number + 100}).taken

    pages.write(results, page, readme)

    after = readme.read_text("utf-8").splitlines()
    assert "| jobs enqueued a second | 101 | 104 | – | 102 | – | – | – |" in after
    assert "| jobs run a second, by one slot | 201 | 204 | – | 202 | – | – | – |" in after
    before = pages.README.read_text("utf-8").splitlines()
    assert len([line for line in after if line not in before]) == 2


def test_readme_takes_figures_of_a_quiet_machine_only(tmp_path: Path) -> None:
    """The page says that the machine was in use; the README has no place to say so."""
    page, readme = copies(tmp_path)
    results = some("peers", "django_jobqueue", {"enqueue": 123_456.0})
    results.taken = [replace(taken, busy=0.9) for taken in results.taken]

    pages.write(results, page, readme)

    assert "123,456" in page.read_text("utf-8")
    assert readme.read_text("utf-8") == pages.README.read_text("utf-8")


@pytest.mark.parametrize("missing", ["speed.md", "README.md"])
def test_page_without_a_place_is_refused(tmp_path: Path, missing: str) -> None:
    page, readme = copies(tmp_path)
    (tmp_path / missing).write_text("# Speed\n")

    with pytest.raises(pages.NoPlace, match=missing):
        pages.write(some("peers", "a", {"drain": 1.0}), page, readme)


def copies(folder: Path) -> list[Path]:
    """Return copies of the pages that a run is written to."""
    return [Path(shutil.copy(page, folder)) for page in (pages.PAGE, pages.README)]


# ── Other queues ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("measure", MEASURES)
def test_queue_takes_its_turn(measure: str, tmp_path: Path) -> None:
    """As the others do in their environments, this project in the one of the tests."""
    environment = Environment(sys.executable, tmp_path / "db.sqlite3")
    peer = catalogue.PEERS["jobqueue"]
    options = Options(jobs=20, samples=3)
    with running(None, binary(None), tcp=True, cores=Cores()) as server:
        answer = turn.take(peer, environment, measure, server.url, options, Cores())

    found = answer["values"]
    assert found
    assert found.keys() <= keys(PEERS)
    assert all(value > 0 for value in found.values())


@pytest.mark.parametrize("peer", catalogue.PEERS.values(), ids=lambda peer: peer.name)
def test_queue_is_pinned_and_complete(peer: Peer) -> None:
    """What is installed does not change under a figure."""
    folder = ROOT / "benchmarks" / "peers" / peer.folder
    pinned = [word for word in peer.requirements if word != "-e" and not Path(word).is_absolute()]

    assert all("==" in word for word in pinned)
    assert {"__init__.py", "tasks.py", "calls.py"} <= {path.name for path in folder.iterdir()}
    assert set(peer.measures) <= set(MEASURES)
    for slots in (None, 1, 2):
        assert peer.worker(slots)[0] == "-m"


def test_queue_that_cannot_be_installed_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    peer = Peer(
        name="none",
        label="None",
        folder="none",
        requirements=("there-is-no-such-package==1",),
        worker=lambda slots: [],
        settings=None,
    )

    with pytest.raises(Unavailable, match="there-is-no-such-package"):
        prepare(peer, sys.executable, tmp_path)


def test_interpreter_that_does_not_do_is_named() -> None:
    with pytest.raises(Unavailable, match="'no-python' is not one: use --python"):
        interpreter("no-python")
