"""Look after the keys of one alias. Parses options; the work is in django_jobqueue.engine."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from django_jobqueue.engine import new_engine
from django_jobqueue.engine.client import Connection
from django_jobqueue.engine.jobs import Jobs
from django_jobqueue.engine.key_rotation import Rotation
from django_jobqueue.engine.locate import CALLER
from django_jobqueue.engine.upgrade import Upgrade
from django_jobqueue.exceptions import JobNotFound, JobQueueError
from django_jobqueue.jobs.job import State


class Command(BaseCommand):
    help = "Look after the keys in Redis."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="action")
        upgrade = actions.add_parser(
            "upgrade", help="bring all jobs to the schema of this version, once runs have ended"
        )
        adopt = actions.add_parser(
            "adopt", help="make keys that belong to another signing key this project's"
        )
        resign = actions.add_parser(
            "resign", help="sign all jobs with the newest key, so that older ones can be removed"
        )
        cancel = actions.add_parser("cancel", help="cancel jobs; running ones are told to end")
        cancel.add_argument("ids", nargs="+", metavar="id")
        for action in (upgrade, adopt, resign, cancel):
            action.add_argument("--backend", default="default", help="alias in TASKS")
        adopt.add_argument("--noinput", action="store_true", help="don't ask")
        upgrade.set_defaults(act=self._upgrade)
        adopt.set_defaults(act=self._adopt)
        resign.set_defaults(act=self._resign)
        cancel.set_defaults(act=self._cancel)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            options["act"](new_engine(options["backend"], CALLER).connection, options)
        except (JobQueueError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from error

    def _upgrade(self, connection: Connection, options: dict[str, Any]) -> None:
        upgrade = Upgrade(connection)
        path = upgrade.path()
        if not path:
            self.stdout.write("Nothing to do: the keys have this version's schema.")
            return
        upgrade.begin_upgrade()
        self.stdout.write("Nothing is claimed or stored until this is done.")
        while running := upgrade.running():
            self.stdout.write(f"Waiting for the workers; running jobs: {running}")
            time.sleep(1)
        done = 0
        for batch in upgrade.sweep(path):
            done += batch
            self.stdout.write(f"{done} jobs are done.")
        upgrade.end_upgrade()
        self.stdout.write(self.style.SUCCESS("The keys are upgraded."))

    def _adopt(self, connection: Connection, options: dict[str, Any]) -> None:
        if not options["noinput"]:
            self.stdout.write(
                "Processes of the former owner will be refused, and jobs that were not signed "
                "with a key of this project will fail without being run."
            )
            if input('Type "adopt" to go on: ') != "adopt":
                raise CommandError("Nothing was changed.")
        former = Upgrade(connection).adopt()
        self.stdout.write(
            self.style.SUCCESS(f"Adopted; the former owner was {former or 'nobody'}.")
        )

    def _resign(self, connection: Connection, options: dict[str, Any]) -> None:
        for latest in Rotation(connection).sweep():
            if latest.is_done or options["verbosity"] > 1:
                self.stdout.write(
                    f"Pass {latest.number}: {latest.seen} jobs seen, {latest.changed} signed anew, "
                    f"{latest.foreign} signed with none of the keys."
                )
        if latest.found:
            raise CommandError(
                "Jobs signed with an older key keep coming: give all processes the newest key "
                "first, then run this again."
            )
        if latest.foreign:
            self.stdout.write(
                "What none of the keys has signed is left alone; it fails if it runs."
            )
        self.stdout.write(self.style.SUCCESS("No job needs an older key any more."))

    def _cancel(self, connection: Connection, options: dict[str, Any]) -> None:
        missing = 0
        for job_id in options["ids"]:
            try:
                state = Jobs(connection).cancel(job_id)
            except JobNotFound:
                missing += 1
                self.stderr.write(f"{job_id}: there is no such job")
            else:
                told = ", and was told to end" if state is State.RUNNING else ""
                self.stdout.write(f"{job_id}: it is {state}{told}")
        if missing:
            raise CommandError(f"{missing} of {len(options['ids'])} jobs were not found.")
