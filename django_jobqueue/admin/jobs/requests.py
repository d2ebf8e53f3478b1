"""The links from a job to the requests of people that it is for, if the project has that app.

The app of requests is optional, so nothing of it is imported here.
"""

from uuid import UUID

from django.apps import apps
from django.contrib.admin import AdminSite
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from django_jobqueue.admin.links import page_link
from django_jobqueue.admin.viewer import Viewer

APP = "django_jobqueue_requests"
MOST = 10  # requests that are named


def are_shown(viewer: Viewer) -> bool:
    """Return whether there can be requests, and the user may see them."""
    return apps.is_installed("django_jobqueue.requests") and viewer.may("view_jobrequest", APP)


def links(site: AdminSite, job_id: str) -> SafeString:
    """Return links to the requests of a job."""
    model = apps.get_model(APP, "JobRequest")
    try:
        found = model._default_manager.filter(job_id=UUID(job_id)).order_by("pk")[:MOST]
    except ValueError:  # a damaged id
        found = model._default_manager.none()
    return format_html_join(
        ", ", "{}", ((page_link(site, model, str(row.pk), str(row)),) for row in found)
    )
