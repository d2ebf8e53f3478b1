"""What users of Celery, RQ and other queues type, and what this package calls it."""

from collections.abc import Iterable
from difflib import get_close_matches

_RUN_AFTER = "task.using(run_after=timedelta(...)).enqueue(...) delays a single call"
_LOST = "a job that is lost with its worker runs again, at most max_recoveries times"
_KEPT = (
    'OPTIONS["RETENTION"] says how long jobs and their results are kept; with '
    "retention=timedelta(...) the succeeded ones of a task go sooner"
)
_BACKOFF = "backoff takes seconds, a list of them or Exponential(...)"
_LIMIT = "timeout is the time that a run may take, and kill_grace what it then gets to clean up"
_SIGNALS = "django_jobqueue.signals and middleware tell how a job ended"
_CONTEXT = "takes_context=True gives the function a JobContext, as its first argument `context`"
_QUEUE = "queue_name names the queue"
_UNIQUE = "unique=Unique(...) says which calls are the same, and until when"

OPTIONS = {
    "max_retries": "max_attempts counts all runs, the first one too",
    "retries": "max_attempts counts all runs, the first one too",
    "retry": "max_attempts counts all runs, the first one too; " + _BACKOFF,
    "default_retry_delay": _BACKOFF,
    "retry_delay": _BACKOFF,
    "retry_backoff": _BACKOFF,
    "retry_backoff_max": _BACKOFF,
    "retry_jitter": _BACKOFF,
    "min_backoff": _BACKOFF,
    "max_backoff": _BACKOFF,
    "autoretry_for": "retry_for lists the exceptions that are retried",
    "dont_autoretry_for": "no_retry_for lists the exceptions that are not retried",
    "throws": "no_retry_for lists the exceptions that are not retried",
    "countdown": _RUN_AFTER,
    "eta": _RUN_AFTER,
    "delay": _RUN_AFTER,
    "run_after": "run_after belongs to a call: " + _RUN_AFTER,
    "acks_late": _LOST,
    "reject_on_worker_lost": _LOST,
    "acks_on_failure_or_timeout": _LOST,
    "bind": _CONTEXT,
    "context": _CONTEXT,
    "actor_name": "name is the name of its jobs; without one it is the path of the function",
    "queue": _QUEUE,
    "routing_key": _QUEUE,
    "time_limit": _LIMIT,
    "soft_time_limit": _LIMIT,
    "job_timeout": _LIMIT,
    "result_ttl": _KEPT,
    "result_expires": _KEPT,
    "failure_ttl": _KEPT,
    "ttl": _KEPT,
    "ignore_result": _KEPT,
    "store_results": _KEPT,
    "at_front": "priority puts a job before others of its queue: -100 to 100, the higher first",
    "meta": "metadata is a mapping that travels with each job",
    "headers": "metadata is a mapping that travels with each job",
    "once": _UNIQUE,
    "unique_on": _UNIQUE,
    "lock_expiry": _UNIQUE,
    "on_success": _SIGNALS,
    "on_failure": _SIGNALS,
    "serializer": "arguments and results are always JSON",
    "rate_limit": 'rate=Rate("100/m") counts the starts of all workers',
}
CALLS = {
    "delay": "task.enqueue(...) stores a job",
    "send": "task.enqueue(...) stores a job",
    "apply_async": "task.enqueue(...) stores a job, task.using(...) sets options for it first",
    "send_with_options": "task.using(...).enqueue(...) stores a job with options",
    "schedule": _RUN_AFTER,
    "signature": "task.s(...) makes a part of a chain or a group",
    "retry": "`raise Retry(after=...)` in the task runs its job again",
    "apply": "task(...) calls the function here and now",
    "call_local": "task(...) calls the function here and now",
}


def about_options(where: str, names: Iterable[str], known: Iterable[str]) -> str:
    """Return what to say of options that `where` does not have."""
    names, known = sorted(names), sorted(known)
    hints = [_hint(name, OPTIONS, known) for name in names]
    return f"{where} has no option {', '.join(map(repr, names))}. " + " ".join(hints)


def about_attribute(name: str, known: Iterable[str]) -> str:
    """Return what to say of an attribute that a task does not have."""
    if name.startswith("__"):  # Python asks for many of them
        return name
    public = [each for each in known if not each.startswith("_")]
    return f"A task has no attribute {name!r}. {_hint(name, CALLS, public)}"


def _hint(name: str, words: dict[str, str], known: list[str]) -> str:
    if name in words:
        return f"Here, {words[name]}."
    close = get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."
