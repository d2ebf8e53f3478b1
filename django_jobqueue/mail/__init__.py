"""Send e-mail by jobs: `QueuedEmailBackend` for all mails of a project."""

from django_jobqueue.mail.queued import QueuedEmailBackend

__all__ = ["QueuedEmailBackend"]
