"""The page on which a report is asked for."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from django_jobqueue.requests import submit
from reports.tasks import export_assignments


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def export(request: HttpRequest) -> HttpResponse:
    """Export the report."""
    if request.method == "POST":
        return submit(request, export_assignments, title="Report on all assignments")
    return render(request, "reports/export.html")
