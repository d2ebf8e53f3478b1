"""The documentation is true: what it tells to do works, what it names exists.

pages.py says how a code block is marked.
"""

import ast
import importlib
import inspect
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import pytest
from django.core.management.base import CommandParser
from django.test import override_settings

from django_jobqueue import checks, conf
from django_jobqueue.engine.locate import address_of, make_pool
from django_jobqueue.jobs import context, result
from django_jobqueue.jobs.states import Reason
from django_jobqueue.management.commands import jobqueue
from django_jobqueue.management.commands.jobworker import Command
from django_jobqueue.task import Task
from django_jobqueue.worker.limits.enforcer import KillReason
from tests.support.docs import PAGES, ROOT, Block, Browser, Walk, blocks, prose, table_rows, texts
from tests.support.processes import until

DOCS = ROOT / "docs"
TUTORIAL = DOCS / "tutorial" / "homework.md"
OTHER_TUTORIAL = DOCS / "tutorial" / "email.md"  # see test_email_tutorial.py
OTHERS = {  # where pages come from, and what its code imports
    "Celery": {"celery"},
    "Huey": {"huey"},
    "RQ": {"django_rq", "rq"},
}
OF_BOTH = {"datetime", "django", "functools", "os", "requests", "shop"}
FOLLOWED = [
    page
    for page in PAGES
    if page not in {TUTORIAL, OTHER_TUTORIAL, ROOT / "README.md"}
    and any(block.mark in {"file", "append", "run", "shell"} for block in blocks(page))
]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def every_block(*marks: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.mark in marks]


# ── What pages tell to do ────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def school(new_walk: Callable[[Path], Walk], tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """The tutorial's project as it is before its server and worker are started."""
    walk = new_walk(tmp_path_factory.mktemp("school"))
    walk.take(TUTORIAL, "file", "append", "run", "shell")
    return walk


@pytest.fixture
def at_school(school: Walk, new_walk: Callable[[Path], Walk], tmp_path: Path) -> Walk:
    """A copy of the tutorial's project, with an empty queue."""
    folder = tmp_path / "school"
    shutil.copytree(school.folder, folder)
    walk = new_walk(folder)
    settings = folder / "mysite" / "settings.py"
    settings.write_text(settings.read_text().replace(school.url, walk.url))
    return walk


def test_tutorial_ends_with_the_mail(at_school: Walk) -> None:
    """A homework that is handed in over HTTP is graded by the worker, which writes the mail."""
    at_school.take(TUTORIAL, "start")
    browser = Browser(f"http://127.0.0.1:{at_school.port}")
    until(lambda: browser.answers("/"), what="the site answers")
    page = browser.post("/", email="ada@example.com", answers="42\nRome\nH2O")
    sentence = "You will get an e-mail when your homework has been graded."
    assert page == sentence
    assert sentence in TUTORIAL.read_text() or sentence[:-1] in TUTORIAL.read_text()
    mail = texts(TUTORIAL)[-1].replace("…", "").split("\n\n")
    until(lambda: "2 of 3 answers" in at_school.log(1), what="the mail is sent")
    for line in filter(None, "\n".join(mail).splitlines()):
        assert line in at_school.log(1)
    browser.post("/admin/login/", username="teacher", password="only for this test", next="/")
    assert "homework.tasks.grade" in browser.get("/admin/django_jobqueue/job/")
    for name in re.findall(r"\*\*(Jobs|Queues|Workers)\*\*", TUTORIAL.read_text()):
        assert f">{name}<" in browser.get("/admin/")


def test_readme_example(new_walk: Callable[[Path], Walk], tmp_path: Path) -> None:
    """The ten lines work in a new project."""
    walk = new_walk(tmp_path)
    walk.run(["django-admin", "startproject", "mysite", "."], "README")
    walk.run(["python", "manage.py", "startapp", "shop"], "README")
    walk.take(ROOT / "README.md", "file", "append", "run", "shell")


@pytest.mark.parametrize("page", FOLLOWED, ids=name_of)
def test_page_can_be_followed(page: Path, at_school: Walk) -> None:
    """What the page tells to do works in the tutorial's project."""
    at_school.take(page, "file", "append", "run", "shell")
    if any(block.mark == "theirs" for block in blocks(page)):  # what stands beside it works too
        files = [block.what.removesuffix(".py") for block in blocks(page) if block.mark == "file"]
        names = ", ".join(file.replace("/", ".") for file in files)
        at_school.run(["python", "manage.py", "shell", "-c", f"import {names}"], str(page))


