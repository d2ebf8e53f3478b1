"""Tools for the tests of projects that use the package.

    with captured_jobs() as jobs:          # nothing is stored, also inside TestCase
        client.post("/register/", ...)
    assert_enqueued(jobs, send_welcome, args=[5])
    jobs.run()                             # run them here and now

`EagerBackend` as BACKEND runs each job immediately and needs no Redis; `drain()` runs the jobs
in a real Redis; `job_context(task)` makes the context for a function that takes one.
"""

from django_jobqueue.testing.capture import CapturedJobs, assert_enqueued, captured_jobs
from django_jobqueue.testing.context import job_context
from django_jobqueue.testing.drain import drain
from django_jobqueue.testing.eager import EagerBackend

__all__ = [
    "CapturedJobs",
    "EagerBackend",
    "assert_enqueued",
    "captured_jobs",
    "drain",
    "job_context",
]
