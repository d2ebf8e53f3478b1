"""Maintain the keys of one alias: parse the options, and call django_jobqueue.engine."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import Error

from django_jobqueue.compat import InvalidTask
from django_jobqueue.engine import Engine, handshake, new_engine
from django_jobqueue.engine.key_rotation import KeyRotation
from django_jobqueue.engine.locate import caller_timeouts
from django_jobqueue.exceptions import JobNotFound, JobQueueError
from django_jobqueue.jobs import envelope
from django_jobqueue.jobs.states import State
from django_jobqueue.ledger import rounds
from django_jobqueue.ledger.lag import lag
from django_jobqueue.ledger.reconciling import Reconciliation
from django_jobqueue.ledger.signatures import re_sign_rows
from django_jobqueue.management import output


class Command(output.Command):
    help = "Look after the keys in Redis."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="action")
        adopting = actions.add_parser(
            "adopt", help="make keys that belong to another signing key this project's"
        )
        re_sign = actions.add_parser(
            "re-sign", help="sign all jobs with the newest key, so that older ones can be removed"
        )
        cancel = actions.add_parser("cancel", help="cancel jobs; running ones are told to end")
        cancel.add_argument("ids", nargs="*", metavar="id")
        cancel.add_argument("--tag", help="all jobs with this tag")
        reconcile = actions.add_parser(
            "reconcile", help="bring Redis and the ledger of durable jobs together"
        )
        for action in (adopting, re_sign, cancel, reconcile):
            action.add_argument("--backend", default="default", help="alias in TASKS")
        adopting.add_argument("--noinput", action="store_true", help="don't ask")
        adopting.set_defaults(act=self._adopt)
        re_sign.set_defaults(act=self._re_sign)
        cancel.set_defaults(act=self._cancel)
        reconcile.set_defaults(act=self._reconcile)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            options["act"](new_engine(options["backend"], caller_timeouts()), options)
        except (JobQueueError, ImproperlyConfigured, Error) as error:
            raise CommandError(str(error)) from error

    def _adopt(self, engine: Engine, options: dict[str, Any]) -> None:
        if not options["noinput"]:
            self.tell(
                "Processes of the former owner will be refused, and jobs that were not signed "
                "with a key of this project will fail without being run."
            )
            if _answer('Type "adopt" to go on: ') != "adopt":
                raise CommandError("Nothing was changed.")
        former = handshake.adopt(engine.client.run, engine.options)
        self.tell(f"Adopted; the former owner was {former or 'nobody'}.", self.style.SUCCESS)

    def _re_sign(self, engine: Engine, options: dict[str, Any]) -> None:
        for latest in KeyRotation(engine.client).sweep():
            if latest.is_done or options["verbosity"] > 1:
                self.tell(
                    f"Pass {latest.number}: {latest.seen} jobs seen, {latest.changed} signed anew, "
                    f"{latest.foreign} signed with none of the keys."
                )
        if latest.found:
            raise CommandError(
                "Jobs signed with an older key keep coming: give all processes the newest key "
                "first, then run this again."
            )
        rows = re_sign_rows(engine)
        if rows:
            self.tell(f"{rows} rows of durable jobs signed anew.")
        if latest.foreign:
            self.tell("What none of the keys has signed is left alone; it fails if it runs.")
        if latest.number > 1:
            self.tell(
                "Run this again until its first pass signs none: a job that was claimed and given "
                "back meanwhile may have been missed."
            )
        else:
            self.tell("No job needs an older key any more.", self.style.SUCCESS)

    def _cancel(self, engine: Engine, options: dict[str, Any]) -> None:
        if bool(options["ids"]) is (options["tag"] is not None):
            raise CommandError("Give ids of jobs, or --tag and a tag.")
        if options["tag"] is not None:
            self._cancel_tagged(engine, options["tag"])
            return
        missing = 0
        for job_id in options["ids"]:
            try:
                state = rounds.cancel(engine, job_id)
            except JobNotFound:
                missing += 1
                self.complain(f"{job_id}: there is no such job")
            else:
                told = ", and was told to end" if state is State.RUNNING else ""
                self.tell(f"{job_id}: it is {state}{told}")
        if missing:
            raise CommandError(f"{missing} of {len(options['ids'])} jobs were not found.")

    def _cancel_tagged(self, engine: Engine, tag: str) -> None:
        try:
            envelope.check_tag(tag, "--tag")
        except InvalidTask as error:
            raise CommandError(str(error)) from error
        done = engine.tags.cancel(tag)
        self.tell(f"{done.cancelled} jobs cancelled, {done.told} running ones told to end.")

    def _reconcile(self, engine: Engine, options: dict[str, Any]) -> None:
        reconciliation = Reconciliation(engine)
        reconciliation.run_all()
        report, left = reconciliation.report, lag(engine)
        self.tell(
            f"{report.settled} ends written, {report.stored} jobs stored, "
            f"{report.purged} old rows removed."
        )
        self.tell(
            f"Left: {left.waiting} jobs wait for Redis, {left.unsettled} ends for their rows."
        )
        if left.waiting or left.unsettled:
            raise CommandError(f"The oldest has waited for {left.seconds:.0f} s: the log says why.")


def _answer(question: str) -> str:
    """Return what the user types.

    Raises: CommandError if there is nobody to type.
    """
    try:
        return input(question)
    except (EOFError, OSError, RuntimeError) as error:
        raise CommandError(
            "Nothing was changed: there is no input to confirm it. Use --noinput to go on without."
        ) from error
