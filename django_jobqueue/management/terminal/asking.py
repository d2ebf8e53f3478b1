"""Ask before what can't be undone."""

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from django_jobqueue.management.terminal.printing import Terminal


def answer(question: str) -> str:
    """Return what the user types.

    Raises: CommandError if there is nobody to type.
    """
    try:
        return input(question)
    except (EOFError, OSError, RuntimeError) as error:
        raise CommandError(
            _("Nothing was changed: there is no input to confirm it. Use --yes to go on without.")
        ) from error


def confirm(terminal: Terminal, question: str) -> None:
    """Go on if the user says yes, or if nothing is to be asked.

    Raises: CommandError.
    """
    if terminal.yes:
        return
    if answer(f"{question} [y/N] ").strip().lower() not in {"y", "yes"}:
        raise CommandError(_("Nothing was changed."))
