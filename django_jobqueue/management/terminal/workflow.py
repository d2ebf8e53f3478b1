"""The workflow of a job, for `show`."""

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from django_jobqueue.diagnosis.workflow_tree import Line, Tree, more, summary
from django_jobqueue.jobs.text import one_line
from django_jobqueue.management.terminal import printing


def described(tree: Tree | None) -> dict[str, Any] | None:
    """Return a workflow for JSON."""
    if tree is None:
        return None
    record = tree.record
    return {
        "id": record.id,
        "state": record.state,
        "members": record.members,
        "done": record.done,
        "failed": record.failed,
        "said": summary(record),
        "own": tree.own,
        "parents": list(map(_line, tree.parents)),
        "children": list(map(_line, tree.children)),
        "lines": list(map(_line, tree.lines)),
    }


def _line(line: Line) -> dict[str, Any]:
    one = line.member
    if one is None:
        return {"depth": line.depth, "more": line.more, "failed": line.failed, "said": more(line)}
    state = one.state and one.state.value
    return {
        "depth": line.depth,
        "number": one.number,
        "id": one.id,
        "task": one.task,
        "state": state,
    }


def drawing(workflow: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a workflow as it was described; the job itself has a mark."""
    yield workflow["said"]
    for line in workflow["lines"]:
        indent = "    " * line["depth"]
        if "more" in line:
            yield f"  {indent}{line['said']}"
            continue
        mark = "*" if line["number"] == workflow["own"] else " "
        state = printing.state(line["state"]) if line["state"] else "-"
        name = one_line(line["task"]) or _("trimmed")
        yield f"{mark} {indent}{name}  {state}  {line['id']}"
