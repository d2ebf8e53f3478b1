"""The demo's first users and assignments. Existing ones are not changed."""

from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.db import transaction

from homework.models import Assignment, Question

CHOICE, NUMBER, TEXT = Question.Kind.CHOICE, Question.Kind.NUMBER, Question.Kind.TEXT


@dataclass(frozen=True, slots=True)
class Login:
    """A demo user, whose password is the name: never use these users elsewhere."""

    name: str
    first_name: str
    staff: bool = False

    @property
    def email(self) -> str:
        return f"{self.name}@demo.example"


LOGINS = [Login("student", "Sam"), Login("other", "Olu"), Login("admin", "Ada", staff=True)]

# kind, points, tolerance, answer, text
Row = tuple[Question.Kind, int, float, str, str]

COMPUTING: list[Row] = [
    (
        CHOICE,
        1,
        0,
        "B",
        "Which one hands out first what came in first?\nA stack · B queue · C tree · D set",
    ),
    (NUMBER, 1, 0, "1024", "How many bytes are a kibibyte?"),
    (
        CHOICE,
        2,
        0,
        "A, C",
        "Which of these speak the Redis protocol?\nA Valkey · B SQLite · C Redis · D Git",
    ),
    (TEXT, 1, 0, "POST", "Which HTTP method has a form that changes something on the server?"),
    (NUMBER, 2, 0.5, "80", "A worker grades 45 files in an hour. How many minutes are 60 files?"),
    (TEXT, 1, 0, "first in, first out", "What does FIFO stand for?"),
    (
        CHOICE,
        1,
        0,
        "B",
        "Which status code says “see other” after a form was sent?\nA 200 · B 303 · C 404 · D 500",
    ),
    (NUMBER, 2, 0.001, "1.414", "What is the square root of 2, to three decimals?"),
    (
        TEXT,
        2,
        0,
        "idempotent|idempotence",
        "What is an operation called that can be repeated without changing more?",
    ),
    (
        CHOICE,
        2,
        0,
        "B",
        "A worker is killed in the middle of a job. What becomes of the job?\nA It is lost. · "
        "B It runs again. · C It waits for a person. · D It succeeds.",
    ),
]
GEOGRAPHY: list[Row] = [
    (TEXT, 1, 0, "Canberra", "What is the capital of Australia?"),
    (NUMBER, 2, 5, "8849", "How high is Mount Everest, in metres?"),
    (
        CHOICE,
        2,
        0,
        "A, C",
        "Which of these border France?\nA Spain · B Portugal · C Switzerland · D Austria",
    ),
    (TEXT, 1, 0, "Amazon|Amazon River", "What is the longest river of South America?"),
    (NUMBER, 1, 0, "7", "How many continents are there, by the count usual in English?"),
]
FAULTY: list[Row] = [(NUMBER, 1, 0, "about nine", "How many lives has a cat?")]
ASSIGNMENTS: list[tuple[str, str, str, list[Row]]] = [
    ("computing-basics", "Computing basics", "Ten questions about queues and the Web.", COMPUTING),
    ("a-little-geography", "A little geography", "Five questions about the world.", GEOGRAPHY),
    (
        "a-key-that-is-wrong",
        "A key that is wrong",
        "The grader fails on its key: hand something in to see a job that fails.",
        FAULTY,
    ),
]


@transaction.atomic
def plant() -> None:
    """Create the users and assignments that are missing."""
    users = get_user_model().objects
    for login in LOGINS:
        if not users.filter(username=login.name).exists():
            create = users.create_superuser if login.staff else users.create_user
            create(login.name, login.email, login.name, first_name=login.first_name)
    for slug, title, description, questions in ASSIGNMENTS:
        assignment, fresh = Assignment.objects.get_or_create(
            slug=slug, defaults={"title": title, "description": description}
        )
        if fresh:
            _ask(assignment, questions)


def _ask(assignment: Assignment, questions: list[Row]) -> None:
    for label, (kind, points, tolerance, answer, text) in enumerate(questions, start=1):
        question = Question(
            assignment=assignment,
            label=str(label),
            text=text,
            kind=kind,
            answer=answer,
            tolerance=tolerance,
            points=points,
        )
        if questions is not FAULTY:
            question.full_clean()
        question.save()
