"""The form of a schedule, which checks input with the same rules as schedules in code."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.timezone import get_current_timezone_name
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.admin.schedules.fields import IntervalField, JsonField, ZoneInput
from django_jobqueue.admin.source import aliases
from django_jobqueue.models import SPEC_FIELDS, Schedule
from django_jobqueue.paths import registered
from django_jobqueue.schedules.cron import Cron, Every, default_zone
from django_jobqueue.schedules.spec import ScheduleSpec, check_name, declared
from django_jobqueue.schedules.stored import UNFIT, check_stored_call, registered_task, timetable_of
from django_jobqueue.schedules.timetable import MOST, Timetable

PRIORITIES = range(-100, 101)
YEARS = range(1900, 9001)
TIMES = ("cron", "every_seconds", "timezone", "start", "end", "catch_up", "catch_up_max")

T = TypeVar("T")

if TYPE_CHECKING:
    _Form = forms.ModelForm[Schedule]  # only its stubs accept a type in brackets
else:
    _Form = forms.ModelForm


class ScheduleForm(_Form):
    """Add or change a schedule, or preview its next fires."""

    task = forms.ChoiceField(label=gettext_lazy("Task"))
    args = JsonField(
        list,
        '[5, "mail"]',
        label=gettext_lazy("Positional arguments"),
        help_text=gettext_lazy("A list in JSON. Empty: none."),
    )
    kwargs = JsonField(
        dict,
        '{"limit": 5}',
        label=gettext_lazy("Keyword arguments"),
        help_text=gettext_lazy("An object in JSON. Empty: none."),
    )
    every_seconds = IntervalField(
        label=gettext_lazy("Every"),
        required=False,
        help_text=gettext_lazy(
            "On a fixed grid through the start, or through 1970-01-01 0:00 UTC: every 10 minutes "
            "is :00, :10, :20 …"
        ),
    )
    timezone = forms.CharField(label=gettext_lazy("Time zone"), required=False, widget=ZoneInput)

    class Meta:
        model = Schedule
        fields = ("name", "from_code", "alias", *SPEC_FIELDS, "enabled")
        help_texts: ClassVar = {
            "from_code": gettext_lazy("Untick to define it here, tick to go back to the code."),
            "queue": gettext_lazy("Empty: the task's own."),
            "priority": gettext_lazy("−100 to 100, higher is first. Empty: the task's own."),
            "cron": gettext_lazy(
                "Minute, hour, day of the month, month, day of the week; or @daily and the like."
            ),
            "catch_up": gettext_lazy("Which of the times to fire that nobody fired for a minute."),
            "catch_up_max": gettext_lazy("So many of “all”, the newest."),
            "overlap": gettext_lazy("If the job of the time before is not final yet."),
        }

    timetable: Timetable | None = None  # of the form's data, if they are valid
    is_preview = False  # True: nothing is stored

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        row = self.instance
        self.is_preview = "_preview" in self.data
        if row._state.adding:
            row.alias = next(iter(aliases()), row.alias)
        if row.from_code and (entry := declared().get(row.name)):
            self.initial.update(fields_of(entry))
        if "start" in self.fields:  # the user may edit
            self.fields["task"].choices = list(_tasks(self.initial.get("task", "")))  # type: ignore[attr-defined]
            zone = _("Of cron. Empty: %(zone)s.") % {"zone": default_zone()}
            self.fields["timezone"].help_text = zone
            yours = _("In your time zone: %(zone)s.") % {"zone": get_current_timezone_name()}
            for name in ("start", "end"):
                self.fields[name].help_text = yours
                _name_parts(self.fields[name])
        if "alias" in self.fields:
            names = dict.fromkeys([*aliases(), row.alias])
            self.fields["alias"] = forms.ChoiceField(
                label=gettext_lazy("Alias"), choices=[(name, name) for name in names]
            )

    def is_valid(self) -> bool:
        """Return whether to store the schedule: never for a preview."""
        return super().is_valid() and not self.is_preview

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        try:
            check_name(name)
        except ValueError as error:
            raise ValidationError(str(error)) from error
        if name in declared():
            text = _("“%(name)s” stands in the code: choose another name, or override that one.")
            raise ValidationError(text % {"name": name})
        return name

    def clean_priority(self) -> int | None:
        priority: int | None = self.cleaned_data["priority"]
        if priority is not None and priority not in PRIORITIES:
            text = _("%(priority)d is no priority: use −100 to 100, higher is first.")
            raise ValidationError(text % {"priority": priority})
        return priority

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        self._check_years(data)
        if data.get("from_code"):
            self._as_in_the_code()
        else:
            self._check_call(data)
            self._check_times(data)
        return data

    def _as_in_the_code(self) -> None:
        """Refuse changes that would have no effect while the row follows the code."""
        text = _("It is as in the code: to define it here, untick “as in the code”.")
        for name in SPEC_FIELDS:
            if name in self.changed_data and name not in self.errors:
                self.add_error(name, text)
        if entry := declared().get(self.instance.name):
            self.timetable = entry.timetable

    def _check_call(self, data: dict[str, Any]) -> None:
        path, queue, priority = data.get("task", ""), data.get("queue"), data.get("priority")
        alias = str(data.get("alias") or self.instance.alias)
        task = self._check("task", lambda: registered_task(path).using(backend=alias))
        if task is None:
            return
        self._check("queue", lambda: task.using(queue_name=queue or None))
        self._check("priority", lambda: task.using(priority=priority))
        if not {"args", "kwargs"} & self.errors.keys():
            args, kwargs = data["args"], data["kwargs"]
            field = "kwargs" if kwargs and not args else "args"
            self._check(field, lambda: check_stored_call(task, args, kwargs))

    def _check_times(self, data: dict[str, Any]) -> None:
        cron, every, zone = data.get("cron"), data.get("every_seconds"), data.get("timezone")
        if {"cron", "every_seconds"} & self.errors.keys():
            return
        if bool(cron) is (every is not None):
            text = (
                _("Give either cron or an interval, not both.")
                if cron
                else _("Say when: give cron, such as “0 3 * * *”, or an interval.")
            )
            self.add_error("cron", text)
            return
        if cron:
            self._check("cron", lambda: Cron(cron, "UTC"))
            self._check("timezone", lambda: Cron("@daily", zone or default_zone()))
        elif every is not None:
            self._check("every_seconds", lambda: Every(float(every)))
        if not self.errors.keys() & {"cron", "timezone", "every_seconds", "start", "end"}:
            self._check_timetable(data)

    def _check_timetable(self, data: dict[str, Any]) -> None:
        row = Schedule(**{name: data[name] for name in TIMES if name in data})
        field = "end" if row.start and row.end and row.start >= row.end else "timezone"
        if row.catch_up_max not in range(1, MOST + 1):
            field = "catch_up_max"
        self.timetable = self._check(field, lambda: timetable_of(row))

    def _check_years(self, data: dict[str, Any]) -> None:
        """Refuse times that some time zone or database can't represent."""
        for name in ("start", "end"):
            if (moment := data.get(name)) and moment.year not in YEARS:
                text = _("“%(time)s”: give a year from %(first)d to %(last)d, or leave it empty.")
                time = moment.replace(tzinfo=None).isoformat(sep=" ")
                values = {"time": time, "first": YEARS[0], "last": YEARS[-1]}
                self.add_error(name, text % values)

    def _check(self, field: str, make: Callable[[], T]) -> T | None:
        """Return the value of `make`; if it raises, add its error to a field and return None.

        A field that already has an error is not checked again.
        """
        try:
            return None if field in self.errors else make()
        except (ValueError, *UNFIT) as error:
            self.add_error(field, str(error))
            return None


