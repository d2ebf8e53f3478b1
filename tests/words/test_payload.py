"""Values as JSON bytes, and the signature that binds them to one job."""

import math
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict
from django.test import RequestFactory
from django.utils.translation import gettext_lazy

from django_jobqueue.exceptions import BadSignature, PayloadTooLarge
from django_jobqueue.jobs import payload
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.payload import MAX_DEPTH, load_call, load_value, pure, pure_call
from django_jobqueue.jobs.signing import Signer

CAP = 65_536
TASK = "shop.tasks.send"


def dump_call(args: list[Any], kwargs: dict[str, Any], cap: int) -> bytes:
    """Take both steps of a caller."""
    return payload.dump_call(*pure_call(args, kwargs), {}, cap)


def dump_value(value: object, cap: int) -> bytes:
    return payload.dump_value(pure(value, None), cap)


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Kind(Enum):
    ONE = object()


@dataclass
class Row:
    pk: int


@dataclass
class Plain:
    number: int


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1,
        12345678901234567,
        2**80,
        1.5,
        "",
        "é€😀",
        "\x00\n",
        [],
        {},
        [[], {}, [None]],
        {"a": [1, {"b": None}]},
        "1e400",
    ],
)
def test_json_comes_back_as_it_was(value: object) -> None:
    """Plain values survive, types included."""
    args, kwargs, _ = load_call(dump_call([value], {"name": value}, CAP))

    assert args == [value]
    assert kwargs == {"name": value}
    assert type(args[0]) is type(value)
    assert load_value(dump_value(value, CAP)) == value


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ((1, (2,)), [1, [2]]),
        (b"caf\xc3\xa9", "café"),
        (range(3), [0, 1, 2]),
        (MappingProxyType({"a": (1,)}), {"a": [1]}),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
    ],
)
def test_what_json_has_another_word_for(value: object, stored: object) -> None:
    """Tuples become lists, UTF-8 bytes text, enum members their values."""
    assert load_call(dump_call([value], {}, CAP))[0] == [stored]


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), "value.isoformat()"),
        (date(2026, 1, 1), "value.isoformat()"),
        (time(12), "value.isoformat()"),
        (timedelta(1), "value.total_seconds()"),
        (Decimal("1.1"), "str(value)"),
        (uuid.UUID(int=0), "str(value)"),
        (RequestFactory().get("/"), "what is needed of the request, such as request.user.pk"),
        (SimpleUploadedFile("a.txt", b"a"), "the name under which default_storage.save()"),
        (gettext_lazy("text"), "str(value)"),
        (Path("a.txt"), "str(value)"),
        (QueryDict("a=1&a=2"), "dict(value.lists()), or value.dict()"),
        (User.objects.all(), 'list(value.values_list("pk", flat=True))'),
        (Plain(5), "dataclasses.asdict(value)"),
        (Kind.ONE, "value.value"),
        (Row, "its name"),
        ({1, 2}, "a list"),
        (iter([1]), "a list"),
        (Row(5), "its .pk"),
        (object(), "a string, a number or a key"),
        (1j, "a string, a number or a key"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_other_types_are_refused_with_advice(value: object, advice: str) -> None:
    """The message says which argument, which type, and what to pass instead."""
    with pytest.raises(TypeError) as caught:
        dump_call([1, value], {}, CAP)
    message = str(caught.value)
    assert "positional argument 2" in message
    assert type(value).__qualname__ in message
    assert f"pass {advice}" in message


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_are_refused(value: float) -> None:
    """NaN and the infinities would be read by nobody else."""
    with pytest.raises(TypeError, match=r"argument 'rate' is (nan|-?inf), which JSON does not"):
        dump_call([], {"rate": value}, CAP)


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: {"a": v}, lambda v: ([{"b": (v,)}],)])
def test_faults_are_found_at_any_depth(wrap: Any) -> None:
    """The argument is named, however deep the value stands."""
    for fault in (math.nan, object(), b"\xff", {1: 2}):
        with pytest.raises(TypeError, match="argument 'rows'"):
            dump_call([], {"rows": wrap(fault)}, CAP)


def test_keys_that_are_no_strings_are_refused() -> None:
    """JSON would turn 1 into "1", and two keys into one."""
    with pytest.raises(TypeError, match=r"positional argument 1 has the mapping key 1; .*str\(key"):
        dump_call([{1: "a"}], {}, CAP)


def test_bytes_that_are_no_text_are_refused() -> None:
    """The message tells what to do with them."""
    with pytest.raises(TypeError, match=r"positional argument 1 is bytes .* base64"):
        dump_call([b"\xff\xfe"], {}, CAP)


@pytest.mark.parametrize("value", [bytearray(b"a"), memoryview(b"a")])
def test_buffers_are_refused(value: object) -> None:
    """A list of numbers is not what the caller meant."""
    with pytest.raises(TypeError, match="Unsupported type"):
        dump_call([value], {}, CAP)


def test_nesting_has_an_end() -> None:
    """At the limit a value passes, one deeper it is refused."""
    value: list[Any] = []
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    assert pure(value, "it") == value
    with pytest.raises(TypeError, match=f"nested deeper than {MAX_DEPTH} levels"):
        pure([value], "it")


def test_value_that_contains_itself_is_refused() -> None:
    """A cycle ends with a message, even one with two ways round."""
    loop: list[Any] = []
    loop += [loop, {"again": loop}]
    with pytest.raises(TypeError, match=r"positional argument 1 .* or contains itself"):
        dump_call([loop], {}, CAP)


