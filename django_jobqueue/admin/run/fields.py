"""The form fields of a task's arguments, by the annotations of its function.

A job's arguments are JSON: a date is sent in ISO 8601, a Decimal as its digits, a row by its key.
"""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from inspect import Parameter
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from django import forms
from django.contrib.admin import AdminSite
from django.contrib.admin.widgets import ForeignKeyRawIdWidget
from django.db.models import ManyToOneRel, Model
from django.utils.translation import gettext as _

_END_OF_LINE = re.compile(r"\r\n?|\n")
MISSING = object()  # the value of an argument that is left out
ROWS = 4  # of a text area
NO_CHOICE = ("", "---------")

Send = Callable[[Any], Any]  # makes JSON of a clean value


class KeyWidget(ForeignKeyRawIdWidget):
    """The key of a row, and a link to look it up; the user may not be allowed to see its name."""

    def label_and_url_for_value(self, value: Any) -> tuple[str, str]:
        return "", ""


class TextField(forms.CharField):
    """A text of one line; an old one that had several keeps them, and what ended them."""

    def __init__(self, *, required: bool) -> None:
        widget = forms.TextInput({"class": "vTextField"})
        super().__init__(required=required, strip=False, empty_value="", widget=widget)

    def prepare(self, old: Any) -> None:
        """Make the field fit for what a job was called with."""
        if old is None:
            self.empty_value = None
        if _END_OF_LINE.search(str(self.initial or "")):
            self.widget = forms.Textarea({"rows": ROWS, "class": "vLargeTextField"})

    def clean(self, value: Any) -> Any:
        """Return the text without the carriage returns that a browser has added."""
        if not (text := super().clean(value)):
            return text
        text = _lines(text)
        return self.initial if text == _lines(str(self.initial or "")) else text


class Argument(NamedTuple):
    """One parameter: its field, and how its value is sent."""

    parameter: Parameter
    field: forms.Field
    send: Send


def arguments_of(function: Any, parameters: list[Parameter], site: AdminSite) -> list[Argument]:
    """Return the arguments of a function that callers give."""
    hints: dict[str, Any] = {}
    with suppress(Exception):  # an annotation may name what is not there at runtime
        hints = get_type_hints(function)
    return [_argument(one, hints.get(one.name, one.annotation), site) for one in parameters]


def _argument(parameter: Parameter, hint: Any, site: AdminSite) -> Argument:
    if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
        is_list = parameter.kind is Parameter.VAR_POSITIONAL
        empty = "[]" if is_list else "{}"
        text = _("More arguments, as JSON, such as %(empty)s.") % {"empty": empty}
        field: forms.Field = _json(required=False, help_text=text)
        return Argument(parameter, _labelled(field, parameter.name), _same)
    kind, may_be_none = _without_none(hint)
    default = parameter.default
    may_be_none = may_be_none or default is None
    required = not may_be_none and default is Parameter.empty
    field, send = _field(kind, required, site)
    if default is not None and _is_json(default):
        field.initial = _initial(field, default)
    return Argument(parameter, _labelled(field, parameter.name), _or_nothing(send, may_be_none))


def _field(kind: Any, required: bool, site: AdminSite) -> tuple[forms.Field, Send]:
    """Return the field of a type, and how its value is sent; of an unknown type that of JSON."""
    if kind is bool:
        return forms.BooleanField(required=False), _same
    if isinstance(kind, type) and kind in _SIMPLE:
        make, send = _SIMPLE[kind]
        return make(required=required and kind is not str), send
    if get_origin(kind) is Literal:
        return _choice([(value, str(value)) for value in get_args(kind)], required), _same
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _choice([(one.value, one.name) for one in kind], required), _same
    if isinstance(kind, type) and issubclass(kind, Model):
        return _row(kind, required, site), lambda row: row.pk
    return _json(required=required, help_text=_("As JSON.")), _same


def _choice(values: list[tuple[Any, str]], required: bool) -> forms.Field:
    choices = [(json.dumps(value, default=str), text) for value, text in values]
    if not required:
        choices.insert(0, NO_CHOICE)
    return forms.TypedChoiceField(
        choices=choices, coerce=json.loads, empty_value=None, required=required
    )


