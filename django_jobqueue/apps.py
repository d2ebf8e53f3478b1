"""The Django app, which loads the system checks and the tasks of all installed apps."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class JobQueueConfig(AppConfig):
    """Register the checks, import each app's `tasks` module, and add schedules at `migrate`."""

    name = "django_jobqueue"
    verbose_name = _("Job queue")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django_jobqueue import checks, conf
        from django_jobqueue.schedules import stored

        for alias in checks.aliases():
            conf.hide_password(alias)
        autodiscover_modules("tasks")
        post_migrate.connect(stored.enter_after_migrate, sender=self)
