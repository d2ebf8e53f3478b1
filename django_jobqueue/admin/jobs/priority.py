"""Change the priority of selected jobs, or of all that match: the form that asks for it."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.admin.jobs.rows import JobRows
from django_jobqueue.jobs import phrases


class PriorityForm(forms.Form):
    """The new priority."""

    priority = forms.IntegerField(
        label=gettext_lazy("Priority"),
        min_value=-100,
        max_value=100,
        help_text=gettext_lazy("−100 to 100, higher is first."),
    )


def form_of(request: HttpRequest) -> PriorityForm:
    """Return the form, with what was posted if that is from it."""
    return PriorityForm(request.POST) if "priority" in request.POST else PriorityForm()


def ask(model_admin: Any, request: HttpRequest, form: PriorityForm, rows: JobRows) -> HttpResponse:
    """Show the form; it posts the same selection again."""
    request.current_app = model_admin.admin_site.name
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Change the priority"),
        "opts": model_admin.opts,
        "form": form,
        "count": phrases.count(rows.count()),
        "ids": rows.ids or ("-",),
        "is_all": rows.ids is None,
    }
    return TemplateResponse(request, "admin/django_jobqueue/job/priority.html", context)
