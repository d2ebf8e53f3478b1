"""Run the jobs of one alias: parse the options, and call django_jobqueue.worker."""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from django_jobqueue.engine.workers import named
from django_jobqueue.management import arguments
from django_jobqueue.management.long_running import LongRunningCommand
from django_jobqueue.worker.config import WorkerConfig, new_worker_id
from django_jobqueue.worker.outage import patient_engine
from django_jobqueue.worker.supervisor import Supervisor


class Command(LongRunningCommand):
    help = "Run jobs until stopped. First Ctrl+C or SIGTERM: let running jobs finish; second: now."
    name = "jobworker"
    on_windows = (
        "jobworker needs fork or spawn with Unix signals: on Windows run it in WSL or a "
        "container. Enqueueing and the admin work on Windows."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--backend", default="default", help="alias in TASKS")
        parser.add_argument(
            "--queues",
            type=arguments.queues_to_serve,
            help="names with commas in order of claim, or with weights: a:5,b:1; default: all",
        )
        parser.add_argument(
            "--processes",
            type=arguments.positive,
            default=os.cpu_count() or 1,
            help="default: CPUs",
        )
        parser.add_argument(
            "--threads", type=arguments.positive, default=1, help="threads per process"
        )
        parser.add_argument("--burst", action="store_true", help="exit when no job is left")
        parser.add_argument(
            "--max-jobs",
            type=arguments.positive,
            help="replace a process after so many jobs per slot, less up to a tenth at random",
        )
        parser.add_argument(
            "--max-memory",
            type=arguments.memory,
            help="replace a process, once its job ends, when it has grown above this: 512M, 2G",
        )
        parser.add_argument(
            "--shutdown-timeout",
            type=arguments.seconds,
            default=30.0,
            help="seconds that running jobs get to finish after the first signal (30)",
        )
        parser.add_argument(
            "--health-file",
            type=arguments.writable,
            help="touched while each slot claims, polls or runs a job; see Health",
        )
        parser.add_argument(
            "--scheduler",
            action="store_true",
            help="fire schedules too, in one more process; see jobscheduler",
        )
        super().add_arguments(parser)

    def check_options(self, options: dict[str, Any]) -> None:
        if options["burst"] and options["scheduler"]:
            raise CommandError("--burst ends when no job is left, --scheduler never: use one.")
        if options["burst"]:
            options["reload"] = False

    def work(self, options: dict[str, Any]) -> None:
        names, weights = options["queues"] or (None, ())
        config = WorkerConfig(
            alias=options["backend"],
            worker=new_worker_id(),
            queues=names,
            weights=weights,
            processes=options["processes"],
            threads=options["threads"],
            burst=options["burst"],
            max_jobs=options["max_jobs"],
            max_memory=options["max_memory"],
            shutdown_timeout=options["shutdown_timeout"],
            health_file=options["health_file"],
            scheduler=options["scheduler"],
            reloader=options["reloader"],
        )
        engine = patient_engine(config.alias)
        arguments.check_queues(engine, config.queues)
        if options["verbosity"]:
            queues = ", ".join(named(config.queues or (), config.weights)) or "all queues"
            self.tell(
                f"jobworker {config.worker}: {queues} of '{config.alias}' at "
                f"{engine.client.address()}, {config.processes} × {config.threads} slots"
            )
        Supervisor(engine, config).run()
