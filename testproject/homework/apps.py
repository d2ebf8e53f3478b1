from django.apps import AppConfig


class HomeworkConfig(AppConfig):
    """Students hand in homework; a worker grades it and mails the mark."""

    name = "homework"
