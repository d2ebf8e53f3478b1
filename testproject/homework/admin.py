from django.contrib import admin
from django.utils.html import format_html

from homework.models import Assignment, Question, Submission


class QuestionInline(admin.TabularInline):
    model = Question
    extra = 0


@admin.register(Assignment)
class AssignmentAdmin(admin.ModelAdmin):
    list_display = ["title", "slug"]
    prepopulated_fields = {"slug": ["title"]}
    inlines = [QuestionInline]


@admin.register(Submission)
class SubmissionAdmin(admin.ModelAdmin):
    list_display = [
        "pk",
        "student",
        "assignment",
        "state",
        "mark",
        "submitted_at",
        "mailed_at",
        "job",
    ]
    list_filter = ["state", "assignment"]
    search_fields = ["filename", "student__username"]
    raw_id_fields = ["student"]
    readonly_fields = ["job"]

    @admin.display(description="job")
    def job(self, submission: Submission) -> str:
        """Link to the page of the job that grades it."""
        if not submission.job_id:
            return "-"
        return format_html('<a href="{}">{}</a>', submission.job_page, submission.job_id)
