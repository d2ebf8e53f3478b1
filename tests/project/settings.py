"""The smallest Django project that has everything the tests need."""

import os
import tempfile
from pathlib import Path

BASE = Path(__file__).parent
SOCKET = Path(tempfile.gettempdir()) / f"djq-tests-{os.getpid()}" / "redis.sock"
# A child process of the tests uses their server: it inherits the address.
TEST_REDIS_URL = os.environ.setdefault("TEST_REDIS_URL", f"unix://{SOCKET}?db=0")

SECRET_KEY = "only for the tests"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "tests.project.urls"
ALLOWED_HOSTS = ["*"]
STATIC_URL = "/static/"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_jobqueue",
    "tests.project",
    # The demo's apps, for the tests of their pages.
    "homework",
    "pages",
    "inbox",
    "demo",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("TEST_DATABASE", ":memory:"),
    }
}
OPTIONS: dict[str, object] = {
    "URL": TEST_REDIS_URL,
    "LEASE": float(os.environ.get("TEST_LEASE", "30")),
}
TASKS: dict[str, dict[str, object]] = {
    "default": {"BACKEND": "django_jobqueue.backend.JobQueueBackend", "OPTIONS": OPTIONS}
}
