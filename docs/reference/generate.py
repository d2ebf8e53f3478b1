"""Write the generated parts of the reference pages, from the code that they describe.

    python docs/reference/generate.py        (with the package installed)

A part stands between `<!-- generated: name -->` and `<!-- end -->`. The tests compare the pages
with what this file would write.
"""

import re
from argparse import SUPPRESS
from collections.abc import Callable, Iterable
from functools import partial
from itertools import takewhile
from pathlib import Path

import django
from django.apps import apps
from django.conf import settings
from django.core.management import BaseCommand

if not settings.configured:
    settings.configure(INSTALLED_APPS=["django.contrib.contenttypes", "django_jobqueue"])
if not apps.ready:
    django.setup()

from django_jobqueue.engine.keys import KINDS
from django_jobqueue.engine.scripts import Script, standard
from django_jobqueue.jobs.states import TRANSITIONS, Reason
from django_jobqueue.management.commands import jobscheduler, jobworker

PAGES = Path(__file__).parent
PART = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def keys() -> str:
    """Return the table of all kinds of key."""
    rows = [
        (
            f"`{name}:<{kind.of}>`" if kind.of else f"`{name}`",
            kind.type,
            re.sub(r"<\w+>(:<\w+>)?", lambda found: f"`{found[0]}`", kind.holds),
            kind.until,
        )
        for name, kind in KINDS.items()
    ]
    return table(("key after the prefix", "type", "holds", "until"), rows)


def scripts() -> str:
    """Return one section per script, from the headers of the Lua files."""
    return "\n".join(_script(script) for script in standard().all.values())


def transitions() -> str:
    """Return the table of what moves a job from where to where."""
    rows = [
        (
            f"`{script}`",
            "<br>".join(f"{before or '(none)'} → {after or '(gone)'}" for before, after in moves),
        )
        for script, moves in TRANSITIONS.items()
    ]
    return table(("script", "moves"), rows)


def reasons() -> str:
    """Return the table of what becomes of jobs, and why."""
    rows = [(f"`{reason}`", reason.states, reason.cause) for reason in Reason]
    return table(("reason", "state", "cause"), rows)


def diagram() -> str:
    """Return the transitions as a state diagram."""
    edges: dict[tuple[str, str], list[str]] = {}
    for script, moves in TRANSITIONS.items():
        for before, after in moves:
            if script != "delete":  # an arrow from nearly everywhere hides the others
                edges.setdefault((before or "[*]", after or "[*]"), []).append(script)
    lines = [f"    {a} --> {b}: {', '.join(names)}" for (a, b), names in edges.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", "    direction LR", *lines, "```"])


def options(command: BaseCommand, name: str) -> str:
    """Return the table of the options of a command."""
    common = {action.dest for action in BaseCommand().create_parser("manage.py", "x")._actions}
    rows = []
    for action in command.create_parser("manage.py", name)._actions:
        if action.dest not in common and action.help != SUPPRESS:
            value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
            names = ", ".join(f"`{name}{value}`" for name in action.option_strings)
            rows.append((names, action.help or ""))
    return table(("option", "meaning"), rows)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def _script(script: Script) -> str:
    path = f"lua/{script.path}"
    before = script.source.rpartition("\n-- Moves:")[0].splitlines()
    said = [*takewhile(lambda line: line.startswith("-- "), reversed(before))][::-1]
    words = {name: _text(text) for name, text in script.header.items()}
    lines = [f"### `{script.name}`", "", _text("\n".join(said)), "", f"- Moves: {words['Moves']}"]
    arguments = _arguments(script.header["ARGV"])
    if arguments:
        lines.append("- ARGV:")
        lines += [f"  {n}. `{name}`: {text}" for n, (name, text) in enumerate(arguments, 1)]
    else:
        lines.append("- ARGV: none")
    lines += [f"- Returns: {words['Returns']}", f"- Atomic, or else: {words['Atomic']}"]
    return "\n".join([*lines, f"- Source: `{path}`", ""])


def _text(section: str) -> str:
    text = " ".join(line.removeprefix("--").strip() for line in section.splitlines()).strip()
    # Some of the words look like markup.
    return re.sub(r"\{[^{}]*\}", lambda found: f"`{found[0]}`", text).replace(" -> ", " → ")


def _arguments(section: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for line in section.splitlines():
        if match := re.match(r"--   (\w+(?:\.\.\.)?) +(.*)", line):
            found.append((match[1], match[2]))
        elif found and line.startswith("--"):
            name, text = found[-1]
            found[-1] = name, f"{text} {line.removeprefix('--').strip()}"
    return found


PARTS: dict[str, Callable[[], str]] = {
    "keys": keys,
    "scripts": scripts,
    "transitions": transitions,
    "reasons": reasons,
    "diagram": diagram,
    "jobworker": partial(options, jobworker.Command(), "jobworker"),
    "jobscheduler": partial(options, jobscheduler.Command(), "jobscheduler"),
}


def filled(text: str) -> str:
    """Return a page with its generated parts as they should be."""
    return PART.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]().strip()}\n\n{found[3]}", text)


if __name__ == "__main__":
    for page in sorted(PAGES.glob("*.md")):
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
