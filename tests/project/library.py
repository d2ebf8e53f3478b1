"""A library that supports Django 5.2 and therefore uses the backport."""

from django_tasks import task


@task
def double(number: int) -> int:
    return 2 * number
