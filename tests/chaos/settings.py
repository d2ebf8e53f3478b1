"""The smallest Django project whose jobs survive a storm, kept until the verdict."""

import json
import os

SECRET_KEY = "only for the storm"
USE_TZ = True
TIME_ZONE = "UTC"
INSTALLED_APPS = ["django_jobqueue"]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
    **json.loads(os.environ.get("CHAOS_DATABASES", "{}")),  # of a storm that counts
}
# Workers inherit their server, lease and file to write to from the storm that starts them.
TASKS = {
    "default": {
        "BACKEND": "django_jobqueue.backend.JobQueueBackend",
        "OPTIONS": {
            "URL": os.environ.get("CHAOS_REDIS_URL", "unix:///nowhere?db=0"),
            "LEASE": float(os.environ.get("CHAOS_LEASE", "30")),
            "MAX_RECOVERIES": 1000,  # the storm may hit one job as often as it likes
            "RETENTION_COUNT": 10_000_000,
            "LIMITS": {"narrow": 5},
            **json.loads(os.environ.get("CHAOS_OPTIONS", "{}")),
        },
    }
}
