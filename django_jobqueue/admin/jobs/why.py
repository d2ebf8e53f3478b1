"""Why a job does not run, as a list of sentences whose jobs are links."""

import re
from collections.abc import Iterator, Sequence

from django.contrib.admin import AdminSite
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from django_jobqueue.admin import display
from django_jobqueue.admin.links import page_link
from django_jobqueue.diagnosis.explanation import explain
from django_jobqueue.engine import get_engine
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.models import Job

_ID = re.compile("([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


def explanation(site: AdminSite, row: Job) -> SafeString | str:
    """Return sentences about what the job waits for, or where it runs."""
    try:
        sentences = explain(get_engine(row.alias), row.id)
        items = format_html_join(
            "", "<li>{}</li>", ((one,) for one in _linked(site, row, sentences))
        )
    except JobQueueError:  # gone, or Redis became unavailable, after the job was read
        return display.NOTHING
    return format_html('<ul class="jobqueue-why">{}</ul>', items)


def _linked(site: AdminSite, row: Job, sentences: Sequence[str]) -> Iterator[SafeString]:
    """Yield the sentences with links from the ids of jobs that are there to their pages."""
    named = {found for one in sentences for found in _ID.findall(one)} - {row.id}
    known = {job.id for job in get_engine(row.alias).inspector.jobs(named)}
    for one in sentences:
        parts = (page_link(site, Job, part) if part in known else part for part in _ID.split(one))
        yield format_html_join("", "{}", ((part,) for part in parts))
