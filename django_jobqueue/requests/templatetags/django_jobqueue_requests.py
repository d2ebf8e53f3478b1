"""`{% load django_jobqueue_requests %}{% job_requests %}`: a bell for any page of the site."""

from typing import Any

from django import template

from django_jobqueue.requests.models import JobRequest

MOST = 20  # requests that are listed

register = template.Library()


@register.inclusion_tag("django_jobqueue_requests/bell.html", takes_context=True)
def job_requests(context: template.Context) -> dict[str, Any]:
    """Show the user's requests that are in progress, or have ended unseen. It costs one query."""
    user = getattr(context.get("request"), "user", None) or context.get("user")
    if user is None or not user.is_authenticated:
        return {}
    rows = list(
        JobRequest.objects.filter(owner=user.pk, seen_at=None).order_by("-created_at")[:MOST]
    )
    running = sum(not row.is_final for row in rows)
    return {"job_requests": rows, "running": running, "unseen": len(rows) - running}
