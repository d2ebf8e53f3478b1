"""All keys of an alias at one instant, as plain values: one round trip, so after each step."""

from typing import Any, NamedTuple

from django_jobqueue.engine import Engine
from django_jobqueue.engine.keys import INDEXES, JOB_PARTS

Keys = dict[str, Any]  # hash {str: str} · sorted set {str: float} · list · set · string

_READ = """
local found = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do
  local kind, value = redis.call('TYPE', key).ok, nil
  if kind == 'hash' then value = redis.call('HGETALL', key)
  elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'list' then value = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'set' then value = redis.call('SMEMBERS', key)
  else value = redis.call('GET', key) end
  found[#found + 1] = {string.sub(key, #ARGV[1] + 1), kind, value, redis.call('PTTL', key)}
end
return found
"""


class Snapshot(NamedTuple):
    """What stood in Redis, by key without the prefix."""

    keys: Keys
    expiring: frozenset[str]  # keys that have a time to live

    def fields(self, job_id: str) -> dict[str, str]:
        """Return the record of a job; of a key that is no hash: none."""
        found = self.keys.get(f"job:{job_id}")
        return found if isinstance(found, dict) else {}

    def records(self) -> dict[str, dict[str, str]]:
        """Return all jobs that have a record."""
        ids = (key.removeprefix("job:") for key in self.keys if key.startswith("job:"))
        return {job_id: self.fields(job_id) for job_id in ids}

    def named(self, kind: str) -> dict[str, Any]:
        """Return the keys of one kind by name."""
        start = f"{kind}:"
        return {k.removeprefix(start): v for k, v in self.keys.items() if k.startswith(start)}

    def places(self) -> dict[str, list[tuple[str, str]]]:
        """Return each id with the indexes and queues in which it stands."""
        places: dict[str, list[tuple[str, str]]] = {}
        for index in INDEXES:
            for queue, ids in self.named(index).items():
                for job_id in ids:
                    places.setdefault(job_id, []).append((index, queue))
        return places


def touched(before: Snapshot, now: Snapshot) -> dict[str, set[str]]:
    """Return the keys that differ, each with the ids of the jobs that differ there."""
    found: dict[str, set[str]] = {}
    for key in {*before.keys, *now.keys}:
        old, new = before.keys.get(key), now.keys.get(key)
        if old == new:
            continue
        kind, _, name = key.partition(":")
        found[key] = {name} if kind in JOB_PARTS else set()
        if kind in INDEXES or kind in ("failed-of", "tag"):
            found[key] = {job_id for job_id, _ in {*(old or {}).items()} ^ {*(new or {}).items()}}
    return found


def take(engine: Engine) -> Snapshot:
    """Read all keys; the clock of the test loader is left out."""
    keys: Keys = {}
    expiring = []
    found: Any = engine.client.redis.eval(_READ, 0, engine.client.keys.prefix)
    for name, kind, value, ttl in found:
        key = text(name)
        if key == "clock":
            continue
        keys[key] = _plain(kind, value)
        if ttl >= 0:
            expiring.append(key)
    return Snapshot(keys, frozenset(expiring))


def read(script: str, reply: Any) -> Any:
    """Return a script's reply in a form that can be compared: text, fields as dicts, sorted."""
    words = text(reply)
    if script == "get_job" and words:
        words[0] = _fields(words[0])
    elif script == "pop_ended":
        for job in filter(None, words[1::2]):
            job[0] = _fields(job[0])
    elif script in ("claim", "finish") and "job" in words:
        words[words.index("job") + 6] = _fields(words[words.index("job") + 6])
    elif script == "renew":
        words = sorted(words[at : at + 4] for at in range(0, len(words), 4))
    return words


def _fields(words: Any) -> dict[str, str]:
    return words if isinstance(words, dict) else dict(zip(words[::2], words[1::2], strict=True))


def text(value: Any) -> Any:
    """Return a reply with strings for bytes, however deep."""
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    return [text(part) for part in value] if isinstance(value, list) else value


def _plain(kind: bytes, value: Any) -> Any:
    words = text(value)
    if kind == b"hash":
        return dict(zip(words[::2], words[1::2], strict=True))
    if kind == b"zset":
        return dict(zip(words[::2], map(float, words[1::2]), strict=True))
    return set(words) if kind == b"set" else words
