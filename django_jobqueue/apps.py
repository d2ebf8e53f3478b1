"""The Django app: its system checks, and the tasks of all installed apps."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class JobQueueConfig(AppConfig):
    """Register the checks, and import the module `tasks` of each app."""

    name = "django_jobqueue"
    verbose_name = _("Job queue")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django_jobqueue import checks  # noqa: F401 - registers them

        autodiscover_modules("tasks")
