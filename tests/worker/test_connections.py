"""Database connections between jobs, in the thread of a slot."""

from typing import Any

import pytest
from django.db import connection

from django_jobqueue.models import Schedule
from django_jobqueue.worker import connections


@pytest.mark.django_db(transaction=True)
def test_queries_of_a_job_are_forgotten(settings: Any) -> None:
    """With DEBUG, Django keeps each query until the end of a request, and a worker has none."""
    settings.DEBUG = True
    Schedule.objects.count()
    assert connection.queries
    connections.tidy()
    assert connection.queries == []
