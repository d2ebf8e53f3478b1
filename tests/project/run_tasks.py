"""Tasks that the admin may run, with all kinds of arguments."""

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal

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
def closed(name: str) -> None:
    """Run only by code."""
