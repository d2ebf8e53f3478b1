"""Who asks: the user of a web request, or an anonymous person with an address."""

import ipaddress
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.module_loading import import_string

from django_jobqueue.requests import conf

HOST_BITS = 64  # of an IPv6 address, which the owner of a network chooses


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
        return _kept(ipaddress.ip_address(str(found or "").strip()))
    return None


def _kept(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Return an address as it is kept and counted: of IPv6 the network, a person has all of it."""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:  # how a server that listens on both sees IPv4
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(address) >> HOST_BITS << HOST_BITS))
