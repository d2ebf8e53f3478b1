from django.apps import AppConfig


class DemoConfig(AppConfig):
    """The demo's look, its first data, and the command that starts everything."""

    name = "demo"
