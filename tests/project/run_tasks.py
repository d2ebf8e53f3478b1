"""Tasks that the admin may run, with all kinds of arguments."""

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal

from django import forms
from django.contrib.auth.models import User

from django_jobqueue import task


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


@task(runnable=True)
def order(
    name: str,
    many: int,
    price: Decimal,
    size: Size,
    way: Literal["post", "van"] = "post",
    day: date | None = None,
    at: datetime | None = None,
    gift: bool = True,
    weight: float = 1.5,
    more: Any = None,
    password: str = "",
) -> None:
    """Take all that a form can give."""


@task(runnable=True)
def greet(user: User, *others: int, **words: str) -> None:
    """Take the key of a row, and more."""


@task(runnable="auth.delete_user")
def dismiss(user: int) -> None:
    """Take a permission of its own."""


@task
def plan(
    name: str,
    ids: tuple[int, ...] = (1, 2),
    day: date = date(2020, 1, 1),
    price: Decimal = Decimal("1.5"),
    size: Size = Size.SMALL,
    many: int = 1,
) -> None:
    """Have defaults of all kinds."""


@task
def closed(name: str) -> None:
    """Run only by code."""


@task
def invite(name: str | None, private: bool, token_kind: Literal["paper", "app"]) -> None:
    """Have arguments that are called like secrets."""


class BookingForm(forms.Form):
    """A form whose data are not the arguments."""

    day = forms.DateField(label="Which day")
    seats = forms.IntegerField(max_value=4)

    def get_task_arguments(self) -> dict[str, Any]:
        return {"day": self.cleaned_data["day"].isoformat(), "seats": self.cleaned_data["seats"]}


class ParcelForm(forms.Form):
    """A form whose data are the arguments."""

    name = forms.CharField(max_length=5)
    token = forms.CharField(required=False)


@task(runnable=True, form="tests.project.run_tasks.BookingForm")
def book(day: str, seats: int) -> None:
    """Take what a form of its own makes of its data."""


@task(runnable=True, form=ParcelForm)
def send(name: str, token: str) -> None:
    """Take the data of a form of its own."""


@task(runnable=True, form="tests.project.run_tasks.nowhere")
def lost(name: str) -> None:
    """Have a form that is not there."""
