from django.apps import AppConfig


class DemoConfig(AppConfig):
    """The demo's frame: its look, its first data, and the command that brings it all up."""

    name = "demo"