@pytest.mark.parametrize("block", every_block("settings"), ids=str)
def test_settings_lead_to_the_server(block: Block) -> None:
    """With the settings of the block, jobs are where its mark says, and the check is content."""
    given: dict[str, object] = {}
    exec(block.text, given)  # noqa: S102 - our own page
    with override_settings(**{name: value for name, value in given.items() if name.isupper()}):
        assert address_of(make_pool(conf.load("default"), {})) == block.what
        assert checks.check_configuration() == []


@pytest.mark.parametrize("block", every_block("theirs"), ids=str)
def test_code_for_other_queues_is_python_that_imports_them(block: Block) -> None:
    """It is not run: nobody needs to install them."""
    nodes = list(ast.walk(ast.parse(block.text)))
    names = {each.module or "" for each in nodes if isinstance(each, ast.ImportFrom)}
    names |= {one.name for each in nodes if isinstance(each, ast.Import) for one in each.names}
    found = {name.partition(".")[0] for name in names} - OF_BOTH
    assert found <= OTHERS[block.what], block
    assert names, block


def test_each_pattern_of_another_queue_has_ours_beside_it() -> None:
    """Which is run, as is all code of the page."""
    for page in PAGES:
        found = [block.mark for block in blocks(page) if block.mark]
        for mark, following in pairwise([*found, ""]):
            assert mark != "theirs" or following in {"file", "append", "shell"}, page


def test_all_code_is_marked() -> None:
    """Each block of Python, HTML or commands is run, or says why not."""
    lone = [
        str(block)
        for page in PAGES
        for block in blocks(page)
        if block.language in {"python", "html", "console"} and not block.mark
    ]
    assert lone == []
    for block in every_block("shown"):
        assert block.what, f"{block} does not say why it is only shown"


def test_readers_see_the_names_of_files() -> None:
    """A mark is no text: the block begins with the name, or the sentence before it has it."""
    for page in PAGES:
        text = page.read_text("utf-8")
        for block in blocks(page):
            if block.mark in {"file", "append"}:
                name = block.what.split(",")[0]
                above = text.splitlines()[: block.line - 1]
                sentence = "\n".join(above).rpartition("<!--")[0].rstrip().rpartition("\n\n")[2]
                assert name in block.text.split("\n")[0] or name in sentence, block


# ── What pages name ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link leads to a file, and to a heading in it if it names one."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.is_file(), f"{name_of(page)} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", prose(file), re.M)
            assert anchor in {_slug(heading) for heading in headings}, f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_exist(page: Path) -> None:
    """`make` targets, options of jobworker and installed names are real."""
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)
    known = {name for action in _jobworker()._actions for name in action.option_strings}
    known |= {"--deploy", *_options_of_jobqueue()}
    text = prose(page)
    commands = [line for block in blocks(page) for line in block.commands]
    commands += re.findall(r"`([^`\n]+)`", text)
    for command in commands:
        words = command.split()
        if words[0] == "make" and len(words) > 1:
            assert words[1] in targets, command
        elif "jobworker" in words or (words[0].startswith("--") and len(words) < 3):
            used = {word.partition("=")[0] for word in words if word.startswith("--")}
            assert used <= known, command
        elif words[:2] == ["pip", "install"] and len(words) > 2:
            _is_installable(words[2].strip("'\""))


