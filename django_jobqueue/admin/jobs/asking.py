"""What selected jobs, or all that match, are to get: the forms that ask for it."""

from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from django_jobqueue.admin.jobs.chosen import chosen
from django_jobqueue.admin.jobs.rows import JobRows
from django_jobqueue.admin.source import Source
from django_jobqueue.jobs import phrases
from django_jobqueue.models import Job
from django_jobqueue.steering import job_action
from django_jobqueue.steering.job_action import JobAction


class AskingForm(forms.Form):
    """One field, and the texts around it."""

    name: ClassVar[str]  # of the field
    posted: ClassVar[str]  # the name of the action in the list
    title: ClassVar[Promise]
    note: ClassVar[Promise]

    required_css_class = "required"

    def __init__(self, data: Any = None, *, alias: str = "default") -> None:
        super().__init__(data if data is not None and self.name in data else None)
        self.alias = alias

    def action(self) -> JobAction:
        """Return the action that the clean form asks for."""
        raise NotImplementedError


class PriorityForm(AskingForm):
    """The new priority."""

    name, posted = "priority", "prioritize_selected"
    title = gettext_lazy("Change the priority")
    note = gettext_lazy(
        "Only those change that are queued or wait for their time; a queued one goes behind those "
        "of the same priority."
    )

    priority = forms.IntegerField(
        label=gettext_lazy("Priority"),
        min_value=-100,
        max_value=100,
        help_text=gettext_lazy("−100 to 100, higher is first."),
    )

    def action(self) -> JobAction:
        return job_action.prioritize(self.cleaned_data["priority"])


class MoveForm(AskingForm):
    """The other queue."""

    name, posted = "queue", "move_selected"
    title = gettext_lazy("Move to another queue")
    note = gettext_lazy(
        "Only jobs that wait are moved. A queued one goes behind those of the same priority; one "
        "that waits for its time or for others goes on waiting."
    )

    queue = forms.CharField(
        label=gettext_lazy("Queue"),
        max_length=64,
        widget=forms.TextInput({"class": "vTextField", "list": "jobqueue-known"}),
        help_text=gettext_lazy("Its name. A queue begins with its first job."),
    )

    def clean_queue(self) -> str:
        queue = str(self.cleaned_data["queue"])
        if wrong := job_action.wrong_queue(self.alias, queue):
            raise forms.ValidationError(wrong)
        return queue

    def action(self) -> JobAction:
        return job_action.move(self.cleaned_data["queue"])


def ask(model_admin: Any, request: HttpRequest, form: AskingForm, rows: JobRows) -> HttpResponse:
    """Show the form; it posts the same selection again."""
    context: dict[str, Any] = {"count": phrases.count(rows.count()), "ids": rows.ids or ("-",)}
    if rows.ids is None:
        context |= {"is_all": True, "is_cut": rows.is_cut, "filters": list(chosen(rows))}
    if isinstance(form, MoveForm):
        context["known"] = rows.source.known_queues(rows.alias)
    return _page(model_admin, request, form, **context)


def ask_for_one(model_admin: Any, request: HttpRequest, form: AskingForm, row: Job) -> HttpResponse:
    """Show the form; it posts to the same address."""
    known = Source().known_queues(row.alias)
    return _page(model_admin, request, form, subtitle=str(row), back=row.pk, known=known)


def _page(model_admin: Any, request: HttpRequest, form: AskingForm, **more: Any) -> HttpResponse:
    request.current_app = model_admin.admin_site.name
    context = {
        **model_admin.admin_site.each_context(request),
        "title": form.title,
        "opts": model_admin.opts,
        "form": form,
        **more,
    }
    return TemplateResponse(request, "admin/django_jobqueue/job/ask.html", context)
