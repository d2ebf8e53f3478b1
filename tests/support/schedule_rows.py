"""Schedules in the database."""

from typing import Any

from django_jobqueue.models import Schedule

ADD = "tests.project.tasks.add"


def row_of(name: str, **given: Any) -> Schedule:
    values = {"task": ADD, "args": [1, 2], "every_seconds": 60} | given
    return Schedule.objects.create(name=name, **values)
