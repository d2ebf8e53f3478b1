"""The page on which a student hands in a file of answers."""

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils.functional import cached_property

from django_jobqueue.requests.views import JobFormView
from homework.forms import HandInForm
from homework.models import Assignment
from homework.tasks import grade_homework


class HandInView(JobFormView):
    """Show the questions of an assignment, and have a file of answers graded."""

    task = grade_homework
    form_class = HandInForm
    template_name = "homework/hand_in.html"

    @cached_property
    def assignment(self) -> Assignment:
        return get_object_or_404(Assignment, slug=self.kwargs["slug"])

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(assignment=self.assignment, **kwargs)

    def get_task_arguments(self, form: Any) -> tuple[int, str]:
        return self.assignment.pk, form.cleaned_data["file"]

    def get_title(self, form: Any) -> str:
        return f"Homework: {self.assignment}"
