"""The smallest Django project that has everything the tests need."""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import django

from tests.support import acl

BASE = Path(__file__).parent
SOCKET = Path(tempfile.gettempdir()) / f"djq-tests-{os.getpid()}" / "redis.sock"
# A process of pytest-xdist has a server of its own, not that of pytest which started it.
process = os.environ.get("PYTEST_XDIST_WORKER", "")
if os.environ.get("TEST_REDIS_OWNER", "") != process:
    os.environ["TEST_REDIS_OWNER"] = process
    os.environ.pop("TEST_REDIS_URL", None)
# A child process of the tests uses their server: it inherits the address.
LOGIN = acl.LOGIN if acl.WANTED else ""
TEST_REDIS_URL = os.environ.setdefault("TEST_REDIS_URL", f"unix://{LOGIN}{SOCKET}?db=0")

SECRET_KEY, *SECRET_KEY_FALLBACKS = os.environ.get("TEST_SECRET_KEYS", "only for the tests").split(
    ","
)
# A real hash costs as much as the start of a process, for each user and each login.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "tests.project.urls"
ALLOWED_HOSTS = ["*"]
STATIC_URL = "/static/"
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/requests/"
MEDIA_ROOT = Path(os.environ.get("TEST_MEDIA", SOCKET.parent / "files"))

# In the tests' own process, and on sites that a test starts. Other workers do without: the app has
# a durable task, and so a process that looks after the ledger in the database.
WITH_REQUESTS = "pytest" in sys.modules or "TEST_WITH_REQUESTS" in os.environ
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
    *(["django_jobqueue.requests", "homework", "library", "reports"] if WITH_REQUESTS else []),
    "pages",
    "inbox",
    "demo",
    *os.environ.get("TEST_APPS", "").split(),  # of a worker process
]
MIDDLEWARE = [
    "tests.project.policy.PolicyMiddleware",
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
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("TEST_DATABASE", ":memory:"),
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
    },
    **json.loads(os.environ.get("TEST_DATABASES", "{}")),  # of a worker process
}
CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    **json.loads(os.environ.get("TEST_CACHES", "{}")),  # of a worker process
}
OPTIONS: dict[str, object] = {
    "URL": TEST_REDIS_URL,
    "STORE_IN_TESTS": True,
    "LEASE": float(os.environ.get("TEST_LEASE", "30")),
    **json.loads(os.environ.get("TEST_OPTIONS", "{}")),  # of a worker process
}
JOBQUEUE_REQUESTS: dict[str, object] = json.loads(os.environ.get("TEST_REQUESTS", "{}"))
TASKS: dict[str, dict[str, object]] = {
    "default": {"BACKEND": "django_jobqueue.backend.JobQueueBackend", "OPTIONS": OPTIONS}
}
# The mail server of a worker process. In the tests' own, Django puts another backend there.
MAIL_HOST, MAIL_PORT = os.environ.get("TEST_MAIL", "127.0.0.1:25").split(":")
if django.VERSION >= (6, 1):
    smtp = {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "OPTIONS": {"host": MAIL_HOST, "port": int(MAIL_PORT)},
    }
    MAILERS = {"default": smtp, "smtp": smtp}
else:
    EMAIL_HOST, EMAIL_PORT = MAIL_HOST, int(MAIL_PORT)
if given := os.environ.get("TEST_LOGGING"):  # of a worker process
    LOGGING = json.loads(given)
if path := os.environ.get("TEST_LOG"):  # where a worker process writes the package's log
    LOGGING = {
        "version": 1,
        "handlers": {"file": {"class": "logging.FileHandler", "filename": path}},
        "loggers": {"django_jobqueue": {"handlers": ["file"], "level": "DEBUG"}},
    }
