"""Random damage of what stands in Redis: keys, types, fields, members and bytes."""

import random
from contextlib import suppress
from typing import Any

from redis.exceptions import ResponseError

from django_jobqueue.engine import Engine
from django_jobqueue.engine.keys import INDEXES, KINDS

LONG = b"9" * 5_000
WORDS = (
    b"",
    b" ",
    b"\xff",
    b"\xc3(",
    b"\x00",
    b"\n",
    b"\\xff",
    b"-",
    b"*",
    b"a/b",
    b"a b c d e f g h",
    b"0",
    b"-1",
    b"1.5",
    b"inf",
    b"nan",
    b"-99999999999999",
    b"99999999999999",
    b"9" * 400,
    LONG,
    b"1700000000000",
    b"queued",
    b"running",
    b"failed",
    b"scheduled",
    b"succeeded",
    b"waiting",
    b"null",
    b'{"a":"\\ud800"}',
    b"[" * 3_000,
    b"1 1-ffffffffffff worker 1 9 failed \xff\n\xff",
    b"1700000000000 \xff",
    b"1 2 \xff",
    "\u202e😀".encode(),
    b"tests.project.tasks.noop",
    b"\xff.\xff",
)
SCORES = ("-inf", "inf", "-1", "0", "1", "1e300", "-1e300", "1700000000000", "99999999999999")
TYPES = ("string", "hash", "list", "set", "zset")


class Damager:
    """Somebody who writes anything anywhere, with the same effects for the same dice."""

    def __init__(self, engine: Engine, rng: random.Random) -> None:
        self._client: Any = engine.client.redis
        self._prefix = engine.client.keys.prefix.encode()
        self._rng = rng

    def damage(self) -> str:
        """Damage one thing; return what was done, for people."""
        ways = (self._retype, self._change, self._remove, self._misplace, self._rename)
        way = self._rng.choices(ways, (2, 9, 1, 3, 3))[0]
        try:
            return way()
        except ResponseError as error:  # the worker made another type of it meanwhile
            return f"{way.__name__}: {error}"

    def _key(self) -> bytes:
        """Return a key that stands there or, now and then, one that nobody has made."""
        known = self._known()
        if known and self._rng.random() < 0.8:
            return self._rng.choice(known)
        kind = self._rng.choice(sorted(KINDS))
        return self._prefix + kind.encode() + (b":" + self._word() if KINDS[kind].of else b"")

    def _word(self) -> bytes:
        """Return a word: a strange one, or one that means something elsewhere."""
        choice = self._rng.random()
        if choice < 0.75:
            return self._rng.choice(WORDS)
        if choice < 0.85:
            return self._rng.randbytes(self._rng.randrange(1, 40))
        known = self._known()
        return self._rng.choice(known).rpartition(b":")[2] if known else b"x"

    def _known(self, kind: bytes = b"") -> list[bytes]:
        """Return the keys that stand there, in order."""
        found = self._client.keys(self._prefix + b"*")
        return sorted(key for key in found if key.startswith(self._prefix + kind))

    def _mangled(self, value: bytes) -> bytes:
        """Return a value with a byte changed, a part cut off, or another value."""
        choice, at = self._rng.random(), self._rng.randrange(len(value) + 1)
        if choice < 0.3:
            return value[:at]
        if choice < 0.6:
            return value[:at] + self._rng.randbytes(1) + value[at + 1 :]
        return self._word()

    def _remove(self) -> str:
        key = self._key()
        self._client.delete(key)
        return f"removed {key!r}"

    def _retype(self) -> str:
        key, kind = self._key(), self._rng.choice(TYPES)
        self._client.delete(key)
        self._add(key, kind)
        return f"made a {kind} of {key!r}"

    def _change(self) -> str:
        key = self._key()
        kind = self._client.type(key).decode()
        if kind == "none":
            name = key.removeprefix(self._prefix).partition(b":")[0].decode()
            kind = KINDS[name].type.lower() if name in KINDS else "string"
        return f"put {self._add(key, kind)} into {key!r}"

    def _misplace(self) -> str:
        """Put a member that no client has made into an index of a queue."""
        indexes = [key for kind in INDEXES for key in self._known(kind.encode() + b":")]
        return f"put {self._add(self._rng.choice(indexes or [self._key()]), 'zset')} there"

    def _rename(self) -> str:
        """Give a job, a queue, a worker or a task another name, wherever it stands."""
        kind = self._rng.choice((b"job:", b"queued:", b"slots:", b"failed-of:"))
        known = self._known(kind)
        if not known:
            return "-"
        old, new = self._rng.choice(known).removeprefix(self._prefix + kind), self._word()
        for key in self._known():
            with suppress(ResponseError):  # the worker has removed it, or made another of it
                self._rename_in(key, old, new)
        return f"renamed {old!r} to {new[:60]!r}"

    def _rename_in(self, key: bytes, old: bytes, new: bytes) -> None:
        """Write the new name into a key and into its own name."""
        kind = self._client.type(key).decode()
        if kind == "zset" and (score := self._client.zscore(key, old)) is not None:
            self._client.zrem(key, old)
            self._client.zadd(key, {new: score})
        elif kind == "set" and self._client.srem(key, old):
            self._client.sadd(key, new)
        elif kind == "hash":
            for name, value in self._client.hgetall(key).items():
                words = [new if word == old else word for word in value.split(b" ")]
                self._client.hset(key, name, b" ".join(words))
        if key.endswith(b":" + old):
            self._client.rename(key, key[: -len(old)] + new if old else key + new)

    def _add(self, key: bytes, kind: str) -> str:
        """Write something into a key of a type."""
        word = self._word()
        if kind == "hash":
            fields = sorted(self._client.hgetall(key).items())
            name, value = self._rng.choice(fields) if fields else (self._word(), b"")
            name = self._word() if self._rng.random() < 0.15 else name
            word = self._mangled(value)
            self._client.hset(key, name, word)
            return f"{name[:60]!r}: {word[:60]!r}"
        if kind == "zset":
            score = self._rng.choice(SCORES)
            members = self._client.zrange(key, 0, -1)
            if members and self._rng.random() < 0.5:
                word = self._rng.choice(members)
            self._client.zadd(key, {word: score})
            return f"{word[:60]!r} with {score}"
        if kind == "list":
            self._client.rpush(key, self._mangled((self._client.lrange(key, -1, -1) or [b""])[0]))
        elif kind == "set":
            self._client.sadd(key, word)
        else:
            word = self._mangled(self._client.get(key) or b"")
            self._client.set(key, word)
        return f"{word[:60]!r}"
