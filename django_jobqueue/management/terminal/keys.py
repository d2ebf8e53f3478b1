"""adopt, re-sign and reconcile: look after the keys in Redis and the ledger."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from django_jobqueue.engine import handshake
from django_jobqueue.engine.key_rotation import KeyRotation
from django_jobqueue.ledger.lag import lag
from django_jobqueue.ledger.reconciling import Reconciliation
from django_jobqueue.ledger.signatures import re_sign_rows
from django_jobqueue.management.terminal.asking import answer
from django_jobqueue.management.terminal.printing import Terminal


def add_adopt(parser: ArgumentParser) -> None:
    parser.add_argument("--noinput", action="store_true", help="don't ask, as --yes")


def adopt(terminal: Terminal, options: dict[str, Any]) -> None:
    if not (options["noinput"] or terminal.yes):
        terminal.tell(
            "Processes of the former owner will be refused, and jobs that were not signed "
            "with a key of this project will fail without being run."
        )
        if answer('Type "adopt" to go on: ') != "adopt":
            raise CommandError("Nothing was changed.")
    former = handshake.adopt(terminal.engine.client.run, terminal.engine.options)
    terminal.succeed(f"Adopted; the former owner was {former or 'nobody'}.")


def re_sign(terminal: Terminal, options: dict[str, Any]) -> None:
    for latest in KeyRotation(terminal.engine.client).sweep():
        if latest.is_done or options["verbosity"] > 1:
            terminal.tell(
                f"Pass {latest.number}: {latest.seen} jobs seen, {latest.changed} signed anew, "
                f"{latest.foreign} signed with none of the keys."
            )
    if latest.found:
        raise CommandError(
            "Jobs signed with an older key keep coming: give all processes the newest key "
            "first, then run this again."
        )
    rows = re_sign_rows(terminal.engine)
    if rows:
        terminal.tell(f"{rows} rows of durable jobs signed anew.")
    if latest.foreign:
        terminal.tell("What none of the keys has signed is left alone; it fails if it runs.")
    if latest.number > 1:
        terminal.tell(
            "Run this again until its first pass signs none: a job that was claimed and given "
            "back meanwhile may have been missed."
        )
    else:
        terminal.succeed("No job needs an older key any more.")


def reconcile(terminal: Terminal, options: dict[str, Any]) -> None:
    reconciliation = Reconciliation(terminal.engine)
    reconciliation.run_all()
    report, left = reconciliation.report, lag(terminal.engine)
    terminal.tell(
        f"Ends written: {report.settled}. Jobs stored: {report.stored}. "
        f"Old rows removed: {report.purged}."
    )
    terminal.tell(
        f"Left: jobs that wait for Redis: {left.waiting}, ends for their rows: {left.unsettled}."
    )
    if left.waiting or left.unsettled:
        raise CommandError(f"The oldest has waited for {left.seconds:.0f} s: the log says why.")
