"""The signature that binds a payload to one job and one task: `1.<signature>.<json>`.

Nothing that a payload names is imported or run before the payload is verified.
"""

from binascii import b2a_base64
from collections.abc import Sequence
from hashlib import sha256
from hmac import compare_digest

from django_jobqueue.exceptions import BadSignature

VERSION = b"1"


class Signer:
    """Sign payloads with the first key; accept any of the keys.

    The signature is HMAC-SHA256 over version, job id, task path and JSON, so that
    a payload can't be moved to another job or task.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = [_Key(secret) for secret in secrets]

    def sign(self, job_id: str, task: str, data: bytes) -> bytes:
        return b"%b.%b.%b" % (VERSION, _signature(self._keys[0], job_id, task, data), data)

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
            if compare_digest(signature, _signature(key, job_id, task, data)):
                return data
        raise BadSignature("the payload is not signed with a key of this project for this job")

    def owners(self) -> list[str]:
        """Return one short tag per key that identifies the project; the signing key's is first."""
        return [key.hmac(b"django_jobqueue.owner")[:8].hex() for key in self._keys]


class _Key:
    """A key for HMAC-SHA256 (RFC 2104), whose two blocks are hashed once for all messages."""

    def __init__(self, secret: str) -> None:
        key = sha256(b"django_jobqueue.payload:" + secret.encode()).digest()
        block = key.ljust(sha256().block_size, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in block))

    def hmac(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


def _signature(key: _Key, job_id: str, task: str, data: bytes) -> bytes:
    message = b"\x1f".join((VERSION, job_id.encode(), task.encode(), data))
    return b2a_base64(key.hmac(message))[:22]  # 128 bits of it
