"""The form of a task's own: its clean data are the arguments, unless it says otherwise."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.forms import BaseForm, Media
from django.forms.boundfield import BoundField
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString

from django_jobqueue.admin.run.form import OptionsForm
from django_jobqueue.admin.run.former import Former


def form_of(task: Any) -> type[BaseForm]:
    """Return the form class of a task that has one of its own.

    Raises: ImproperlyConfigured.
    """
    form = task.form
    if isinstance(form, str):
        try:
            form = import_string(form)
        except ImportError as error:
            raise ImproperlyConfigured(
                f"{task.module_path}: form={task.form!r}: {error}"
            ) from error
    if isinstance(form, type) and issubclass(form, BaseForm):
        return form
    raise ImproperlyConfigured(f"{task.module_path}: form={task.form!r} is no form class.")


class OwnForm:
    """A form of the task's own, with the options of a new job beside it; used as one form."""

    def __init__(self, task: Any, former: Former, *given: Any) -> None:
        """Take the arguments of an earlier job as what stands in the fields first.

        Raises: ImproperlyConfigured.
        """
        shown = {name: one for name, one in former.old.items() if name not in former.hidden}
        make: Any = form_of(task)
        self._own: BaseForm = make(*given, initial=shown)
        self._options = OptionsForm(*given)
        self.is_bound = bool(given)

    def __iter__(self) -> Iterator[BoundField]:
        yield from self._own
        yield from self._options

    @property
    def media(self) -> Media:
        return self._own.media + self._options.media

    @property
    def errors(self) -> bool:
        return bool(self._own.errors or self._options.errors)

    def non_field_errors(self) -> SafeString | str:
        return str(self._own.non_field_errors())

    def is_valid(self) -> bool:
        return self._own.is_valid() and self._options.is_valid()

    def add_error(self, field: None, error: str) -> None:
        self._own.add_error(field, error)

    def options(self) -> dict[str, Any]:
        return self._options.options()

    def call(self) -> tuple[Any, Any]:
        """Return the arguments: what `get_task_arguments` of the form says, or its clean data."""
        own: Any = self._own
        ask = getattr(own, "get_task_arguments", None)
        found = own.cleaned_data if ask is None else ask()
        return ((), found) if isinstance(found, Mapping) else (found, {})
