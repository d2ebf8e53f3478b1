"""The models: schedules and the ledger, which have tables; jobs, queues and workers have none.

The data of the models without a table is in Redis. Permissions, content types and the admin's log
need these models, and the admin fills their instances from the inspector, never by SQL.
Next: schedules/stored.py merges the schedules with those that the code declares.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from django_jobqueue.engine.queue_reader import QueueStats
from django_jobqueue.engine.workers import WorkerStats
from django_jobqueue.jobs import states
from django_jobqueue.jobs.job import Job as JobSnapshot
from django_jobqueue.jobs.text import one_line


class CatchUp(models.TextChoices):
    """The rule for nominal times that no scheduler fired in time: which of them to fire late."""

    SKIP = "skip", _("none: skip them")
    LAST = "last", _("the last one")
    ALL = "all", _("all, up to a number")


class Overlap(models.TextChoices):
    """The rule for firing while the job of the previous fire is not final yet."""

    ALLOW = "allow", _("fire anyway")
    SKIP = "skip", _("skip this time")


class Schedule(models.Model):
    """One schedule of the database, or the changes that users made to one of the code."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    # True: the code defines the schedule, and this row only enables or disables it.
    from_code = models.BooleanField(_("as in the code"), default=False)
    # True: this row overrides a schedule of the code, and fires nothing once the code drops it.
    overrides = models.BooleanField(default=False, editable=False)
    alias = models.CharField(_("alias"), max_length=100, default="default")
    task = models.CharField(_("task"), max_length=500, blank=True)
    args = models.JSONField(_("positional arguments"), default=list, blank=True)
    kwargs = models.JSONField(_("keyword arguments"), default=dict, blank=True)
    cron = models.CharField(_("cron"), max_length=200, blank=True)
    every_seconds = models.DecimalField(
        _("every so many seconds"), max_digits=13, decimal_places=3, null=True, blank=True
    )
    timezone = models.CharField(
        _("time zone"), max_length=100, blank=True
    )  # "": settings.TIME_ZONE
    queue = models.CharField(_("queue"), max_length=64, blank=True)  # "": the task's
    priority = models.SmallIntegerField(_("priority"), null=True, blank=True)  # null: the task's
    start = models.DateTimeField(_("start"), null=True, blank=True)
    end = models.DateTimeField(_("end"), null=True, blank=True)
    catch_up = models.CharField(_("catch up"), max_length=4, choices=CatchUp, default=CatchUp.SKIP)
    catch_up_max = models.PositiveIntegerField(_("catch up at most"), default=100)
    overlap = models.CharField(_("overlap"), max_length=5, choices=Overlap, default=Overlap.ALLOW)
    enabled = models.BooleanField(_("enabled"), default=True)
    # Tells one enabling from the next; the times of each begin when a scheduler first sees it, by
    # the clock of Redis. Null: it was enabled from the beginning.
    enabled_since = models.DateTimeField(null=True, blank=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar["models.Manager[Schedule]"] = models.Manager()
    _was_enabled = False  # as stored in the database; False for a new row

    class Meta:
        ordering = ("name",)
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        permissions = [("run_schedule", "Can run schedule now")]
        constraints = [
            models.CheckConstraint(
                name="django_jobqueue_schedule_times",
                condition=Q(from_code=True)
                | (Q(cron="") & Q(every_seconds__isnull=False))
                | (~Q(cron="") & Q(every_seconds__isnull=True)),
                violation_error_message=_("Give either cron or an interval."),
            ),
            models.CheckConstraint(
                name="django_jobqueue_schedule_span",
                condition=Q(start__isnull=True) | Q(end__isnull=True) | Q(start__lt=F("end")),
                violation_error_message=_("The start must be before the end."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store the row; if that enables it, set `enabled_since`, so that its times begin anew."""
        if self.enabled and not self._was_enabled:
            self.enabled_since = timezone.now()
            if kwargs.get("update_fields") is not None:
                kwargs["update_fields"] = {*kwargs["update_fields"], "enabled_since"}
        super().save(*args, **kwargs)
        self._was_enabled = self.enabled

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> Self:
        row = super().from_db(*args, **kwargs)
        row._was_enabled = bool(row.__dict__.get("enabled", True))  # absent if deferred
        return row

    def follow_code(self, task: str) -> None:
        """Reset the row's definition of the schedule, so that the code defines it again."""
        blank = Schedule(name=self.name, from_code=True, alias=self.alias, task=task)
        for name in SPEC_FIELDS:
            setattr(self, name, getattr(blank, name))


# The fields that define a schedule; the others decide whether it is fired.
SPEC_FIELDS = (
    "task",
    "args",
    "kwargs",
    "cron",
    "every_seconds",
    "timezone",
    "queue",
    "priority",
    "start",
    "end",
    "catch_up",
    "catch_up_max",
    "overlap",
)


class LedgerState(models.TextChoices):
    """The state of a row of the ledger: open, or how its job ended."""

    OPEN = states.OPEN, _("open")
    SUCCEEDED = "succeeded", _("succeeded")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")
    DUPLICATE = states.DUPLICATE, _("duplicate")


class Enqueued(models.Model):
    """One durable job in the ledger, written in the transaction of its enqueue.

    The row is open until the job is final, so that whatever Redis loses can be stored again. A
    requeue opens it for one more round. See ledger/.
    """

    job_id = models.UUIDField(primary_key=True)
    alias = models.CharField(max_length=100)
    record = models.TextField()  # what stores the job again, as JSON, with the signed payload
    created_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)  # null: Redis has not stored this round yet
    state = models.CharField(max_length=9, choices=LedgerState, default=LedgerState.OPEN)
    round = models.PositiveIntegerField(default=1)  # one more for each requeue
    fence = models.CharField(max_length=100, blank=True, default="")  # of the latest run
    result = models.TextField(null=True)  # noqa: DJ001 - the return value as JSON; null: None
    reason = models.CharField(max_length=100, blank=True, default="")
    finished_at = models.DateTimeField(null=True)

    objects: ClassVar["models.Manager[Enqueued]"] = models.Manager()

    class Meta:
        default_permissions = ()
        verbose_name = _("durable job")
        verbose_name_plural = _("durable jobs")
        indexes = [
            models.Index(
                name="djq_enqueued_relay",
                fields=["alias", "job_id"],
                condition=Q(accepted_at=None),
            ),
            models.Index(
                name="djq_enqueued_open", fields=["alias", "job_id"], condition=Q(state="open")
            ),
            models.Index(
                name="djq_enqueued_final",
                fields=["alias", "finished_at"],
                condition=~Q(state="open"),
            ),
        ]

    def __str__(self) -> str:
        return str(self.job_id)

    @property
    def is_final(self) -> bool:
        return self.state != LedgerState.OPEN


class NoRows(models.Manager[models.Model]):
    """Return no rows without any query, so that `dumpdata` and similar commands skip the model."""

    def get_queryset(self) -> models.QuerySet[models.Model]:
        return super().get_queryset().none()


class Job(models.Model):
    """One job, as the admin shows it."""

    id = models.CharField(_("ID"), primary_key=True, max_length=36)
    alias = models.CharField(_("alias"), max_length=100)
    task = models.CharField(_("task"), max_length=500)
    queue = models.CharField(pgettext_lazy("column", "queue"), max_length=64)
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
            ("run_job", "Can run tasks that allow it"),
            ("edit_job", "Can edit arguments, priority and queue of job"),
            ("view_payload", "Can see arguments and results"),
            ("view_sensitive", "Can see sensitive arguments and results"),
        ]
        verbose_name = _("job")
        verbose_name_plural = _("jobs")

    def __str__(self) -> str:
        return f"{one_line(self.task)} {self.id}"

    @classmethod
    def of(cls, alias: str, snapshot: JobSnapshot) -> Self:
        row = cls(
            id=snapshot.id,
            alias=alias,
            task=snapshot.task,
            queue=one_line(snapshot.queue),
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
        permissions = [
            ("pause_queue", "Can pause and resume queue"),
            ("empty_queue", "Can delete all jobs that wait in queue"),
        ]
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
    first_jobs: Sequence[JobSnapshot] = ()  # of those that it runs

    class Meta:
        managed = False
        base_manager_name = "objects"
        default_permissions = ("view",)
        permissions = [("manage_workers", "Can quiet and stop worker, and see its stacks")]
        verbose_name = _("worker")
        verbose_name_plural = _("workers")

    def __str__(self) -> str:
        return self.id

    @classmethod
    def of(cls, alias: str, stats: WorkerStats) -> Self:
        row = cls(id=stats.id, alias=alias, host=one_line(stats.host), pid=stats.pid)
        row.stats = stats
        return row
