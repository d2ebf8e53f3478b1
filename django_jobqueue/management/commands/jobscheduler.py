"""Fire the schedules of one alias: parse the options, and call django_jobqueue.worker."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.management import arguments
from django_jobqueue.worker.config import new_worker_id
from django_jobqueue.worker.outage import patient_engine
from django_jobqueue.worker.scheduling.scheduler import Scheduler


class Command(BaseCommand):
    help = (
        "Enqueue the jobs of schedules when their time comes, until stopped. Any number may run: "
        "each time is fired once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--backend", default="default", help="alias in TASKS")
        parser.add_argument(
            "--health-file",
            type=arguments.writable,
            help="touched while the scheduler reaches Redis; see Health",
        )
        arguments.add_reload(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        if sys.platform == "win32":
            raise CommandError(
                "jobscheduler needs Unix signals: on Windows run it in WSL or a container."
            )
        arguments.refuse_green_threads("jobscheduler")
        arguments.log_to_terminal(options["verbosity"])
        arguments.reload_if_wanted(options["reload"])
        try:
            self._work(options)
        except (JobQueueError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from error

    def _work(self, options: dict[str, Any]) -> None:
        engine, name = patient_engine(options["backend"]), new_worker_id()
        if options["verbosity"]:
            self.stdout.write(
                f"jobscheduler {name}: schedules of '{engine.alias}' at {engine.client.address()}"
            )
            self.stdout.flush()
        Scheduler(engine, name, health_file=options["health_file"]).run()
