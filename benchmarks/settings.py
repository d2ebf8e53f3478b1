"""The smallest Django project that can enqueue and run jobs; everything else is the default."""

import os

SECRET_KEY = "only for the benchmarks"  # noqa: S105
USE_TZ = True
INSTALLED_APPS = ["django_jobqueue"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
# Workers inherit the address from the benchmark that starts them.
TASKS = {
    "default": {
        "BACKEND": "django_jobqueue.backend.JobQueueBackend",
        "OPTIONS": {
            "URL": os.environ.get("BENCHMARK_REDIS_URL", "unix:///nowhere?db=0"),
            "RETENTION_COUNT": 10_000_000,  # all are looked at in the end
        },
    }
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        name: {"level": "WARNING"} for name in ("django", "django_tasks", "django_jobqueue")
    },
}
