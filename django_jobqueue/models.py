"""What Django knows as models: the ledger, and jobs, queues and workers, which have no table.

The rows of these stand in Redis. Permissions, content types and the log of the admin hang on
the names; the admin fills the instances from the inspector. SQL is never asked for them.
"""

from typing import Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_jobqueue.engine.inspector import QueueStats, WorkerStats
from django_jobqueue.jobs.job import Job as JobSnapshot
from django_jobqueue.ledger import Schedule

__all__ = ["Job", "Queue", "Schedule", "Worker"]


class NoRows(models.Manager[models.Model]):
    """Find nothing, without asking the database, so that `dumpdata` and others pass by."""

    def get_queryset(self) -> models.QuerySet[models.Model]:
        return super().get_queryset().none()


class Job(models.Model):
    """One job, as the admin shows it."""

    id = models.CharField(_("ID"), primary_key=True, max_length=36)
    alias = models.CharField(_("alias"), max_length=100)
    task = models.CharField(_("task"), max_length=500)
    queue = models.CharField(_("queue"), max_length=64)
    state = models.CharField(_("state"), max_length=10)
    priority = models.SmallIntegerField(_("priority"))

    objects = NoRows()
    snapshot: JobSnapshot

    class Meta:
        managed = False
        base_manager_name = "objects"
        default_permissions = ("view", "delete")
        permissions = [
            ("requeue_job", "Can requeue job"),
            ("cancel_job", "Can cancel job"),
            ("view_payload", "Can see arguments and results"),
            ("view_sensitive", "Can see sensitive arguments and results"),
        ]
        verbose_name = _("job")
        verbose_name_plural = _("jobs")

    def __str__(self) -> str:
        return f"{self.task} {self.id}"

    @classmethod
    def of(cls, alias: str, snapshot: JobSnapshot) -> Self:
        row = cls(
            id=snapshot.id,
            alias=alias,
            task=snapshot.task,
            queue=snapshot.queue,
            state=snapshot.state,
            priority=snapshot.priority,
        )
        row.snapshot = snapshot
        return row


class Queue(models.Model):
    """One queue, as the admin shows it."""

    id = models.CharField(_("ID"), primary_key=True, max_length=165)  # name, or alias/name
    alias = models.CharField(_("alias"), max_length=100)
    name = models.CharField(_("queue"), max_length=64)
    paused = models.BooleanField(_("paused"))

    objects = NoRows()
    stats: QueueStats

    class Meta:
        managed = False
        base_manager_name = "objects"
        default_permissions = ("view",)
        permissions = [("pause_queue", "Can pause and resume queue")]
        verbose_name = _("queue")
        verbose_name_plural = _("queues")

    def __str__(self) -> str:
        return self.id

    @classmethod
    def of(cls, key: str, alias: str, stats: QueueStats) -> Self:
        row = cls(id=key, alias=alias, name=stats.name, paused=stats.paused)
        row.stats = stats
        return row


class Worker(models.Model):
    """One worker, as the admin shows it."""

    id = models.CharField(_("worker"), primary_key=True, max_length=200)
    alias = models.CharField(_("alias"), max_length=100)
    host = models.CharField(_("host"), max_length=255)
    pid = models.PositiveIntegerField(_("process ID"))

    objects = NoRows()
    stats: WorkerStats

    class Meta:
        managed = False
        base_manager_name = "objects"
        default_permissions = ("view",)
        verbose_name = _("worker")
        verbose_name_plural = _("workers")

    def __str__(self) -> str:
        return self.id

    @classmethod
    def of(cls, alias: str, stats: WorkerStats) -> Self:
        row = cls(id=stats.id, alias=alias, host=stats.host, pid=stats.pid)
        row.stats = stats
        return row
