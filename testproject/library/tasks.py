"""The task that scans a chapter. A chapter that was scanned before is at hand at once."""

import time

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils.text import slugify

from django_jobqueue import task, track
from django_jobqueue.requests.outcome import Outcome, save_file

PAGES = 12  # of each chapter


@task(max_attempts=3, backoff=2)
def scan_chapter(book: str, chapter: int) -> Outcome:
    """Return the scan of a chapter as a file."""
    name = f"{slugify(book)}-{chapter}.txt"
    if not default_storage.exists(f"scans/{name}"):
        pages = track(range(1, PAGES + 1), text=lambda page: f"Page {page}")
        text = "".join(_scan(book, chapter, page) for page in pages)
        default_storage.save(f"scans/{name}", ContentFile(text))
    with default_storage.open(f"scans/{name}") as scan:
        return Outcome(text=f"Chapter {chapter} of {book}", file=save_file(name, scan))


def _scan(book: str, chapter: int, page: int) -> str:
    time.sleep(getattr(settings, "DEMO_SECONDS_PER_PAGE", 0))  # so that it can be watched
    return f"{book}, chapter {chapter}, page {page}\n"
