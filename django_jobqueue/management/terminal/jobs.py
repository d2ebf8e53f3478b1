"""list, show and explain: what jobs there are, all of one, and why it is not running."""

from argparse import ArgumentParser
from contextlib import suppress
from itertools import islice
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.diagnosis.explanation import explain as sentences_about
from django_jobqueue.diagnosis.workflow_tree import read_tree
from django_jobqueue.engine import Engine
from django_jobqueue.exceptions import BadSignature, TaskUnknown
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.payload import load_value
from django_jobqueue.jobs.redaction import Redactor
from django_jobqueue.jobs.run import Run
from django_jobqueue.jobs.states import State
from django_jobqueue.management.terminal import printing
from django_jobqueue.management.terminal.choosing import add_filters, selection
from django_jobqueue.management.terminal.printing import Column, Terminal, instant, now_ms
from django_jobqueue.management.terminal.workflow import described, drawing
from django_jobqueue.paths import find
from django_jobqueue.steering.matching import matching

LIMIT = 50  # jobs that a list shows
JOBS = [
    Column("id", gettext_lazy("ID"), printing.word),
    Column("state", gettext_lazy("state"), printing.state),
    Column("queue", gettext_lazy("queue"), printing.word),
    Column("task", gettext_lazy("task"), printing.word),
    Column("enqueued", gettext_lazy("enqueued"), printing.since),
    Column("attempts", gettext_lazy("attempts"), printing.number),
    Column("run_seconds", gettext_lazy("run time"), printing.span),
    Column("reason", gettext_lazy("reason"), lambda value: phrases.reason(value) if value else ""),
]


def add_list(parser: ArgumentParser) -> None:
    add_filters(parser)
    parser.add_argument("--limit", type=int, default=LIMIT, help=f"jobs, at most ({LIMIT})")
    parser.add_argument("--all", action="store_true", help="all of them")
    parser.add_argument("--oldest", action="store_true", help="the oldest of each state first")


def list_jobs(terminal: Terminal, options: dict[str, Any]) -> None:
    wanted = selection(options, newest_first=not options["oldest"])
    chosen = matching(terminal.engine, wanted)
    limit = None if options["all"] else max(0, options["limit"])
    rows = [_row(job) for job in islice(chosen, limit)]
    terminal.show(JOBS, rows, _("No job matches."))
    if limit is not None and len(rows) == limit and next(chosen, None) is not None:
        text = _("These are the first %(count)s: see --limit and --all.")
        terminal.note(text % {"count": phrases.count(limit)})


def _row(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "state": job.state.value,
        "queue": job.queue,
        "task": job.task,
        "enqueued": instant(job.enqueued_at),
        "attempts": job.attempts + (job.state is State.RUNNING),
        "run_seconds": _run_seconds(job),
        "reason": job.reason,
    }


def _run_seconds(job: Job) -> float | None:
    end = now_ms() if job.state is State.RUNNING else job.finished_at
    return max(0, end - job.attempted_at) / 1000 if end and job.attempted_at else None


def add_show(parser: ArgumentParser) -> None:
    parser.add_argument("id")
    parser.add_argument("--secrets", action="store_true", help="show sensitive values too")


def show(terminal: Terminal, options: dict[str, Any]) -> None:
    """Show all of one job."""
    job = terminal.engine.inspector.job(options["id"])
    found = _whole(terminal.engine, job, secrets=options["secrets"])
    if terminal.as_json:
        terminal.show_json(found)
        return
    runs, log = found.pop("runs"), found.pop("log")
    workflow = found.pop("workflow")
    width = max(map(len, found))
    for name, value in found.items():
        if value not in (None, "", [], {}):
            terminal.tell(f"{name:<{width}}  {_said(value)}")
    for run in runs:
        terminal.tell()
        terminal.tell(_run_line(run))
        for line in run["traceback"].splitlines():
            terminal.tell(f"    {line}")
    if log:
        terminal.tell()
    for line in log:
        terminal.tell(f"{line['at']}  {line['text']}")
    if workflow:
        terminal.tell()
        for text in drawing(workflow):
            terminal.tell(text)


def _whole(engine: Engine, job: Job, *, secrets: bool) -> dict[str, Any]:
    args, kwargs, metadata, value = _values(engine, job, secrets=secrets)
    return {
        **_row(job),
        "priority": job.priority,
        "max_attempts": job.max_attempts,
        "recoveries": job.recoveries,
        "schedule": job.schedule,
        "due": instant(job.due_at),
        "started": instant(job.started_at),
        "last_started": instant(job.attempted_at),
        "finished": instant(job.finished_at),
        "worker": job.worker,
        "progress": list(job.progress) if job.progress else None,
        "args": args,
        "kwargs": kwargs,
        "metadata": metadata,
        "result": value,
        "explanation": sentences_about(engine, job.id),
        "runs": [_run(run) for run in job.runs],
        "workflow": described(read_tree(engine, job)),
        "log": [{"at": instant(at), "text": said} for at, said in job.log],
    }


def _values(engine: Engine, job: Job, *, secrets: bool) -> tuple[Any, Any, Any, Any]:
    """Return arguments, metadata and result; of an unsigned job only why they are not shown."""
    redactor = Redactor(None, engine.options.sensitive)
    try:
        job.open(engine.signer)
        with suppress(TaskUnknown):
            redactor = Redactor(find(job.task), engine.options.sensitive)
    except (BadSignature, ValueError, RecursionError) as error:
        return str(error), None, None, None
    value = None
    if job.state is State.SUCCEEDED:
        with suppress(ValueError, RecursionError):
            value = load_value(job.result or b"null")
    if secrets:
        return job.args, job.kwargs, job.metadata, value
    args, kwargs = redactor.call(job.args, job.kwargs)
    return args, kwargs, redactor.value(job.metadata), redactor.value(value)


def _run(run: Run) -> dict[str, Any]:
    return {
        "attempt": run.attempt if run.counts else None,
        "outcome": run.outcome,
        "worker": run.worker,
        "started": instant(run.started_at),
        "finished": instant(run.finished_at),
        "exception": run.exception,
        "traceback": run.traceback,
    }


def _run_line(run: dict[str, Any]) -> str:
    said = phrases.OUTCOMES.get(run["outcome"], run["outcome"])
    values = {"attempt": phrases.count(run["attempt"]), "outcome": said, "worker": run["worker"]}
    text = _("attempt %(attempt)s: %(outcome)s on %(worker)s")
    if not run["attempt"]:
        text = _("%(outcome)s on %(worker)s")
    return f"{run['started']}  {text % values} {run['exception']}".rstrip()


def _said(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return " ".join(value)
    return phrases.count(value) if isinstance(value, int) else str(value)


def add_explain(parser: ArgumentParser) -> None:
    parser.add_argument("id")


def explain(terminal: Terminal, options: dict[str, Any]) -> None:
    found = sentences_about(terminal.engine, options["id"])
    if terminal.as_json:
        terminal.show_json(found)
    for sentence in () if terminal.as_json else found:
        terminal.tell(sentence)
