"""The model of requests: who asked for what, how it stands, and who was told.

Next: settling.py ends a request with its job.
"""

import secrets
from datetime import datetime
from pathlib import PurePosixPath
from typing import ClassVar
from urllib.parse import urljoin

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import get_script_prefix
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_jobqueue.requests import links


class RequestState(models.TextChoices):
    """The state of a request: open, or how it ended."""

    OPEN = "open", _("in progress")
    SUCCEEDED = "succeeded", _("done")
    PARTLY = "partly", _("partly done")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


class MailState(models.TextChoices):
    """What became of the mail about the end of a request."""

    NONE = "none", _("none")
    QUEUED = "queued", _("waits to be sent")
    SENT = "sent", _("sent")
    SKIPPED = "skipped", _("not sent on purpose")
    FAILED = "failed", _("could not be sent")


LONGEST_TITLE = 200
LONGEST_BASE_URL = 300


def new_public_id() -> str:
    """Return 22 random characters of 128 bits: nobody can guess the address of a request."""
    return secrets.token_urlsafe(16)


class JobRequest(models.Model):
    """One thing that a person has asked for. Its job does it; several requests may share a job."""

    public_id = models.CharField(
        _("public ID"), max_length=32, unique=True, default=new_public_id, editable=False
    )
    # Without an owner, an anonymous person asked; a deleted user leaves no owner, address or IP.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="job_requests",
        db_index=False,  # an index below begins with it
    )
    address = models.EmailField(_("e-mail address"), blank=True)
    ip = models.GenericIPAddressField(_("IP address"), null=True, blank=True)
    task = models.CharField(_("task"), max_length=500)
    title = models.CharField(_("title"), max_length=LONGEST_TITLE)
    alias = models.CharField(_("alias"), max_length=100)
    queue = models.CharField(_("queue"), max_length=64)
    job_id = models.UUIDField(_("job"), null=True, db_index=True)
    state = models.CharField(
        _("state"), max_length=9, choices=RequestState, default=RequestState.OPEN
    )
    withdrawn = models.BooleanField(default=False)  # cancelled, while others wait for the job
    created_at = models.DateTimeField(_("asked for"), default=timezone.now)
    # When who asked has tried it again, the last time.
    tried_at = models.DateTimeField(_("tried again"), null=True, blank=True)
    # Since when it is open again, whoever has run its job again: from here its time counts.
    reopened_at = models.DateTimeField(_("opened again"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    seen_at = models.DateTimeField(_("result seen"), null=True, blank=True)  # by who asked
    expected = models.FloatField(null=True, blank=True)  # seconds that such requests take
    language = models.CharField(_("language"), max_length=20, blank=True)
    zone = models.CharField(_("time zone"), max_length=100, blank=True)
    base_url = models.CharField(
        max_length=LONGEST_BASE_URL, blank=True
    )  # of the site, with its path
    notify = models.BooleanField(_("send a mail"), default=True)
    notified_at = models.DateTimeField(_("mail sent"), null=True, blank=True)
    mail_state = models.CharField(
        _("mail"), max_length=7, choices=MailState, default=MailState.NONE
    )
    mail_job_id = models.UUIDField(_("mail's job"), null=True, blank=True, db_index=True)
    mail_note = models.CharField(_("about the mail"), max_length=500, blank=True)
    result_text = models.TextField(_("result"), blank=True)
    result_url = models.CharField(_("address of the result"), max_length=2000, blank=True)
    file = models.FileField(_("file"), max_length=500, blank=True)  # the task has stored it
    file_expires_at = models.DateTimeField(_("file is kept until"), null=True, blank=True)
    failures = models.JSONField(_("what failed"), default=list, blank=True)  # texts
    error_text = models.TextField(_("error"), blank=True)  # fit for who asked

    key = ""  # of the link by which a person came; new links bear it, so that it expires
    is_own = False  # whether who looks at it has asked for it
    is_let = False  # whether who looks at it may only because the project says so (MAY_SEE)

    objects: ClassVar["models.Manager[JobRequest]"] = models.Manager()

    class Meta:
        verbose_name = _("job request")
        verbose_name_plural = _("job requests")
        default_permissions = ("view", "delete")
        permissions = [
            ("cancel_jobrequest", "Can cancel job request"),
            ("retry_jobrequest", "Can retry job request"),
            ("resend_jobrequest", "Can send the mail of a job request again"),
        ]
        indexes = [
            models.Index(name="djq_request_owner", fields=["owner", "-created_at"]),
            models.Index(
                name="djq_request_unseen", fields=["owner"], condition=Q(seen_at__isnull=True)
            ),
            models.Index(
                name="djq_request_ip",
                fields=["ip", "created_at"],
                condition=Q(owner__isnull=True),
            ),
            models.Index(
                name="djq_request_address",
                fields=["address", "created_at"],
                condition=Q(owner__isnull=True),
            ),
            models.Index(name="djq_request_task", fields=["task", "finished_at"]),
            models.Index(name="djq_request_finished", fields=["finished_at"]),
            models.Index(
                name="djq_request_unsent",
                fields=["mail_state"],
                condition=Q(mail_state__in=("queued", "failed")),
            ),
            models.Index(name="djq_request_file", fields=["file"], condition=~Q(file="")),
            models.Index(
                name="djq_request_files",
                fields=["file_expires_at"],
                condition=Q(file_expires_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        """Return the address of the page; for an anonymous request it opens it until it expires."""
        return links.address(self, "page")

    @property
    def is_final(self) -> bool:
        return self.state != RequestState.OPEN

    @property
    def can_retry(self) -> bool:
        """Return whether it ended in a way that another run may better."""
        return self.is_final and self.state != RequestState.SUCCEEDED

    @property
    def file_name(self) -> str:
        """Return the name of the file without its folder."""
        return PurePosixPath(self.file.name or "").name

    @property
    def has_file(self) -> bool:
        """Return whether the file can still be downloaded."""
        return bool(self.file) and not self.is_file_expired

    @property
    def is_file_expired(self) -> bool:
        return self.file_expires_at is not None and self.file_expires_at <= timezone.now()

    @property
    def recipient(self) -> str:
        """Return the address for mails: the owner's, or the one that an anonymous person gave."""
        if self.owner is None:
            return self.address
        field = self.owner.get_email_field_name()
        return str(getattr(self.owner, field, None) or "")

    @property
    def ended_after(self) -> float | None:
        """Return the seconds from the request to its end; after its job ran again, from that."""
        return (self.finished_at - self.begun_at).total_seconds() if self.finished_at else None

    @property
    def begun_at(self) -> datetime:
        """Return when it was asked for, or opened again; not by a retry that found it had ended."""
        if self.reopened_at is None or (self.finished_at and self.finished_at < self.reopened_at):
            return self.created_at
        return self.reopened_at

    def age(self, now: datetime | None = None) -> float:
        """Return the seconds since it was asked for, or opened again."""
        return max(0.0, ((now or timezone.now()) - self.begun_at).total_seconds())

    @property
    def cancel_url(self) -> str:
        return links.address(self, "cancel")

    @property
    def retry_url(self) -> str:
        return links.address(self, "retry")

    @property
    def download_url(self) -> str:
        return links.address(self, "download")

    @property
    def url(self) -> str:
        """Return the address of the page with the site's name, for mails."""
        path = self.get_absolute_url().removeprefix(get_script_prefix())
        return urljoin(self.base_url, path)
