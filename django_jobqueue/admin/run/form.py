"""The form of a task's call: its arguments and, for a new job, queue, priority and time."""

from collections.abc import Mapping
from inspect import Parameter
from typing import Any

from django import forms
from django.contrib.admin import AdminSite
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.admin.run.fields import (
    MISSING,
    Argument,
    TextField,
    arguments_of,
    as_json,
    hide,
    shown,
)
from django_jobqueue.jobs.redaction import Redactor
from django_jobqueue.jobs.signature import signature_of

PREFIX = "arg_"  # of the names of arguments among the fields


class CallForm(forms.Form):
    """The arguments of one task, and what they were if there is a job already."""

    required_css_class = "required"

    def __init__(
        self,
        task: Any,
        site: AdminSite,
        redactor: Redactor,
        *given: Any,
        old: Mapping[str, Any] | None = None,
        hidden: Mapping[str, Any] | None = None,
    ) -> None:
        """`old` are the arguments of a job by name; of `hidden` ones the value is not shown."""
        super().__init__(*given)
        self.old, self._hidden = dict(old or {}), dict(hidden or {})
        parameters = list(signature_of(task.func, task.takes_context).parameters.values())
        self._arguments = arguments_of(task.func, parameters, site)
        for one in self._arguments:
            self.fields[PREFIX + one.parameter.name] = self._shown(one, redactor)
        self.order_fields([name for name in self.fields if name.startswith(PREFIX)])

    def _shown(self, one: Argument, redactor: Redactor) -> forms.Field:
        """Return the field of an argument with what it was; a secret is not shown."""
        name, field = one.parameter.name, one.field
        is_password = redactor.hides(name) and isinstance(field, forms.CharField)
        if is_password and name in self.old:  # such a field never shows what it had
            self._hidden.setdefault(name, self.old[name])
        if name in self.old and name not in self._hidden:
            field.initial = shown(field, self.old[name])
        if isinstance(field, TextField):
            field.prepare(self.old.get(name, ""))
        if name in self._hidden:
            hide(field)
        if is_password:
            field.widget = forms.PasswordInput({"autocomplete": "off", "class": "vTextField"})
        return field

    def call(self) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments of the clean form."""
        values = self.values()
        more = next(iter(self._of(values, Parameter.VAR_POSITIONAL)), None) or []
        by_place: list[Any] = [Parameter.POSITIONAL_ONLY]
        by_place += [Parameter.POSITIONAL_OR_KEYWORD] if more else []
        args = [*self._of(values, *by_place), *more]
        named = {
            one.parameter.name: values[one.parameter.name]
            for one in self._arguments
            if one.parameter.name in values
            and one.parameter.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
            and one.parameter.kind not in by_place
        }
        rest = next(iter(self._of(values, Parameter.VAR_KEYWORD)), None) or {}
        return args, {**rest, **named}

    def values(self) -> dict[str, Any]:
        """Return the clean values by the names of the arguments, as they are sent."""
        found = {}
        for one in self._arguments:
            name = one.parameter.name
            value = self.cleaned_data.get(PREFIX + name)
            if name in self._hidden and value in (None, "", [], {}):
                found[name] = self._hidden[name]
            elif (sent := one.send(value)) is not MISSING:
                found[name] = sent
        return found

    def defaults(self) -> dict[str, Any]:
        """Return what stands for arguments that were not sent, as the form would send it."""
        found: dict[str, Any] = {}
        for one in self._arguments:
            name, default = one.parameter.name, one.parameter.default
            if one.parameter.kind is Parameter.VAR_POSITIONAL:
                found[name] = []
            elif one.parameter.kind is Parameter.VAR_KEYWORD:
                found[name] = {}
            elif default is not Parameter.empty:
                found[name] = as_json(default)
        return found

    @property
    def names(self) -> list[str]:
        return [one.parameter.name for one in self._arguments]

    def _of(self, values: Mapping[str, Any], *kinds: Any) -> list[Any]:
        return [
            values[one.parameter.name]
            for one in self._arguments
            if one.parameter.kind in kinds and one.parameter.name in values
        ]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for one in self._arguments:
            kind, name = one.parameter.kind, PREFIX + one.parameter.name
            value = data.get(name)
            if kind is Parameter.VAR_POSITIONAL and not isinstance(value, list | None):
                self.add_error(name, _("Give a JSON list, such as [1, 2]."))
            if kind is Parameter.VAR_KEYWORD and not isinstance(value, dict | None):
                self.add_error(name, _("Give a JSON object, such as {}."))
        return data


class OptionsForm(forms.Form):
    """Queue, priority and time of a new job."""

    option_queue = forms.CharField(
        label=gettext_lazy("Queue"),
        required=False,
        max_length=64,
        help_text=gettext_lazy("Empty: the task's own."),
        widget=forms.TextInput({"class": "vTextField"}),
    )
    option_priority = forms.IntegerField(
        label=gettext_lazy("Priority"),
        required=False,
        min_value=-100,
        max_value=100,
        help_text=gettext_lazy("−100 to 100, higher is first. Empty: the task's own."),
    )
    option_time = forms.DateTimeField(
        label=gettext_lazy("Not before"),
        required=False,
        help_text=gettext_lazy("In your time zone. Empty: at once."),
        widget=forms.DateTimeInput(
            {"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"
        ),
    )

    def options(self) -> dict[str, Any]:
        """Return what `using` takes."""
        data = self.cleaned_data
        found = {
            "queue_name": data["option_queue"] or None,
            "priority": data["option_priority"],
            "run_after": data["option_time"],
        }
        return {name: value for name, value in found.items() if value is not None}


class RunForm(OptionsForm, CallForm):
    """The form of a new job."""
