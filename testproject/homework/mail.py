"""The mail that tells a student the outcome."""

from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from homework.models import Submission


def outcome_mail(submission: Submission) -> EmailMessage:
    """Return the unsent mail for a submission that is graded or given up."""
    graded = submission.state == Submission.State.GRADED
    what = f"{submission.assignment}"
    subject = f"Your mark for “{what}”" if graded else f"“{what}” could not be graded"
    return EmailMessage(
        subject=" ".join(subject.split()),
        body=render_to_string("homework/mail.txt", {"submission": submission, "graded": graded}),
        to=[submission.student.email],
        headers={"Message-ID": message_id(submission), "Auto-Submitted": "auto-generated"},
    )


def message_id(submission: Submission) -> str:
    """Return the id that every copy of this submission's mail has."""
    moment = submission.submitted_at.strftime("%Y%m%d%H%M%S%f")
    return f"<homework-{submission.pk}-{moment}@demo.example>"
