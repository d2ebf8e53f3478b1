"""Values as JSON bytes, and the signature that binds them to one job.

Owns the stored form of arguments and results: arguments are `1.<signature>.<json>`,
results bare JSON. Never imports anything named in a payload.
"""

import hmac
import json
import math
from binascii import b2a_base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from django_jobqueue.exceptions import BadSignature, PayloadTooLarge

VERSION = b"1"
MAX_BITS = 10_000  # of an int; Python reads at most 4,300 digits
MAX_DEPTH = 100  # nesting of lists and mappings; also ends cyclic values

_dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_sorted = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
).encode


Where = str | int | None  # name or number of an argument; None: the return value
Call = tuple[list[Any], dict[str, Any]]  # positional and keyword arguments


def pure_call(args: Iterable[Any], kwargs: Mapping[str, Any]) -> Call:
    """Return the arguments of a call as JSON will give them back.

    Raises: TypeError, naming the argument.
    """
    return (
        [pure(value, n) for n, value in enumerate(args, 1)],
        {name: pure(value, name) for name, value in kwargs.items()},
    )


def dump_call(call: Call, cap: int) -> bytes:
    """Return a call as JSON bytes.

    Raises: PayloadTooLarge above `cap` bytes.
    """
    return _capped({"args": call[0], "kwargs": call[1]}, cap, "the arguments")


def load_call(data: bytes) -> Call:
    """Read what `dump_call` wrote.

    Raises: ValueError if it has another shape.
    """
    call = json.loads(data.decode())
    if not isinstance(call, dict):
        raise ValueError(f"a call is a JSON object, not {type(call).__name__}")
    args, kwargs = call.get("args", []), call.get("kwargs", {})
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise ValueError("a call has a list 'args' and an object 'kwargs'")
    return args, kwargs


def dump_value(value: Any, cap: int) -> bytes:
    """Return a value that is `pure` as JSON bytes.

    Raises: PayloadTooLarge above `cap` bytes.
    """
    return _capped(value, cap, "the return value")


def digest(task: str, arguments: Mapping[str, Any]) -> str:
    """Return a name that is the same for the same task and `pure` arguments, and no others."""
    data = _encoded(_sorted(arguments), "the arguments")
    return sha256(b"\x1f".join((task.encode(), data))).hexdigest()


def load_value(data: bytes | None) -> Any:
    """Read what `dump_value` wrote; a missing value is None."""
    return None if data is None else json.loads(data)


def pure(value: Any, where: Where, depth: int = 0) -> Any:
    """Return a value as JSON would give it back: tuples as lists, UTF-8 bytes as str.

    `where` is the name or number of the argument, None for the return value.
    Raises: TypeError, naming where the value stands and what to pass instead.
    """
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value
    if isinstance(value, int | float):
        return _number(value, where)
    if isinstance(value, str):
        return str.__str__(value)  # an enum's member, a template's safe string
    return _container(value, where, depth)


def _number(value: float, where: Where) -> float:
    if isinstance(value, int):
        if value.bit_length() > MAX_BITS:
            raise TypeError(f"{_place(where)} is a number too long to be read again: pass str.")
        return int(value)
    if math.isfinite(value):
        return float(value)
    raise TypeError(
        f"{_place(where)} is {value!r}, which JSON does not have: pass None or a string."
    )


def _container(value: Any, where: Where, depth: int) -> Any:
    if depth >= MAX_DEPTH:
        raise TypeError(
            f"{_place(where)} is nested deeper than {MAX_DEPTH} levels, or contains itself."
        )
    if isinstance(value, Mapping):
        return {_key(key, where): pure(item, where, depth + 1) for key, item in value.items()}
    if isinstance(value, bytes):
        return _text(value, where)
    if isinstance(value, Sequence) and not isinstance(value, bytearray | memoryview):
        return [pure(item, where, depth + 1) for item in value]
    raise TypeError(
        f"Unsupported type {type(value).__module__}.{type(value).__qualname__} of {_place(where)}: "
        f"jobs store plain JSON, so pass {_advice(value)} instead."
    )


def _key(key: Any, where: Where) -> str:
    if isinstance(key, str):
        return key
    raise TypeError(
        f"{_place(where)} has the mapping key {key!r}; JSON keys are strings: pass str(key)."
    )


def _text(value: bytes, where: Where) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise TypeError(
            f"{_place(where)} is bytes that are not UTF-8: encode it, for example with base64."
        ) from None


def _place(where: Where) -> str:
    if where is None:
        return "the return value"
    return f"positional argument {where}" if isinstance(where, int) else f"argument {where!r}"


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
    data = _encoded(_dumps(value), what)
    if len(data) > cap:
        raise PayloadTooLarge(
            f"{what}: {len(data)} bytes as JSON, more than the {cap} allowed. "
            "Store the data elsewhere (a model, a file) and use its key."
        )
    return data


def _encoded(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise TypeError(f"{what} hold text that is not valid Unicode ({error.reason}).") from None


class Signer:
    """Sign payloads with the first key; accept any of the keys.

    The signature is HMAC-SHA256 over version, job id, task path and JSON, so that
    a payload can't be moved to another job or task.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = [sha256(b"django_jobqueue.payload:" + s.encode()).digest() for s in secrets]

    @property
    def has_older_keys(self) -> bool:
        """Tell whether there are keys that only verify."""
        return len(self._keys) > 1

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
        """Return one short tag per key, the signing key's first, that tells projects apart."""
        return [
            hmac.digest(key, b"django_jobqueue.owner", "sha256")[:8].hex() for key in self._keys
        ]


def _digest(key: bytes, job_id: str, task: str, data: bytes) -> bytes:
    message = b"\x1f".join((VERSION, job_id.encode(), task.encode(), data))
    return b2a_base64(hmac.digest(key, message, "sha256"))[:43]  # unpadded
