"""The permissions of the user of one admin request."""

from typing import Any


class Viewer:
    """A user's permissions of this app; without a user, nothing is allowed."""

    def __init__(self, user: Any = None) -> None:
        self._user = user

    def may(self, codename: str, app: str = "django_jobqueue") -> bool:
        """Return whether the user has a permission of this app, or of another."""
        return self._user is not None and bool(self._user.has_perm(f"{app}.{codename}"))
