"""What the lock of a unique job means for further calls, in sentences."""

from django.utils.translation import gettext as _

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.job import Job

SHOWN = 8  # characters of a key's digest


def lock(engine: Engine, job: Job) -> list[str]:
    """Return a sentence about the lock that a unique job holds, if it is its holder."""
    digest, _space, until = job.unique.partition(" ")
    if not digest or engine.locks.holder(digest) != job.id:
        return []
    if until.startswith("done"):
        text = _("It holds its unique key %(key)s until it has ended: it stands for further calls.")
    elif until.startswith(("start", "newest")):
        text = _("It holds its unique key %(key)s until it starts: it stands for further calls.")
    else:
        text = _("It holds its unique key %(key)s for a time: it stands for further calls.")
    return [text % {"key": digest[:SHOWN]}]
