"""Run the jobs of one alias. Parses options; the work is in django_jobqueue.worker."""

import logging
import os
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.utils.autoreload import get_child_arguments

from django_jobqueue.engine import new_engine
from django_jobqueue.engine.pool import supervisor_timeouts
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.job import QUEUE_PATTERN
from django_jobqueue.options import load
from django_jobqueue.worker.process import Plan
from django_jobqueue.worker.reloader import run_reloading
from django_jobqueue.worker.supervisor import Supervisor, new_worker_id

LEVELS = {0: logging.WARNING, 1: logging.INFO, 2: logging.INFO, 3: logging.DEBUG}


class Command(BaseCommand):
    help = "Run jobs until stopped. First Ctrl+C or SIGTERM: let running jobs finish; second: now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--backend", default="default", help="alias in TASKS")
        parser.add_argument(
            "--queues", type=_queues, help="names with commas, in order of claim; default: all"
        )
        parser.add_argument(
            "--processes", type=_positive, default=os.cpu_count() or 1, help="default: CPUs"
        )
        parser.add_argument("--threads", type=_positive, default=1, help="threads per process")
        parser.add_argument("--burst", action="store_true", help="exit when no job is left")
        parser.add_argument(
            "--max-jobs",
            type=_positive,
            help="replace a process after so many jobs per slot, less up to a tenth at random",
        )
        parser.add_argument(
            "--max-memory",
            type=_bytes,
            help="replace a process, once its job ends, when it has grown above this: 512M, 2G",
        )
        parser.add_argument(
            "--shutdown-timeout",
            type=_seconds,
            default=30.0,
            help="seconds that running jobs get to finish after the first signal (30)",
        )
        parser.add_argument(
            "--health-file",
            type=_file,
            help="touched while each slot claims, polls or runs a job; see Health",
        )
        parser.add_argument(
            "--reload",
            action=BooleanOptionalAction,
            default=None,
            help="restart when code changes; default: DEBUG",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if sys.platform == "win32":
            raise CommandError(
                "jobworker needs fork or spawn with Unix signals: on Windows run it in WSL or a "
                "container. Enqueueing and the admin work on Windows."
            )
        _log_to_terminal(options["verbosity"])
        reload = settings.DEBUG if options["reload"] is None else options["reload"]
        if reload and not options["burst"]:
            sys.exit(run_reloading([*get_child_arguments(), "--no-reload"]))
        try:
            code = self._work(options)
        except (JobQueueError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from error
        if code:
            sys.exit(code)

    def _work(self, options: dict[str, Any]) -> int:
        plan = Plan(
            alias=options["backend"],
            worker=new_worker_id(),
            queues=options["queues"],
            processes=options["processes"],
            threads=options["threads"],
            burst=options["burst"],
            max_jobs=options["max_jobs"],
            max_memory=options["max_memory"],
            shutdown_timeout=options["shutdown_timeout"],
            health_file=options["health_file"],
        )
        engine = new_engine(plan.alias, supervisor_timeouts(load(plan.alias).lease))
        if options["verbosity"]:
            queues = ", ".join(plan.queues) if plan.queues else "all queues"
            self.stdout.write(
                f"jobworker {plan.worker}: {queues} of '{plan.alias}' at "
                f"{engine.connection.address()}, {plan.processes} × {plan.threads} slots"
            )
            self.stdout.flush()
        return Supervisor(engine, plan).run()


def _queues(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names or [text]:
        if not QUEUE_PATTERN.fullmatch(name):
            raise ArgumentTypeError(f"{name!r} is no queue name: letters, digits, '_', '-', '.'")
    return tuple(dict.fromkeys(names))


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+)([KMG]?)", text.upper().removesuffix("B"))
    if not found or not int(found[1]):
        raise ArgumentTypeError(f"{text!r} is no amount of memory such as 512M or 2G")
    if not Path("/proc/self/statm").exists():
        raise ArgumentTypeError("this system does not tell the memory of a process (no /proc)")
    return int(found[1]) << 10 * " KMG".index(found[2] or " ")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86_400:
        raise ArgumentTypeError(f"{text!r} is no number of seconds from 0 to 86400")
    return value


def _file(text: str) -> Path:
    """Return a path that can be written, which the file's absence tells nobody later."""
    path = Path(text)
    try:
        path.touch()
        path.unlink()
    except OSError as error:
        raise ArgumentTypeError(f"{text!r} can't be written: {error.strerror}") from None
    return path


def _log_to_terminal(verbosity: int) -> None:
    """Show the package's log unless the project's LOGGING already does."""
    logger = logging.getLogger("django_jobqueue")
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(LEVELS[verbosity])
