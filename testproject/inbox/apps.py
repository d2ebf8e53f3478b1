from django.apps import AppConfig


class InboxConfig(AppConfig):
    """Show the demo's mails, which are written to files and reach no real mailbox."""

    name = "inbox"
