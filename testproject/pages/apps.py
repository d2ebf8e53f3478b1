from django.apps import AppConfig


class PagesConfig(AppConfig):
    """Run the smallest job: fetch a page and show whether it is all right."""

    name = "pages"
