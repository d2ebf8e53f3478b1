from django.contrib import admin

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
    list_display = ["pk", "student", "assignment", "state", "mark", "submitted_at", "mailed_at"]
    list_filter = ["state", "assignment"]
    search_fields = ["filename", "student__username"]
    raw_id_fields = ["student"]
