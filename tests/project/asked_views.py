"""Views of a project that takes requests."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_POST

from django_jobqueue.requests import submit
from django_jobqueue.requests.views import JobFormView
from tests.project import asked_tasks


class SayForm(forms.Form):
    text = forms.CharField(max_length=100)


class SayView(JobFormView):
    form_class = SayForm
    template_name = "ask.html"
    task = asked_tasks.say
    title = "Say it"


class AnonymousForm(SayForm):
    email = forms.EmailField(required=False)


class AnonymousView(SayView):
    form_class = AnonymousForm
    allow_anonymous = True
    address_field = "email"


class StepForm(forms.Form):
    folder = forms.CharField()
    steps = forms.IntegerField()


class StepView(JobFormView):
    form_class = StepForm
    template_name = "ask.html"
    allow_anonymous = True
    title = "Go step by step"

    def get_task(self) -> Any:
        return asked_tasks.step

    def get_task_arguments(self, form: forms.Form) -> Any:
        return form.cleaned_data["folder"], form.cleaned_data["steps"]


@require_POST
def by_function(request: HttpRequest) -> HttpResponse:
    return submit(
        request,
        asked_tasks.say,
        request.POST.get("text", "x"),
        address=request.POST.get("email", ""),
    )


@require_POST
def by_title(request: HttpRequest) -> HttpResponse:
    return submit(request, asked_tasks.say, "hello", title=request.POST.get("title", ""))


class FailView(JobFormView):
    form_class = forms.Form
    template_name = "ask.html"
    title = "What fails"
    task = asked_tasks.break_down

    def get_task_arguments(self, form: forms.Form) -> Any:
        return ["a secret"]


class GradeView(FailView):
    title = "Grade the class"
    task = asked_tasks.grade

    def get_task_arguments(self, form: forms.Form) -> Any:
        return {"total": 100, "failures": ["Bea: there is no file", "Cy: the file is empty"]}


class ExportView(FailView):
    title = "Export the marks"
    task = asked_tasks.export

    def get_task_arguments(self, form: forms.Form) -> Any:
        return "marks-of-the-whole-school-in-the-spring-of-2026.csv", "Ada;1"


urlpatterns = [
    path("fail/", FailView.as_view(), name="fail"),
    path("grade/", GradeView.as_view(), name="grade"),
    path("export/", ExportView.as_view(), name="export"),
    path("say/", SayView.as_view(), name="say"),
    path("anonymous/", AnonymousView.as_view(), name="anonymous"),
    path("step/", StepView.as_view(), name="step"),
    path("function/", by_function, name="function"),
    path("title/", by_title, name="title"),
]
