"""Look at the jobs of one alias, change them, and look after its keys: see management/terminal."""

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import Error
from django.utils.translation import gettext as _

from django_jobqueue.engine import new_engine
from django_jobqueue.engine.locate import caller_timeouts
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.management import output
from django_jobqueue.management.terminal import (
    changing,
    jobs,
    keys,
    looking,
    queues,
    running,
    tasks,
    workers,
)
from django_jobqueue.management.terminal.printing import Terminal

INTERRUPTED = 130  # the exit code of a command that Ctrl+C has ended


class Action(NamedTuple):
    """One word after `manage.py jobqueue`."""

    act: Callable[[Terminal, dict[str, Any]], None]
    help: str
    add: Callable[[ArgumentParser], None] | None = None  # adds its own arguments


ACTIONS = {
    "status": Action(looking.status, "what is wrong, and figures", looking.add_status),
    "queues": Action(looking.queues, "queues, with the jobs of each state", looking.add_queues),
    "workers": Action(looking.workers, "workers, and how busy they are"),
    "quiet": Action(workers.quiet, "let workers claim no more jobs", workers.add_workers),
    "stop": Action(workers.stop, "stop workers, as SIGTERM does", workers.add_workers),
    "stacks": Action(workers.stacks, "where the slots of a worker are", workers.add_worker),
    "list": Action(jobs.list_jobs, "jobs that match the filters", jobs.add_list),
    "show": Action(jobs.show, "all of one job", jobs.add_show),
    "explain": Action(jobs.explain, "why a job is not running", jobs.add_explain),
    "requeue": Action(
        changing.requeue, "run final jobs again, or scheduled ones now", changing.add_choice
    ),
    "run-now": Action(changing.run_now, "run scheduled jobs now", changing.add_choice),
    "move": Action(changing.move, "put jobs that wait into another queue", changing.add_move),
    "cancel": Action(
        changing.cancel, "cancel jobs; running ones are told to end", changing.add_choice
    ),
    "delete": Action(changing.delete, "delete jobs that are not running", changing.add_choice),
    "pause": Action(queues.pause, "claim no jobs of queues", queues.add_names),
    "resume": Action(queues.resume, "claim jobs of queues again", queues.add_names),
    "empty": Action(changing.empty, "delete the jobs that wait in queues", queues.add_names),
    "failures": Action(tasks.failures, "failed jobs by task and exception", tasks.add_failures),
    "tasks": Action(tasks.tasks, "tasks, and how long their jobs wait and run"),
    "schedules": Action(tasks.schedules, "schedules, and when they fire"),
    "run": Action(running.run, "enqueue a job of a task", running.add_run),
    "adopt": Action(
        keys.adopt, "make keys that belong to another signing key this project's", keys.add_adopt
    ),
    "re-sign": Action(
        keys.re_sign, "sign all jobs with the newest key, so that older ones can be removed"
    ),
    "reconcile": Action(keys.reconcile, "bring Redis and the ledger of durable jobs together"),
}
ASKING = {"quiet", "stop", "requeue", "run-now", "move", "cancel", "delete", "empty", "adopt"}
PLAIN = {"adopt", "re-sign", "reconcile"}  # these print no JSON


class Command(output.Command):
    help = "Look at jobs and change them, and look after the keys in Redis."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="action")
        for name, action in ACTIONS.items():
            own = actions.add_parser(name, help=action.help)
            own.add_argument("--backend", default="default", help="alias in TASKS")
            own.set_defaults(json=False, yes=False)
            if name not in PLAIN:
                own.add_argument("--json", action="store_true", help="print JSON, for programs")
            if name in ASKING:
                own.add_argument("--yes", action="store_true", help="ask nothing")
            if action.add is not None:
                action.add(own)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            engine = new_engine(options["backend"], caller_timeouts())
            terminal = Terminal(self, engine, options["json"], options["yes"])
            ACTIONS[options["action"]].act(terminal, options)
        except (JobQueueError, ImproperlyConfigured, Error) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as error:
            text = _("Stopped: what was done stays done.")
            raise CommandError(text, returncode=INTERRUPTED) from error
