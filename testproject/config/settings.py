"""Settings of the demo. Environment variables, all optional:

DEMO_DATA                  folder for everything the demo keeps (default: .data)
REDIS_URL                  a server to use instead of the embedded one
SECRET_KEY                 the signing key (default: made once, kept in the data folder)
DEMO_URL                   address of the demo's pages (set by `manage.py demo`)
DEMO_SECONDS_PER_QUESTION  seconds that the grader spends on a question, so it can be watched
DEMO_SECONDS_PER_PAGE      seconds that the library spends on the scan of a page
DEMO_MAIL_DELAY            seconds until a mail is sent to those who have not seen the result
DEMO_WATCH_SECONDS         seconds between two checks of the demo's own pages
DEMO_LEASE                 seconds until another worker gets the job of a killed one
"""

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django

from config import data
from embedded.place import socket_for, url_for

BASE_DIR = Path(__file__).resolve().parent.parent
DATA = data.folder(BASE_DIR)

DEMO_URL = os.environ.get("DEMO_URL", "http://127.0.0.1:8000")
DEMO_SECONDS_PER_QUESTION = float(os.environ.get("DEMO_SECONDS_PER_QUESTION", "0.3"))
DEMO_SECONDS_PER_PAGE = float(os.environ.get("DEMO_SECONDS_PER_PAGE", "0.5"))
DEMO_WATCH_SECONDS = float(os.environ.get("DEMO_WATCH_SECONDS", "60"))
DEMO_MAILS = DATA / "mails"

SECRET_KEY = data.secret_key(DATA)
DEBUG = True  # The demo is for the user's own machine: it serves static files and shows errors.
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", urlsplit(DEMO_URL).hostname or "localhost"]

INSTALLED_APPS = [
    "demo",
    "homework",
    "library",
    "reports",
    "pages",
    "inbox",
    "django_jobqueue",
    "django_jobqueue.requests",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

REDIS_URL = os.environ.get("REDIS_URL") or url_for(socket_for(DATA / "redis"))
JOBQUEUE_OPTIONS: dict[str, Any] = {"URL": REDIS_URL}
if "DEMO_LEASE" in os.environ:
    JOBQUEUE_OPTIONS["LEASE"] = float(os.environ["DEMO_LEASE"])
TASKS = {
    "default": {
        "BACKEND": "django_jobqueue.backend.JobQueueBackend",
        "OPTIONS": JOBQUEUE_OPTIONS,
    }
}

JOBQUEUE_REQUESTS = {"MAIL_DELAY": float(os.environ.get("DEMO_MAIL_DELAY", "5"))}

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA / "demo.sqlite3",
        "OPTIONS": {
            # The web server and the worker write to one file, so they wait for each other.
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DEFAULT_FROM_EMAIL = "Homework desk <homework@demo.example>"
if django.VERSION >= (6, 1):
    MAILERS = {
        "default": {
            "BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "OPTIONS": {"file_path": DEMO_MAILS},
        }
    }
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = DEMO_MAILS

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
if django.VERSION >= (6, 0):
    MIDDLEWARE.insert(1, "django.middleware.csp.ContentSecurityPolicyMiddleware")
    SECURE_CSP = {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
SECURE_REFERRER_POLICY = "same-origin"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

POLL = re.compile(r'"GET /(pages/status|requests/[\w-]{22})/[? ]')
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "no_polls": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: not POLL.search(record.getMessage()),
        }
    },
    "handlers": {"requests": {"class": "logging.StreamHandler", "filters": ["no_polls"]}},
    "loggers": {
        "django.server": {"handlers": ["requests"], "level": "INFO", "propagate": False},
    },
}

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
STATIC_URL = "static/"
MEDIA_ROOT = DATA / "files"
