"""Convert arguments, metadata and results to plain JSON of a limited size, and back.

Next: jobs/signing.py signs the arguments. A result is stored unsigned.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from pathlib import PurePath
from typing import Any
from uuid import UUID

from django.utils.datastructures import MultiValueDict
from django.utils.functional import Promise

from django_jobqueue.exceptions import PayloadTooLarge

MAX_BITS = 10_000  # of an int; Python parses at most 4,300 digits
MAX_DEPTH = 100  # nesting of lists and mappings; also stops at cyclic values


def _encoder() -> Callable[[Any], str]:
    """Return a function that encodes values without cycles as compact JSON.

    JSONEncoder.encode makes CPython's encoder anew for each value, which costs as much as its use.
    """
    encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # not CPython
        return encoder.encode
    text: Any = json.encoder.encode_basestring
    chunks = make(None, encoder.default, text, None, ":", ",", False, False, False)
    return lambda value: "".join(chunks(value, 0))


_dumps = _encoder()
_sorted = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
).encode
_scan = json.JSONDecoder().raw_decode

Where = str | int | None  # name or number of an argument; None: the return value
MAX_METADATA = 4096  # bytes as JSON


Call = tuple[list[Any], dict[str, Any], dict[str, Any]]  # args, kwargs, metadata


def pure_call(args: Iterable[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a call as they are after a JSON round trip.

    Raises: TypeError, naming the argument.
    """
    return (
        [pure(value, n) for n, value in enumerate(args, 1)],
        {name: pure(value, name) for name, value in kwargs.items()},
    )


def pure_metadata(given: Any) -> dict[str, Any]:
    """Return the metadata of a job as it is after a JSON round trip.

    Raises: TypeError, naming the key; PayloadTooLarge above 4 KiB.
    """
    if not isinstance(given, Mapping):
        raise TypeError(f"metadata={given!r}: give a mapping, such as {{'tenant': 7}}.")
    found = {
        _key(key, "metadata itself"): pure(value, f"metadata {key!r}")
        for key, value in given.items()
    }
    _capped(found, MAX_METADATA, "the metadata")
    return found


def dump_call(args: list[Any], kwargs: dict[str, Any], metadata: dict[str, Any], cap: int) -> bytes:
    """Return a call as JSON bytes: a list if it has positional arguments alone, else an object.

    Raises: PayloadTooLarge above `cap` bytes.
    """
    if not kwargs and not metadata:
        return _capped(args, cap, "the arguments")
    parts = {"args": args, "kwargs": kwargs, "metadata": metadata}
    parts = {name: part for name, part in parts.items() if part}
    return _capped(parts, cap, "the arguments and metadata" if metadata else "the arguments")


def load_call(data: bytes) -> Call:
    """Read what `dump_call` wrote.

    Raises: ValueError if it has another shape.
    """
    found = _loads(data.decode().strip(" \t\r\n"))
    if isinstance(found, list):
        return found, {}, {}
    if not isinstance(found, dict):
        raise ValueError(f"a call is a JSON list or object, not {type(found).__name__}")
    args, kwargs = found.get("args", []), found.get("kwargs", {})
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise ValueError("a call has a list 'args' and an object 'kwargs'")
    metadata = found.get("metadata", {})
    if not isinstance(metadata, dict):
        raise ValueError("the metadata of a call is an object")
    return args, kwargs, metadata


def _loads(text: str) -> Any:
    """Parse JSON that has no white space around it; json.loads looks for some, twice."""
    found, end = _scan(text)
    if end != len(text):
        raise ValueError(f"the JSON ends at character {end}, and there is more")
    return found


def dump_value(value: Any, cap: int) -> bytes:
    """Return a value that is `pure` as JSON bytes.

    Raises: PayloadTooLarge above `cap` bytes.
    """
    return _capped(value, cap, "the return value")


def digest(task: str, arguments: Mapping[str, Any]) -> str:
    """Return a digest that is specific to a task with these `pure` arguments."""
    data = _encoded(_sorted(arguments), "the arguments")
    return sha256(b"\x1f".join((task.encode(), data))).hexdigest()


def load_value(data: bytes | None) -> Any:
    """Read what `dump_value` wrote; a missing value is None."""
    return None if data is None else json.loads(data)


def pure(value: Any, where: Where, depth: int = 0) -> Any:
    """Return a value as it is after a JSON round trip: tuples as lists, UTF-8 bytes as str.

    `where` is the name or number of the argument, None for the return value.
    Raises: TypeError, naming the argument and what to pass instead.
    """
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value
    if kind is int and value.bit_length() <= MAX_BITS:  # most arguments are keys
        return value
    if isinstance(value, int | float):
        return _number(value, where)
    if isinstance(value, str):
        return str.__str__(value)  # such as an enum member or a safe string
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
    if isinstance(value, Mapping) and not isinstance(value, MultiValueDict):
        return {_key(key, where): pure(item, where, depth + 1) for key, item in value.items()}
    if isinstance(value, bytes):
        return _text(value, where)
    if isinstance(value, Sequence) and not isinstance(value, bytearray | memoryview):
        return [pure(item, where, depth + 1) for item in value]
    raise TypeError(
        f"Unsupported type {type(value).__module__}.{type(value).__qualname__} of {_place(where)}: "
        f"jobs store plain JSON, so {'return' if where is None else 'pass'} {_advice(value)} "
        "instead."
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
    if isinstance(where, str) and where.startswith("metadata "):
        return where
    return f"positional argument {where}" if isinstance(where, int) else f"argument {where!r}"


_ADVICE: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (lambda v: isinstance(v, type), "its name"),
    (lambda v: hasattr(v, "pk"), "its .pk"),
    (lambda v: hasattr(v, "values_list"), 'list(value.values_list("pk", flat=True))'),
    (lambda v: hasattr(v, "META"), "what is needed of the request, such as request.user.pk"),
    (lambda v: hasattr(v, "chunks"), "the name under which default_storage.save() stored it"),
    (lambda v: isinstance(v, MultiValueDict), "dict(value.lists()), or value.dict()"),
    (lambda v: isinstance(v, date | time), "value.isoformat()"),
    (lambda v: isinstance(v, timedelta), "value.total_seconds()"),
    (lambda v: isinstance(v, Decimal | UUID | PurePath | Promise | Exception), "str(value)"),
    (lambda v: isinstance(v, Enum), "value.value"),
    (is_dataclass, "dataclasses.asdict(value)"),
    (lambda v: isinstance(v, Iterable), "a list"),
    (lambda v: True, "a string, a number or a key by which it can be found"),
)


def _advice(value: Any) -> str:
    return next(advice for fits, advice in _ADVICE if fits(value))


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
        raise TypeError(f"{what}: text that is not valid Unicode ({error.reason}).") from None
