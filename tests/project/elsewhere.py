"""Tasks outside of tasks.py, which nothing imports: a worker finds them by their signed path."""

from django_jobqueue import JobContext, task


@task
def shout(word: str) -> str:
    return f"{word.upper()}!"


@task(sensitive=("pin",))
def spill(amount: int, pin: str, note: str = "", **more: object) -> None:
    """Tell what nobody should hear."""
    try:
        raise KeyError(pin)
    except KeyError as error:
        raise ValueError(f"{pin!r} is wrong for {amount}: {note} {more}") from error


@task(takes_context=True, max_attempts=2, backoff=0.05)
def whisper(context: JobContext, word: str, token: str) -> str:
    """Use arguments and tell nobody."""
    context.progress(1, 2, "half")
    context.log("still here")
    if context.attempt < 2:
        raise ConnectionError("not yet")
    return f"{word} {token}"


class Odd:
    def __repr__(self) -> str:
        return "<Odd 4711-secret-0815>"


@task
def returns_what_is_no_json() -> object:
    return Odd()


def no_task() -> None:
    pass
