"""The tasks that export the report on all assignments, and count what people ask for."""

import csv
import io
import time

from django.conf import settings
from django.db.models import Count
from django.utils import timezone

from django_jobqueue import JobContext, schedule, task, track
from django_jobqueue.requests.models import JobRequest
from django_jobqueue.requests.outcome import Partial, save_file
from homework.grading import BrokenKey, judge
from homework.models import Assignment


@task(max_attempts=2)
def export_assignments() -> Partial:
    """Export all assignments with the points of their keys; those with a broken key fail."""
    assignments, failures = list(Assignment.objects.order_by("title")), []
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    writer.writerow(["assignment", "questions", "points"])
    for assignment in track(assignments, text=str):
        time.sleep(getattr(settings, "DEMO_SECONDS_PER_PAGE", 0))  # so that it can be watched
        try:
            writer.writerow([assignment.title, *_key(assignment)])
        except BrokenKey as fault:
            failures.append(f"{assignment.title}: {fault}")
    done = len(assignments) - len(failures)
    file = save_file("assignments.csv", sheet.getvalue())
    return Partial(done, len(assignments), failures, file=file)


def _key(assignment: Assignment) -> tuple[int, int]:
    """Return the numbers of questions and of points.

    Raises: BrokenKey.
    """
    key = [question.as_key() for question in assignment.questions.all()]
    return len(key), sum(judge(line, [line.answer]).out_of for line in key)


@task(takes_context=True)
def count_requests(context: JobContext) -> dict[str, int]:
    """Count what was asked for before the nominal time, by its state."""
    until = context.nominal_time or timezone.now()
    found = JobRequest.objects.filter(created_at__lt=until).values_list("state")
    return dict(found.annotate(count=Count("pk")).order_by("state"))


schedule("count-requests", count_requests, cron="*/5 * * * *", catch_up="last")
