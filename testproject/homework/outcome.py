"""Store the outcome of a submission once; a second call changes nothing."""

from django.utils import timezone

from homework.grading import Report
from homework.models import Submission


def store_mark(submission_pk: int, report: Report) -> bool:
    """Store the mark, and return whether the submission was still open."""
    return _settle(
        submission_pk,
        state=Submission.State.GRADED,
        mark=report.mark,
        out_of=report.out_of,
        feedback=report.as_json(),
    )


def give_up(submission_pk: int, reason: str) -> bool:
    """Store why the homework can't be graded, and return whether it was still open."""
    return _settle(submission_pk, state=Submission.State.UNGRADED, reason=reason)


def _settle(submission_pk: int, **values: object) -> bool:
    """Store the values if the submission is open: a second run must not change its mark."""
    still_open = Submission.objects.filter(pk=submission_pk, graded_at=None)
    return still_open.update(graded_at=timezone.now(), **values) == 1
