"""The socket path of the server of a data directory, which settings need before it runs."""

import hashlib
import os
import tempfile
from pathlib import Path

# sun_path holds 108 bytes on Linux and 104 on macOS, the final zero included.
MAX_SOCKET_BYTES = 100


def socket_for(directory: Path) -> Path:
    """Return the socket of the server whose data are in `directory`.

    It is in the directory itself or, if that path is too long for a Unix socket, in a
    temporary directory whose short name has this user's id and a hash of the path.
    """
    directory = directory.absolute()
    inside = directory / "redis.sock"
    if len(os.fsencode(inside)) <= MAX_SOCKET_BYTES:
        return inside
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"jobqueue-{os.getuid()}-{digest}" / "redis.sock"


def url_for(socket: Path) -> str:
    """Return the URL under which redis-py finds the socket."""
    return f"unix://{socket}?db=0"


def prepare(socket: Path) -> None:
    """Create the socket's directory, and refuse one that another user could tamper with."""
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = socket.parent.stat()
    if found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(
            f"{socket.parent} belongs to or can be written by another user: "
            "choose another directory for the server's socket."
        )
    if len(os.fsencode(socket)) > MAX_SOCKET_BYTES:
        raise ValueError(
            f"The socket path {str(socket)!r} is longer than {MAX_SOCKET_BYTES} bytes: "
            "choose a shorter one."
        )
