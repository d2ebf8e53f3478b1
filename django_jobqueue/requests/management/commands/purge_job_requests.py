"""Delete the requests, and their files, whose time is over; a worker does so by itself."""

from typing import Any

from django.utils.translation import gettext as _

from django_jobqueue.management import output
from django_jobqueue.requests.purge import purge


class Command(output.Command):
    help = "Delete ended requests and files that are kept no longer (JOBQUEUE_REQUESTS)."

    def handle(self, *args: Any, **options: Any) -> None:
        purged = purge()
        if options["verbosity"]:
            self.tell(_("Deleted %(requests)d requests and %(files)d files.") % purged._asdict())
