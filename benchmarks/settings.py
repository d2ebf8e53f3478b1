"""The smallest Django project that can enqueue and run jobs; everything else is the default.

So is the log: the worker writes a line per job.
"""

import os

from benchmarks import parsers

parsers.apply()  # before anything imports redis

SECRET_KEY = "only for the benchmarks"  # noqa: S105
USE_TZ = True
INSTALLED_APPS = ["django_jobqueue"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
# Workers inherit the address from the measure that starts them.
TASKS = {
    "default": {
        "BACKEND": "django_jobqueue.backend.JobQueueBackend",
        "OPTIONS": {"URL": os.environ.get("BENCHMARK_REDIS_URL", "unix:///nowhere?db=0")},
    }
}
