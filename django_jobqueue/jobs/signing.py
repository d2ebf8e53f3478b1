"""The signature that binds a payload to one job and one task: `1.<signature>.<json>`.

Nothing that a payload names is imported or run before the payload is verified.
"""

import hmac
from binascii import b2a_base64
from collections.abc import Sequence
from hashlib import sha256

from django_jobqueue.exceptions import BadSignature

VERSION = b"1"


class Signer:
    """Sign payloads with the first key; accept any of the keys.

    The signature is HMAC-SHA256 over version, job id, task path and JSON, so that
    a payload can't be moved to another job or task.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = [sha256(b"django_jobqueue.payload:" + s.encode()).digest() for s in secrets]

    def sign(self, job_id: str, task: str, data: bytes) -> bytes:
        return b"%b.%b.%b" % (VERSION, _digest(self._keys[0], job_id, task, data), data)

    def verify(self, job_id: str, task: str, payload: bytes) -> bytes:
        """Return the JSON bytes of a signed payload.

        Raises: BadSignature.
        """
        version, _, rest = payload.partition(b".")
        signature, _, data = rest.partition(b".")
        if version != VERSION:
            number = version.decode() if version.isdigit() and len(version) < 4 else "none"
            raise BadSignature(f"unknown payload version: {number}")
        for key in self._keys:
            if hmac.compare_digest(signature, _digest(key, job_id, task, data)):
                return data
        raise BadSignature("the payload is not signed with a key of this project for this job")

    def owners(self) -> list[str]:
        """Return one short tag per key that identifies the project; the signing key's is first."""
        return [
            hmac.digest(key, b"django_jobqueue.owner", "sha256")[:8].hex() for key in self._keys
        ]


def _digest(key: bytes, job_id: str, task: str, data: bytes) -> bytes:
    message = b"\x1f".join((VERSION, job_id.encode(), task.encode(), data))
    return b2a_base64(hmac.digest(key, message, "sha256"))[:43]  # unpadded
