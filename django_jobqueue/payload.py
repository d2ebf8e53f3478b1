"""Values as JSON bytes, and the signature that binds them to one job.

Owns the stored form of arguments and results: arguments are `1.<signature>.<json>`,
results bare JSON. Never imports anything named in a payload.
"""

import hmac
import json
import math
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from django_jobqueue.exceptions import BadSignature, PayloadTooLarge

VERSION = b"1"
MAX_DEPTH = 100  # nesting of lists and mappings; also ends cyclic values

_dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def dump_call(args: Sequence[Any], kwargs: Mapping[str, Any], cap: int) -> bytes:
    """Return the arguments of a call as JSON bytes.

    Raises: TypeError, naming the argument; PayloadTooLarge above `cap` bytes.
    """
    call = {
        "args": [pure(value, f"positional argument {n}") for n, value in enumerate(args, 1)],
        "kwargs": {name: pure(value, f"argument {name!r}") for name, value in kwargs.items()},
    }
    return _capped(call, cap, "the arguments")


def load_call(data: bytes) -> tuple[list[Any], dict[str, Any]]:
    """Read what `dump_call` wrote.

    Raises: ValueError if it has another shape.
    """
    call = json.loads(data)
    if not isinstance(call, dict):
        raise ValueError(f"a call is a JSON object, not {type(call).__name__}")
    args, kwargs = call.get("args", []), call.get("kwargs", {})
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise ValueError("a call has a list 'args' and an object 'kwargs'")
    return args, kwargs


def dump_value(value: Any, cap: int) -> bytes:
    """Return a task's return value as JSON bytes.

    Raises: TypeError; PayloadTooLarge above `cap` bytes.
    """
    return _capped(pure(value, "the return value"), cap, "the return value")


def load_value(data: bytes | None) -> Any:
    """Read what `dump_value` wrote; a missing value is None."""
    return None if data is None else json.loads(data)


def pure(value: Any, where: str, depth: int = 0) -> Any:
    """Return a value as JSON would give it back: tuples as lists, UTF-8 bytes as str.

    Raises: TypeError, naming `where` the value stands and what to pass instead.
    """
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        raise TypeError(f"{where} is {value!r}, which JSON does not have: pass None or a string.")
    if depth >= MAX_DEPTH:
        raise TypeError(f"{where} is nested deeper than {MAX_DEPTH} levels, or contains itself.")
    if isinstance(value, Mapping):
        return {_key(key, where): pure(item, where, depth + 1) for key, item in value.items()}
    if isinstance(value, bytes):
        return _text(value, where)
    if isinstance(value, Sequence) and not isinstance(value, bytearray | memoryview):
        return [pure(item, where, depth + 1) for item in value]
    raise TypeError(
        f"Unsupported type {type(value).__module__}.{type(value).__qualname__} of {where}: "
        f"jobs store plain JSON, so pass {_advice(value)} instead. (value: {value!r:.80})"
    )


def _key(key: Any, where: str) -> str:
    if isinstance(key, str):
        return key
    raise TypeError(f"{where} has the mapping key {key!r}; JSON keys are strings: pass str(key).")


def _text(value: bytes, where: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise TypeError(
            f"{where} is bytes that are not UTF-8: encode it, for example with base64."
        ) from None


def _advice(value: Any) -> str:
    if hasattr(value, "pk"):
        return "its .pk"
    if isinstance(value, date | time):
        return "value.isoformat()"
    if isinstance(value, timedelta):
        return "value.total_seconds()"
    if isinstance(value, Decimal | UUID):
        return "str(value)"
    if isinstance(value, Iterable):
        return "a list"
    return "a string, a number or a key by which the task can find it"


def _capped(value: Any, cap: int, what: str) -> bytes:
    try:
        data = _dumps(value).encode()
    except UnicodeEncodeError as error:
        raise TypeError(f"{what} hold text that is not valid Unicode ({error.reason}).") from None
    if len(data) > cap:
        raise PayloadTooLarge(
            f"{what}: {len(data)} bytes as JSON, more than the {cap} allowed. "
            "Store the data elsewhere (a model, a file) and use its key."
        )
    return data


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
            raise BadSignature(f"unknown payload version {version[:20]!r}")
        for key in self._keys:
            if hmac.compare_digest(signature, _digest(key, job_id, task, data)):
                return data
        raise BadSignature("the payload is not signed with a key of this project for this job")

    def owners(self) -> list[str]:
        """Return one short tag per key, the signing key's first, that tells projects apart."""
        return [
            hmac.digest(key, b"django_jobqueue.owner", "sha256")[:8].hex() for key in self._keys
        ]


def _digest(key: bytes, job_id: str, task: str, data: bytes) -> bytes:
    message = b"\x1f".join((VERSION, job_id.encode(), task.encode(), data))
    return urlsafe_b64encode(hmac.digest(key, message, "sha256")).rstrip(b"=")
