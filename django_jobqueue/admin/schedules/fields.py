"""Form fields that Django lacks: an interval, a time zone, JSON of one type."""

import json
import re
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget, AdminTextInputWidget
from django.core.exceptions import ValidationError
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.admin.display import sendable

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # in JSON; PostgreSQL rejects it
SHOWN = 80  # characters of a text that an error quotes
UNITS = (
    (1, gettext_lazy("seconds")),
    (60, gettext_lazy("minutes")),
    (3_600, gettext_lazy("hours")),
    (86_400, gettext_lazy("days")),
    (604_800, gettext_lazy("weeks")),
)


class IntervalWidget(forms.MultiWidget):
    """The input of a number and its unit."""

    def __init__(self) -> None:
        number = forms.NumberInput(
            {
                "step": "any",
                "min": "0",
                "aria-label": gettext_lazy("number"),
                "class": "vIntegerField",
            }
        )
        unit = forms.Select({"aria-label": gettext_lazy("unit")}, choices=UNITS)
        super().__init__({"number": number, "unit": unit})

    def decompress(self, value: Decimal | None) -> list[Any]:
        """Return seconds as a number and its unit: the largest that gives a whole number."""
        if value is None:
            return [None, 60]
        size = max((size for size, _text in UNITS if not value % size), default=1)
        return [f"{value / size:f}".rstrip("0").rstrip(".") if value % 1 else value // size, size]


class IntervalField(forms.MultiValueField):
    """A number of seconds, entered as a number and a unit."""

    widget = IntervalWidget

    def __init__(self, **given: Any) -> None:
        fields = (forms.DecimalField(), forms.TypedChoiceField(choices=UNITS, coerce=int))
        super().__init__(fields, require_all_fields=False, **given)

    def clean(self, value: Any) -> Decimal | None:
        if not value or not value[0]:  # a unit alone is no interval
            return None
        found: Decimal | None = super().clean(value)
        return found

    def compress(self, data: list[Any]) -> Decimal | None:
        return Decimal(data[0]) * data[1] if len(data) == 2 and data[1] else None

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.clean(data) != initial)
        except ValidationError:
            return True


class ZoneInput(AdminTextInputWidget):
    """A text input for which the browser suggests the names of time zones."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        names = f"{(attrs or {}).get('id', name)}_names"
        options = format_html_join("", '<option value="{}">', ((zone,) for zone in _zones()))
        field = super().render(name, value, (attrs or {}) | {"list": names}, renderer)
        return format_html('{}<datalist id="{}">{}</datalist>', field, names, options)


class JsonField(forms.JSONField):
    """JSON of one type; the error for an invalid text quotes it."""

    def __init__(self, kind: type, example: str, **given: Any) -> None:
        super().__init__(widget=AdminTextareaWidget({"rows": 3}), required=False, **given)
        self._kind, self._example = kind, example

    def to_python(self, value: Any) -> Any:
        if value in self.empty_values:
            return self._kind()
        try:
            found = json.loads(value)
            _check_texts(found)
        except (ValueError, RecursionError) as error:
            reason = str(error)
        else:
            if isinstance(found, self._kind):
                return found
            reason = _("it is no list") if self._kind is list else _("it is no object")
        text = _("“%(text)s” can't be used: %(reason)s. Write JSON such as %(example)s.")
        values = {"text": _quoted(value), "reason": reason, "example": self._example}
        raise ValidationError(text % values)

    def bound_data(self, data: Any, initial: Any) -> Any:
        return data  # as entered

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, self._kind):
            return sendable(json.dumps(value, ensure_ascii=False)) if value else ""
        return value


def _check_texts(found: Any) -> None:
    """Raise ValueError if a JSON value has a text that not every database can store."""
    text = json.dumps(found, ensure_ascii=False)
    text.encode()  # fails for lone surrogates
    if _NUL.search(text):
        raise ValueError(_("a text in it has the character \\u0000"))


@cache
def _zones() -> list[str]:
    """Return the names of all time zones; cached, because it reads the file system."""
    return sorted(zone for zone in available_timezones() if zone != "localtime")


def _quoted(text: str) -> str:
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
