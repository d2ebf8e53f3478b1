"""What stands in the database: the schedules that people made or changed.

Knows neither Redis nor tasks. Next: schedules/stored.py joins the rows with what the code declares.
"""

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class CatchUp(models.TextChoices):
    """What becomes of the nominal times that nobody fired in time."""

    SKIP = "skip", _("none: leave them out")
    LAST = "last", _("the last one")
    ALL = "all", _("all, up to a number")


class Overlap(models.TextChoices):
    """Whether to fire while the job of the fire before is not final yet."""

    ALLOW = "allow", _("fire all the same")
    SKIP = "skip", _("leave this time out")


class Schedule(models.Model):
    """One schedule of the database, or what people decided about one of the code."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    # True: the code says what it is, and this row only whether it is enabled.
    from_code = models.BooleanField(_("as in the code"), default=False)
    # True: it stood in the code when this row took over; it fires nothing without the code.
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
    # Nominal times before it are never fired. Null: it was enabled from the beginning.
    enabled_since = models.DateTimeField(null=True, blank=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar["models.Manager[Schedule]"] = models.Manager()
    sight: Any  # what the admin knows of it: see admin/schedule_row.py
    _was_enabled = False  # in the database; a new row was not

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
        """Store the row, and since when it is enabled: what was due before that is not fired."""
        if self.enabled and not self._was_enabled:
            self.enabled_since = timezone.now()
            if kwargs.get("update_fields") is not None:
                kwargs["update_fields"] = {*kwargs["update_fields"], "enabled_since"}
        super().save(*args, **kwargs)
        self._was_enabled = self.enabled

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> Self:
        row = super().from_db(*args, **kwargs)
        row._was_enabled = bool(row.__dict__.get("enabled", True))  # absent: deferred
        return row

    def follow_code(self, task: str) -> None:
        """Give up what the row says of the schedule: it is again as in the code."""
        blank = Schedule(name=self.name, from_code=True, alias=self.alias, task=task)
        for name in DEFINITION:
            setattr(self, name, getattr(blank, name))


# The fields that say what a schedule is; the others say whether it is fired, and who says so.
DEFINITION = (
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