def _row(model: type[Model], required: bool, site: AdminSite) -> forms.Field:
    """Return the field of a row, which is chosen by its key."""
    rows: Any = model._default_manager
    relation: Any = ManyToOneRel(None, model, model._meta.pk.name)  # type: ignore[arg-type]
    widget = KeyWidget(relation, site)
    return forms.ModelChoiceField(rows.all(), required=required, widget=widget)


def _json(*, required: bool, help_text: str) -> forms.Field:
    area = forms.Textarea({"rows": ROWS, "class": "vLargeTextField"})
    return forms.JSONField(required=required, help_text=help_text, widget=area)


def _labelled(field: forms.Field, name: str) -> forms.Field:
    field.label = name
    return field


def _without_none(hint: Any) -> tuple[Any, bool]:
    """Return a type without None, and whether it allows None."""
    if get_origin(hint) not in (Union, UnionType):
        return hint, False
    kinds = [one for one in get_args(hint) if one is not NoneType]
    return (kinds[0] if len(kinds) == 1 else Any), len(kinds) < len(get_args(hint))


def _is_json(value: Any) -> bool:
    if value is Parameter.empty:
        return False
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return isinstance(value, date | time | Decimal | Enum)
    return True


def _initial(field: forms.Field, value: Any) -> Any:
    """Return what a field shows for a value."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(field, forms.TypedChoiceField):
        return json.dumps(value, default=str)
    if isinstance(field, forms.JSONField):
        return value
    return value.isoformat() if isinstance(value, date | time) else value


def shown(field: forms.Field, value: Any) -> Any:
    """Return the initial value of a field for an argument that a job was called with."""
    return None if value is None else _initial(field, value)


def as_json(default: Any) -> Any:
    """Return a default as it stands in a job's arguments."""
    if isinstance(default, Enum):
        default = default.value
    return json.loads(json.dumps(default, default=_text))


def _text(value: Any) -> str:
    return _iso(value) if isinstance(value, date | time) else str(value)


def hide(field: forms.Field) -> None:
    """Let the field show nothing of a secret, and ask for nothing."""
    field.required, field.initial = False, None
    field.help_text = _("A secret: leave it empty to keep it.")
    if isinstance(field, forms.TypedChoiceField):
        choices: list[Any] = list(field.widget.choices)
        field.choices = [NO_CHOICE, *(one for one in choices if one != NO_CHOICE)]


def _or_nothing(send: Send, may_be_none: bool) -> Send:
    """Return how a value is sent that may be empty: as None, or not at all."""

    def send_any(value: Any) -> Any:
        if value is None:
            return None if may_be_none else MISSING
        return send(value)

    return send_any


def _lines(text: str) -> str:
    return _END_OF_LINE.sub("\n", text)


def _same(value: Any) -> Any:
    return value


def _iso(value: Any) -> str:
    text: str = value.isoformat()
    return text


def _input(kind: str, **attributes: str) -> dict[str, str]:
    return {"type": kind, **attributes}


_SIMPLE: dict[type, tuple[Callable[..., forms.Field], Send]] = {
    str: (lambda required: TextField(required=required), _same),
    int: (lambda required: forms.IntegerField(required=required), _same),
    float: (lambda required: forms.FloatField(required=required), _same),
    Decimal: (lambda required: forms.DecimalField(required=required), str),
    date: (
        lambda required: forms.DateField(
            required=required, widget=forms.DateInput(_input("date"), format="%Y-%m-%d")
        ),
        _iso,
    ),
    datetime: (
        lambda required: forms.DateTimeField(
            required=required,
            widget=forms.DateTimeInput(
                _input("datetime-local", step="1"), format="%Y-%m-%dT%H:%M:%S"
            ),
        ),
        _iso,
    ),
    time: (
        lambda required: forms.TimeField(
            required=required, widget=forms.TimeInput(_input("time", step="1"), format="%H:%M:%S")
        ),
        _iso,
    ),
}
