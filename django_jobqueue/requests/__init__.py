"""What people ask for: a page that shows how far it is, and an e-mail when it is done.

An app of its own, because only projects that use it need its table:
`INSTALLED_APPS += ["django_jobqueue.requests"]`. Next: submission.py takes a request.
"""

from typing import TYPE_CHECKING, Any

from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from django_jobqueue.requests.submission import submit

__all__ = ["submit"]


def __getattr__(name: str) -> Any:
    """Return `submit`, which Django can't import before it has loaded the models."""
    if name in __all__:
        return import_string(f"{__name__}.submission.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
