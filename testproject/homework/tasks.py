"""The task that grades homework."""

import time

from django.conf import settings

from django_jobqueue import task, track
from homework.answers import UnreadableFile, read_answers
from homework.grading import grade, notes, report
from homework.models import Question


@task(max_attempts=3, backoff=2, no_retry_for=[UnreadableFile])
def grade_homework(assignment: int, answers: str) -> str:
    """Grade a file of answers; return the mark, and a line about each question."""
    sheet = read_answers(answers)
    key = [question.as_key() for question in Question.objects.filter(assignment=assignment)]
    verdicts = []
    for line in track(key, text=lambda line: f"Question {line.label}"):
        # The pause makes the grading visible in the demo; elsewhere it is 0.
        time.sleep(getattr(settings, "DEMO_SECONDS_PER_QUESTION", 0))
        verdicts.append(grade(line, sheet))
    return report(verdicts, notes(key, sheet))
