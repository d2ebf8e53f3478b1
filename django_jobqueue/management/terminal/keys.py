"""adopt, re-sign and reconcile: look after the keys in Redis and the ledger."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

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
            _(
                "Processes of the former owner will be refused, and jobs that were not signed "
                "with a key of this project will fail without being run."
            )
        )
        if answer(_('Type "adopt" to go on:') + " ") != "adopt":
            raise CommandError(_("Nothing was changed."))
    former = handshake.adopt(terminal.engine.client.run, terminal.engine.options)
    if former:
        terminal.succeed(_("Adopted; the former owner was %(owner)s.") % {"owner": former})
    else:
        terminal.succeed(_("Adopted; the former owner was nobody."))


def re_sign(terminal: Terminal, options: dict[str, Any]) -> None:
    for latest in KeyRotation(terminal.engine.client).sweep():
        if latest.is_done or options["verbosity"] > 1:
            terminal.tell(
                _(
                    "Pass %(number)d: %(seen)d jobs seen, %(changed)d signed anew, %(foreign)d "
                    "signed with none of the keys."
                )
                % {
                    "number": latest.number,
                    "seen": latest.seen,
                    "changed": latest.changed,
                    "foreign": latest.foreign,
                }
            )
    if latest.found:
        raise CommandError(
            _(
                "Jobs signed with an older key keep coming: give all processes the newest key "
                "first, then run this again."
            )
        )
    rows = re_sign_rows(terminal.engine)
    if rows:
        terminal.tell(_("%(count)d rows of durable jobs signed anew.") % {"count": rows})
    if latest.foreign:
        terminal.tell(_("What none of the keys has signed is left alone; it fails if it runs."))
    if latest.number > 1:
        terminal.tell(
            _(
                "Run this again until its first pass signs none: a job that was claimed and given "
                "back meanwhile may have been missed."
            )
        )
    else:
        terminal.succeed(_("No job needs an older key any more."))


def reconcile(terminal: Terminal, options: dict[str, Any]) -> None:
    reconciliation = Reconciliation(terminal.engine)
    reconciliation.run_all()
    report, left = reconciliation.report, lag(terminal.engine)
    terminal.tell(
        _("Ends written: %(settled)d. Jobs stored: %(stored)d. Old rows removed: %(purged)d.")
        % {"settled": report.settled, "stored": report.stored, "purged": report.purged}
    )
    terminal.tell(
        _("Left: jobs that wait for Redis: %(waiting)d, ends for their rows: %(unsettled)d.")
        % {"waiting": left.waiting, "unsettled": left.unsettled}
    )
    if left.waiting or left.unsettled:
        text = _("The oldest has waited for %(seconds).0f s: the log says why.")
        raise CommandError(text % {"seconds": left.seconds})
