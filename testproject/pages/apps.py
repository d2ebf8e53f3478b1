from django.apps import AppConfig


class PagesConfig(AppConfig):
    """The smallest job: fetch a page and say whether it is all right."""

    name = "pages"
