"""A module that can't be imported to its end."""

from django_jobqueue import task


@task
def early() -> None:
    pass


raise RuntimeError("out of order")
