"""Fire the schedules of one alias: parse the options, and call django_jobqueue.worker."""

from argparse import ArgumentParser
from typing import Any

from django_jobqueue.management import arguments
from django_jobqueue.management.long_running import LongRunningCommand
from django_jobqueue.worker.config import new_worker_id
from django_jobqueue.worker.outage import patient_engine
from django_jobqueue.worker.scheduling.scheduler import Scheduler


class Command(LongRunningCommand):
    help = (
        "Enqueue the jobs of schedules when their time comes, until stopped. Any number may run: "
        "each time is fired once."
    )
    name = "jobscheduler"
    on_windows = "jobscheduler needs Unix signals: on Windows run it in WSL or a container."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--backend", default="default", help="alias in TASKS")
        parser.add_argument(
            "--health-file",
            type=arguments.writable,
            help="touched while the scheduler reaches Redis; see Health",
        )
        super().add_arguments(parser)

    def work(self, options: dict[str, Any]) -> None:
        engine, name = patient_engine(options["backend"]), new_worker_id()
        if options["verbosity"]:
            self.tell(
                f"jobscheduler {name}: schedules of '{engine.alias}' at {engine.client.address()}"
            )
        Scheduler(
            engine, name, health_file=options["health_file"], reloader=options["reloader"]
        ).run()
