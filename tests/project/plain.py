"""A task of the framework's own decorator."""

from django_jobqueue.compat import NATIVE

if NATIVE:
    from django.tasks import task
else:
    from django_tasks import task  # type: ignore[no-redef]


@task
def plain() -> str:
    return "plain"
