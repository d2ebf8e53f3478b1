"""Who asks: the user of a web request, or an anonymous person with an address."""

import ipaddress
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.module_loading import import_string

from django_jobqueue.requests import conf


@dataclass(frozen=True, slots=True)
class Person:
    """A user, or an anonymous person."""

    user: Any  # None: anonymous
    address: str  # that an anonymous person gave
    ip: str | None


def of(request: HttpRequest, address: str = "") -> Person:
    """Return the person of a web request.

    `address` counts only for anonymous ones: a form must not choose to whom a user's mails go.
    """
    user: Any = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        return Person(user, "", _ip(request))
    return Person(None, address.strip(), _ip(request))


def _ip(request: HttpRequest) -> str | None:
    """Return the client's IP address; None if it is unknown, as behind a Unix socket."""
    path = conf.load().client_ip
    found = import_string(path)(request) if path else request.META.get("REMOTE_ADDR")
    with suppress(ValueError):
        return str(ipaddress.ip_address(str(found or "").strip()))
    return None
