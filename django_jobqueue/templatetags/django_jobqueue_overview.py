"""The tag of the app's front page: `{% job_overview %}`."""

from django_jobqueue.admin.overview.view import register

__all__ = ["register"]
