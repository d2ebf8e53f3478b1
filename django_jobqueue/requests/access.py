"""Who may see a request: its owner, who has a link with a key, and whom the project lets.

Whoever else asks for it learns nothing, not even whether there is such a request.
"""

from typing import Any

from django.http import Http404, HttpRequest
from django.utils.module_loading import import_string

from django_jobqueue.requests import conf, links
from django_jobqueue.requests.models import JobRequest


class LoginNeeded(Exception):
    """Nobody is logged in, and there is no key."""


class Gone(Exception):
    """The link was right once: its key or its request has expired."""


def find(request: HttpRequest, public_id: str) -> JobRequest:
    """Return the request that a web request asks for. It costs one query.

    Raises: Http404 for one of others, LoginNeeded, Gone.
    """
    key, user = request.GET.get(links.KEY, ""), getattr(request, "user", None)
    is_known = _is_key(public_id, key)
    if not is_known and (user is None or not user.is_authenticated):
        if key or user is None:
            raise Http404
        raise LoginNeeded
    found = JobRequest.objects.filter(public_id=public_id).first()
    if found is None and is_known:
        raise Gone
    if found is None or not _may_see(request, user, found, is_known):
        raise Http404
    if found.is_own and found.owner_id is not None:
        found.owner = user  # saves a query for the address
    found.key = key if is_known else ""
    return found


def _is_key(public_id: str, key: str) -> bool:
    try:
        return bool(key) and links.fits(public_id, key)
    except links.LinkExpired as error:
        raise Gone from error


def _may_see(request: HttpRequest, user: Any, found: JobRequest, has_key: bool) -> bool:
    """Return whether the person may see the request, and note whether it is that person's own."""
    if found.owner_id is None:
        found.is_own = has_key
    else:
        found.is_own = user is not None and user.is_authenticated and found.owner_id == user.pk
    found.is_let = not found.is_own and _is_let(request, found)
    return found.is_own or found.is_let


def _is_let(request: HttpRequest, found: JobRequest) -> bool:
    path = conf.load().may_see
    return bool(path) and bool(import_string(path)(request, found))
