"""The addresses of a request's pages; those of an anonymous request bear a key that expires.

Who has such a link may do what an owner may, until the key is too old.
"""

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.core import signing
from django.urls import reverse

from django_jobqueue.requests import conf

if TYPE_CHECKING:
    from django_jobqueue.requests.models import JobRequest

NAMESPACE = "django_jobqueue_requests"
KEY = "key"  # name of the parameter
_SALT = "django_jobqueue.requests.links"


class LinkExpired(Exception):
    """The key of a link is too old."""


def address(job_request: "JobRequest", view: str) -> str:
    """Return the address of a view of a request, with a key if nobody can log in as its owner."""
    path = reverse(f"{NAMESPACE}:{view}", args=[job_request.public_id])
    if job_request.owner_id is not None or job_request.is_let:  # a key is the owner's right
        return path
    key = job_request.key or new_key(job_request.public_id)
    return f"{path}?{urlencode({KEY: key})}"


def new_key(public_id: str) -> str:
    """Return a key for a request, whose age counts from now."""
    return _signer().sign(public_id).partition(":")[2]  # the address has the id already


def fits(public_id: str, key: str) -> bool:
    """Return whether the key is one of this request.

    Raises: LinkExpired.
    """
    try:
        _signer().unsign(f"{public_id}:{key}", max_age=timedelta(seconds=conf.load().link_max_age))
    except signing.SignatureExpired as error:
        raise LinkExpired from error
    except signing.BadSignature:
        return False
    return True


def _signer() -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=_SALT)
