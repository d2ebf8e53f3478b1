from django.apps import AppConfig


class InboxConfig(AppConfig):
    """Shows the mails that the demo sent: they go to files, not to anybody's post box."""

    name = "inbox"
