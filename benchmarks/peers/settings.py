"""The settings of a new Django project, and what the queue of this process adds to them."""

import os

from benchmarks.peers.catalogue import PEERS

_peer = PEERS[os.environ["BENCHMARK_PEER"]]
_added = _peer.settings(os.environ["BENCHMARK_REDIS_URL"]) if _peer.settings else {}

SECRET_KEY = "only for the benchmarks"  # noqa: S105
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    *_added.pop("INSTALLED_APPS", []),
    f"benchmarks.peers.{_peer.folder}",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
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
        "NAME": os.environ["BENCHMARK_DATABASE"],
    }
}
STATIC_URL = "static/"
globals().update(_added)
