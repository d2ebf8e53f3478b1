"""The Django app of requests, which settles them when their jobs end."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RequestsConfig(AppConfig):
    """Connect what settles requests to the ledger's signals, and register the checks."""

    name = "django_jobqueue.requests"
    label = "django_jobqueue_requests"
    verbose_name = _("Job requests")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django_jobqueue.requests import checks, settling  # noqa: F401 - registers them

        settling.connect()
