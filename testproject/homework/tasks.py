"""The tasks for homework: grade it, mail the mark, and count the submissions."""

import time

from django.conf import settings
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from django_jobqueue import JobContext, schedule, task
from django_jobqueue.compat import TaskResultDoesNotExist
from homework.answers import UnreadableFile, read_answers
from homework.grading import Report, Verdict, grade, notes
from homework.mail import outcome_mail
from homework.models import Submission
from homework.outcome import give_up, store_mark

OUR_FAULT = (
    "The grader itself failed, several times: that is no fault of your file. "
    "The error has been recorded; please hand it in again later."
)
CANCELLED = "A teacher has stopped the grading of this file. Ask why, or hand it in again."


@task(takes_context=True, max_attempts=3, backoff=2)
def grade_submission(context: JobContext, submission_pk: int) -> None:
    """Grade a submission, store the mark and enqueue the mail.

    It may run again after a worker is lost: the mark is stored only once. The mail is enqueued
    each time, because the lost run may have ended before its enqueue; it is sent only once.
    """
    submission = Submission.objects.select_related("assignment").get(pk=submission_pk)
    if submission.is_open:
        try:
            store_mark(submission_pk, _report(context, submission))
        except UnreadableFile as fault:
            give_up(submission_pk, str(fault))
        except Exception:
            if context.attempt >= context.max_attempts:  # No attempt is left: tell the student.
                give_up(submission_pk, OUR_FAULT)
                mail_mark.enqueue(submission_pk)
            raise
    mail_mark.enqueue(submission_pk)


def tell_of_end(submission_pk: int, state: str) -> None:
    """Give up a submission whose job ended without an outcome, and enqueue the mail."""
    if give_up(submission_pk, CANCELLED if state == "cancelled" else OUR_FAULT):
        mail_mark.enqueue(submission_pk)


def _report(context: JobContext, submission: Submission) -> Report:
    """Grade the answers one by one, reporting the progress."""
    sheet = read_answers(submission.content)
    key = [question.as_key() for question in submission.assignment.questions.all()]
    verdicts: list[Verdict] = []
    for verdict in grade(key, sheet):
        verdicts.append(verdict)
        context.progress(len(verdicts), len(key), f"Question {verdict.label}")
        # The pause makes the grading visible in the demo; elsewhere it is 0.
        time.sleep(getattr(settings, "DEMO_SECONDS_PER_QUESTION", 0))
    return Report(verdicts, notes(key, sheet))


@task(max_attempts=5, backoff=10)
def mail_mark(submission_pk: int) -> bool:
    """Mail the outcome to the student, and return whether this run did it.

    The update and the mail are in one transaction: a second run finds the mail sent, and a run
    that follows a failed or killed one sends it. Only a crash between the mail server's
    answer and the commit can cause a second mail, which has the same Message-ID.
    """
    with transaction.atomic():
        unsent = Submission.objects.filter(pk=submission_pk, mailed_at=None)
        if not unsent.update(mailed_at=timezone.now()):
            return False
        submission = Submission.objects.select_related("student", "assignment")
        outcome_mail(submission.get(pk=submission_pk)).send()
    return True


@task(takes_context=True)
def count_submissions(context: JobContext) -> dict[str, int]:
    """Count the submissions from before the nominal time, by their state."""
    until = context.nominal_time or timezone.now()
    found = Submission.objects.filter(submitted_at__lt=until).values_list("state")
    return dict(found.annotate(count=Count("pk")).order_by("state"))


@task
def tell_of_lost_gradings() -> int:
    """Tell the students whose job ended without an outcome, and return how many.

    A job that is cancelled, or whose worker is lost too often, tells nobody, and perhaps the
    student does not look at the page.
    """
    told = 0
    for submission in Submission.objects.filter(graded_at=None).exclude(job_id=""):
        try:
            state = grade_submission.get_result(submission.job_id).state
        except TaskResultDoesNotExist:
            continue  # the page offers to enqueue it again
        if state in ("failed", "cancelled"):
            tell_of_end(submission.pk, state)
            told += 1
    return told


schedule("homework-lost", tell_of_lost_gradings, every=60, overlap="skip")
schedule("homework-count", count_submissions, cron="*/5 * * * *", catch_up="last")