def _is_installable(requirement: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    if requirement.startswith("/path/to/"):  # of a clone: the name is the reader's
        requirement = f"{project['name']}{requirement[len('/path/to/clone') :]}"
    match = re.fullmatch(r"([\w-]+)(?:\[([\w,]+)\])?", requirement)
    assert match, requirement
    assert match[1] == project["name"], requirement
    for extra in filter(None, (match[2] or "").split(",")):
        assert extra in project["optional-dependencies"], requirement


def test_files_and_functions_of_the_tour_exist() -> None:
    """Each file in one-job.md exists and has the names that follow it."""
    text = prose(DOCS / "explanation" / "one-job.md")
    for paragraph in re.split(r"\n\n|\n(?=`django_jobqueue/)", text):
        file = None
        for span in re.findall(r"`([^`\n]+)`", paragraph):
            if span.startswith("django_jobqueue/"):
                file = ROOT / span
                assert file.is_file(), span
            elif file is not None and re.fullmatch(r"[A-Za-z_]\w*(\.(?!py)\w+)?", span):
                assert span in _names_in(file) or span in _ELSEWHERE, f"{span} in {file}"


_ELSEWHERE = {"enqueue", "get_result"}  # Django's methods, named in passing


def _names_in(file: Path) -> set[str]:
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".lua":
        return set(re.findall(r"^local function (\w+)", text, re.M))
    names: set[str] = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{n.name}" for n in node.body if isinstance(n, ast.FunctionDef)}
    return names


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_exist(page: Path) -> None:
    """Each path into the repository that a page names exists."""
    for path in re.findall(r"`((?:django_jobqueue|testproject|docs|tests)/[\w./-]*)`", prose(page)):
        assert (ROOT / path).exists(), path


# ── Reference pages ──────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def generator() -> Iterator[object]:
    """docs/reference/generate.py as a module."""
    sys.path.insert(0, str(DOCS / "reference"))
    yield importlib.import_module("generate")
    sys.path.pop(0)


@pytest.mark.parametrize("page", sorted((DOCS / "reference").glob("*.md")), ids=name_of)
def test_generated_parts_are_up_to_date(page: Path, generator: object) -> None:
    """Else run: python docs/reference/generate.py"""
    text = page.read_text(encoding="utf-8")
    assert generator.filled(text) == text  # type: ignore[attr-defined]


def test_settings_page_has_all_options_and_their_defaults() -> None:
    """The table has the names and defaults of the options, in their order."""
    rows = dict(table_rows(DOCS / "reference" / "settings.md", "name"))
    defaults = {field.name.upper(): field.default for field in fields(conf.Options)}
    defaults["RETENTION"] = conf.DEFAULT_RETENTION
    defaults["RETENTION_COUNT"] = conf.DEFAULT_RETENTION_COUNT
    assert list(rows) == list(defaults) == list(conf.NAMES)
    assert {name: ast.literal_eval(text) for name, text in rows.items()} == defaults


def test_settings_page_has_all_checks() -> None:
    """The tables name the ids that the code gives."""
    page = (DOCS / "reference" / "settings.md").read_text()
    code = "".join(
        (ROOT / "django_jobqueue" / f"{n}.py").read_text() for n in ("checks", "backend")
    )
    ids = set(re.findall(r"jobqueue\.[EW]\d{3}", code))
    assert set(re.findall(r"^\| `(jobqueue\.[EW]\d{3})`", page, re.M)) == ids


def test_tasks_page_has_all_task_options() -> None:
    """The table has the fields of Task, but what belongs to a call."""
    rows = dict(table_rows(DOCS / "reference" / "tasks.md", "option"))
    known = {field.name: field.default for field in fields(Task)}
    assert set(rows) == set(known) - {"func", "run_after"}
    del rows["on_commit"]  # set by the decorator
    names = importlib.import_module("django_jobqueue").__dict__ | {"Exception": Exception}
    for name, text in rows.items():
        assert eval(text, names) == known[name], name  # noqa: S307 - our own page


def test_tasks_page_has_all_that_a_call_may_change() -> None:
    """The sentence about using() lists its parameters."""
    sentence = re.search(r"`using` takes ([^.]+)\.", (DOCS / "reference" / "tasks.md").read_text())
    assert sentence
    parameters = list(inspect.signature(Task.using).parameters)[1:-1]  # and `unknown`
    assert re.findall(r"`(\w+)`", sentence[1]) == parameters


@pytest.mark.parametrize("cls", [result.JobResult, context.JobContext])
def test_tasks_page_has_all_of_results_and_contexts(cls: type) -> None:
    """Each public name of the class is in its section's table."""
    text = (DOCS / "reference" / "tasks.md").read_text()
    section = text.split(f"## `{cls.__name__}`")[1].split("\n## ")[0]
    named = set(re.findall(r"`(?:await )?(\w+)[`(]", section))
    public = {name for name in dir(cls) if not name.startswith("_")}
    assert public <= named, public - named


def test_reasons_of_the_scripts_are_among_the_words() -> None:
    """The page is made from the enum; what Lua writes by itself stands there too."""
    folder = ROOT / "django_jobqueue" / "engine" / "lua"
    code = "".join(path.read_text() for path in folder.rglob("*.lua"))
    written = set(re.findall(r"queue, 'reason', '(\w+)'|\brecover\([^()]*, '(\w+)'\)", code))
    assert {word for pair in written for word in pair if word} == {Reason.DAMAGED, Reason.LOST}
    assert set(KillReason) < set(Reason)


def test_glossary_is_in_order() -> None:
    """Terms are sorted, and all states are among what it names."""
    terms = re.findall(r"^(\S.*)\n: ", (DOCS / "reference" / "glossary.md").read_text(), re.M)
    assert terms == sorted(terms)


def test_sizes() -> None:
    """The README fits on a few screens, a decision on one."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 160
    for page in (DOCS / "decisions").glob("*.md"):
        assert len(page.read_text().splitlines()) <= 40, page


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _options_of_jobqueue() -> set[str]:
    parser = jobqueue.Command().create_parser("manage.py", "jobqueue")
    (actions,) = (one.choices for one in parser._actions if one.dest == "action")
    parsers: dict[str, CommandParser] = dict(actions or {})
    return {
        name
        for one in parsers.values()
        for action in one._actions
        for name in action.option_strings
    }


def _jobworker() -> CommandParser:
    return Command().create_parser("manage.py", "jobworker")