def fields_of(entry: ScheduleSpec) -> dict[str, Any]:
    """Return the form's initial values for a schedule in the code."""
    times, table = entry.timetable.times, entry.timetable
    task = registered().get(entry.task.module_path, entry.task)
    cron = times if isinstance(times, Cron) else None
    return {
        "task": entry.task.module_path,
        "args": entry.args,
        "kwargs": entry.kwargs,
        "cron": cron.text if cron else "",
        "every_seconds": Decimal(str(times.seconds)) if isinstance(times, Every) else None,
        "timezone": cron.timezone if cron else "",
        "queue": "" if entry.task.queue_name == task.queue_name else entry.task.queue_name,
        "priority": None if entry.task.priority == task.priority else entry.task.priority,
        "start": table.start,
        "end": table.end,
        "catch_up": table.catch_up,
        "catch_up_max": table.catch_up_max,
        "overlap": entry.overlap,
    }


def _name_parts(field: Any) -> None:
    """Label the date and time inputs for screen readers, as the admin's widget does not."""
    for part, text in zip(field.widget.widgets, (_("date"), _("time")), strict=True):
        part.attrs["aria-label"] = f"{field.label}: {text}"


def _tasks(present: str) -> Iterator[tuple[str, Any]]:
    """Yield the known tasks as choices by package; add `present` if it is not known."""
    yield "", "---------"
    groups: dict[str, list[tuple[str, str]]] = {}
    for path in registered():
        package = path.rsplit(".", 2)[0]
        groups.setdefault(package, []).append((path, path))
    yield from groups.items()
    if present and present not in registered():
        yield _("not in the code"), [(present, present)]
