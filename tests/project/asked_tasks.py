"""Tasks that people ask for, in the tests of requests."""

from django.utils.translation import gettext_lazy

from django_jobqueue import JobContext, Unique, task
from django_jobqueue.requests.outcome import Outcome, Partial, PublicError, save_file
from tests.project.tasks import wait_for


@task
def say(text: str = "It is done.") -> str:
    return text


@task(unique=Unique("page"))
def publish(page: int) -> str:
    return f"Page {page} is published."


@task
def answer(value: object) -> object:
    return value


@task
def break_down(secret: str) -> None:
    raise ValueError(secret)


@task
def refuse() -> None:
    raise PublicError(gettext_lazy("No"))


@task
def grade(total: int, failures: list[str]) -> Partial:
    return Partial(total - len(failures), total, failures)


@task
def export(name: str, content: str) -> Outcome:
    return Outcome(text="Here it is.", url="/elsewhere/", file=save_file(name, content))


@task(takes_context=True)
def step(context: JobContext, folder: str, steps: int) -> str:
    """Go on by a step each time the test puts a file into the folder."""
    for number in range(1, steps + 1):
        context.progress(number, steps, f"step {number}")
        wait_for(f"{folder}/{number}")
    return "All steps are done."
