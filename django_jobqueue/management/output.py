"""The base class of the commands: what they print is cleaned, and never ends them."""

import sys
from collections.abc import Callable

from django.core.management.base import BaseCommand, OutputWrapper

from django_jobqueue.jobs.text import spelled
from django_jobqueue.worker.output import keep_writable


class Command(BaseCommand):
    """A command whose lines hold no control characters, wherever they come from."""

    waits_for_reader = True  # such as a pager

    def run_from_argv(self, argv: list[str]) -> None:
        keep_writable(waits=self.waits_for_reader)
        self.stdout, self.stderr = OutputWrapper(sys.stdout), OutputWrapper(sys.stderr)
        self.stderr.style_func = self.style.ERROR
        super().run_from_argv(argv)

    def tell(self, text: str, style: Callable[[str], str] | None = None) -> None:
        """Print a line at once."""
        self.stdout.write(spelled(text), style)
        self.stdout.flush()

    def complain(self, text: str) -> None:
        """Print a line to the standard error."""
        self.stderr.write(spelled(text))