def test_text_that_is_no_unicode_is_refused() -> None:
    """A lone surrogate can't be written as UTF-8."""
    with pytest.raises(TypeError, match="the arguments: text that is not valid Unicode"):
        dump_call(["\ud800"], {}, CAP)
    with pytest.raises(TypeError, match="not valid Unicode"):
        dump_value({"\udfff": 1}, CAP)


def test_number_beyond_pythons_own_limit_is_refused() -> None:
    """An integer of over 4,300 digits could not be read again; the argument is named."""
    with pytest.raises(TypeError, match="positional argument 1"):
        dump_call([10**5000], {}, CAP)


def test_return_value_is_named_as_such() -> None:
    """The same rules hold for what a task returns."""
    with pytest.raises(TypeError, match="the return value"):
        dump_value(object(), CAP)
    with pytest.raises(PayloadTooLarge, match="the return value: 12 bytes as JSON"):
        dump_value("0123456789", 11)


def test_cap_counts_the_bytes_of_the_json() -> None:
    """At the cap a call passes, one byte above it is refused, with both numbers."""
    size = len(dump_call(["é"], {}, CAP))
    assert dump_call(["é"], {}, size)
    with pytest.raises(PayloadTooLarge, match=f"{size} bytes as JSON, more than the {size - 1} "):
        dump_call(["é"], {}, size - 1)


def test_json_is_compact_and_readable() -> None:
    """No blanks, no escapes for what UTF-8 has."""
    assert dump_call(["é"], {"a": 1}, CAP) == '{"args":["é"],"kwargs":{"a":1}}'.encode()


def test_positional_arguments_alone_are_a_list() -> None:
    """Most calls have no others, and the name of the list would cost each record some bytes."""
    assert dump_call(["é", 1], {}, CAP) == '["é",1]'.encode()
    assert payload.dump_call([1], {}, {"a": 1}, CAP) == b'{"args":[1],"metadata":{"a":1}}'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[] {}",
        b"7",
        b"null",
        b"{",
        b"\xff",
        b'{"args":{}}',
        b'{"kwargs":[]}',
        b'{"args":1}',
        b"{} {}",
    ],
)
def test_call_of_another_shape_is_refused(data: bytes) -> None:
    """What did not come from `dump_call` is a ValueError, not a crash."""
    with pytest.raises(ValueError):  # noqa: PT011 - json has messages of its own
        load_call(data)


def test_parts_of_a_call_may_be_missing() -> None:
    """A later writer may leave out what is empty."""
    assert load_call(b"{}") == ([], {}, {})


def test_white_space_around_a_call_is_allowed() -> None:
    """A client in another language may write it so."""
    assert load_call(b' \r\n{"args": [1]}\t') == ([1], {}, {})


def test_missing_value_is_none() -> None:
    """A result that was not stored was None."""
    assert load_value(None) is None
    assert load_value(b"null") is None


def test_signed_payload_verifies() -> None:
    """Version and signature stand before the JSON, in one line of dots."""
    signer, job_id = Signer(["key"]), new_id()
    data = b'{"args":["a.b.c"],"kwargs":{}}'

    payload = signer.sign(job_id, TASK, data)

    assert payload.startswith(b"1.")
    assert payload.endswith(data)
    assert signer.verify(job_id, TASK, payload) == data


def test_signature_binds_id_and_task() -> None:
    """A payload can't be moved to another job, nor to another function."""
    signer, job_id = Signer(["key"]), new_id()
    payload = signer.sign(job_id, TASK, b"{}")

    for other_id, task in ((new_id(), TASK), (job_id, "os.system"), (job_id, "")):
        with pytest.raises(BadSignature, match="not signed with a key of this project for this"):
            signer.verify(other_id, task, payload)


def test_no_byte_can_be_changed() -> None:
    """Each single flip, cut or addition is found."""
    signer, job_id = Signer(["key"]), new_id()
    payload = signer.sign(job_id, TASK, b'{"args":[1]}')

    for at in range(len(payload)):
        changed = payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1 :]
        with pytest.raises(BadSignature):
            signer.verify(job_id, TASK, changed)
    for changed in (payload[:-1], payload + b" ", payload[1:], b"", b"1", b"1.", b"1..", b"{}"):
        with pytest.raises(BadSignature):
            signer.verify(job_id, TASK, changed)


def test_unknown_version_is_told() -> None:
    """A payload of a later version is not mistaken for a forgery."""
    signer, job_id = Signer(["key"]), new_id()
    payload = b"2" + signer.sign(job_id, TASK, b"{}")[1:]
    with pytest.raises(BadSignature, match="unknown payload version: 2"):
        signer.verify(job_id, TASK, payload)


def test_rotation_accepts_the_old_keys_and_signs_with_the_new() -> None:
    """The newest key signs; each listed one verifies, a dropped one no longer."""
    job_id = new_id()
    old, both, new = Signer(["old"]), Signer(["new", "old"]), Signer(["new"])

    assert both.verify(job_id, TASK, old.sign(job_id, TASK, b"{}")) == b"{}"
    assert new.verify(job_id, TASK, both.sign(job_id, TASK, b"{}")) == b"{}"
    with pytest.raises(BadSignature):
        new.verify(job_id, TASK, old.sign(job_id, TASK, b"{}"))


def test_owner_tags_tell_keys_apart_and_give_nothing_away() -> None:
    """One short tag per key, in order, the same in every process."""
    tags = Signer(["new", "old"]).owners()

    assert tags == [*Signer(["new"]).owners(), *Signer(["old"]).owners()]
    assert len(set(tags)) == 2
    assert all(len(tag) == 16 and "old" not in tag for tag in tags)
