from django.apps import AppConfig


class LibraryConfig(AppConfig):
    """A desk that scans chapters of books, for everybody who leaves an address."""

    name = "library"
