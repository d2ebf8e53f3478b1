"""The demo's data folder: the database, the mails, the server's data and the secret key."""

import os
from contextlib import suppress
from pathlib import Path

from django.core.management.utils import get_random_secret_key


def folder(project: Path) -> Path:
    """Return the data folder, $DEMO_DATA or .data in the project; create it if it is missing."""
    path = Path(os.environ.get("DEMO_DATA") or project / ".data").absolute()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def secret_key(data: Path) -> str:
    """Return $SECRET_KEY, or a key that is generated once and kept in the data folder."""
    given = os.environ.get("SECRET_KEY")
    if given:
        return given
    kept = data / "secret_key"
    if not kept.exists():
        fresh = data / f"secret_key.{os.getpid()}"
        fresh.touch(mode=0o600)
        fresh.write_text(get_random_secret_key(), encoding="ascii")
        with suppress(FileExistsError):  # The key appears complete, and the first process wins.
            kept.hardlink_to(fresh)
        fresh.unlink()
    return kept.read_text(encoding="ascii")
