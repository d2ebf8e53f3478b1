"""Write the outcome of a submission, once; who comes second changes nothing."""

from django.utils import timezone

from homework.grading import Report
from homework.models import Submission


def store_mark(submission_pk: int, report: Report) -> bool:
    """Store the mark, and tell whether the submission was still open."""
    return _settle(
        submission_pk,
        state=Submission.State.GRADED,
        mark=report.mark,
        out_of=report.out_of,
        feedback=report.as_json(),
    )


def give_up(submission_pk: int, reason: str) -> bool:
    """Store why the homework can't be graded, and tell whether it was still open."""
    return _settle(submission_pk, state=Submission.State.UNGRADED, reason=reason)


def _settle(submission_pk: int, **values: object) -> bool:
    """Compare and set: a job that runs twice must not change a mark that was read already."""
    still_open = Submission.objects.filter(pk=submission_pk, graded_at=None)
    return still_open.update(graded_at=timezone.now(), **values) == 1
