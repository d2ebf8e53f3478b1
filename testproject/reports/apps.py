from django.apps import AppConfig


class ReportsConfig(AppConfig):
    """Export a report that takes a while, as a file to download."""

    name = "reports"
