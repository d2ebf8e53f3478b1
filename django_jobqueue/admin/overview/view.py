"""The view that the script of the overview polls, and the tag by which the front page shows it."""

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.sites import all_sites
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import Library
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_safe

from django_jobqueue.admin.overview.parts import parts_of
from django_jobqueue.admin.pages import links
from django_jobqueue.admin.viewer import Viewer

NAME = "django_jobqueue_queue_overview"  # of the view, on each site that has the queues

register = Library()


@require_safe
def overview_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Return the parts of the overview by their ids, as JSON."""
    if not Viewer(request.user).may("view_queue"):
        raise PermissionDenied
    return JsonResponse({"parts": {part.id: part.html for part in parts_of(request, site)}})


@register.inclusion_tag("admin/django_jobqueue/overview/overview.html", takes_context=True)
def job_overview(context: Any) -> dict[str, Any]:
    """Show the overview to who may view queues."""
    request = context["request"]
    name = getattr(request, "current_app", None)
    site = next((one for one in all_sites if one.name == name), None)
    if site is None or not Viewer(request.user).may("view_queue"):
        return {"parts": []}
    try:
        url = reverse(f"admin:{NAME}", current_app=site.name)
    except NoReverseMatch:  # this site does not have the queues
        url = ""
    shown = links(site, Viewer(request.user), "overview")
    return {"parts": parts_of(request, site), "url": url, "pages": shown}
