"""The auditor of limits: who waits for a key, and who holds its places."""

from collections.abc import Iterator, Mapping

from django_jobqueue.engine import Engine

Records = Mapping[str, Mapping[str, str]]


def limited(
    engine: Engine, names: Mapping[str, list[str]], records: Records, remains: bool
) -> Iterator[str]:
    """Yield what is wrong with the keys of limits; see assert_consistent."""
    yield from _parked(engine, names.get("parked", ()), records, remains)
    yield from _places(engine, names.get("places", ()), records, remains)
    for name in names.get("older", ()):
        for job_id in _members(engine, "older", name):
            if not remains and f"o:{name}" not in records.get(job_id, {}).get("limits", ""):
                yield f"older:{name} lists {job_id}, whose limits do not say so"


def _parked(
    engine: Engine, names: "list[str] | tuple[()]", records: Records, remains: bool
) -> Iterator[str]:
    wanted: dict[str, set[str]] = {name: set() for name in names}
    for job_id, fields in records.items():
        if remains and not _is_known(engine, job_id, fields):
            continue
        if fields.get("state") == "waiting" and "parked" in fields:
            wanted.setdefault(fields["parked"], set()).add(job_id)
        if (
            fields.get("parked")
            and fields.get("state") not in ("waiting", "queued")
            and not remains
        ):
            yield f"{job_id} is {fields.get('state')}, and still parked at {fields['parked']}"
    awaited = {name.decode() for name in engine.client.redis.zrange(_key(engine, "awaited"), 0, -1)}
    for name, ids in wanted.items():
        listed = set(_members(engine, "parked", name))
        if listed != ids and not (remains and ids <= listed):
            yield f"parked:{name} lists {listed}, but {ids} wait there"
        if ids and name not in awaited:
            yield f"jobs wait for {name}, which is not awaited"
        for job_id in ids & listed:
            queue = records[job_id]["queue"]
            client, keys = engine.client.redis, engine.client.keys
            scores = [client.zscore(keys(kind, of), job_id)
                      for kind, of in (("parked", name), ("waiting", queue))]  # fmt: skip
            if scores[0] != scores[1]:
                yield f"{job_id} has two places in the line of {name}: {scores}"


def _is_known(engine: Engine, job_id: str, fields: Mapping[str, str]) -> bool:
    """Return whether a waiting job was accepted: else its enqueue was refused half-way."""
    waiting = engine.client.keys("waiting", fields.get("queue", ""))
    is_listed = engine.client.redis.zscore(waiting, job_id) is not None
    return fields.get("state") != "waiting" or is_listed


def _places(
    engine: Engine, names: "list[str] | tuple[()]", records: Records, remains: bool
) -> Iterator[str]:
    noted = engine.client.redis.hgetall(_key(engine, "limits"))
    wanted: dict[str, set[str]] = {}
    unsure: dict[str, set[str]] = {}  # the numbers were changed while they ran
    for job_id, fields in records.items():
        changed = fields.get("task", "").encode() in noted
        for word in fields.get("limits", "").split():
            is_rate = "r" in word.partition(":")[0]
            if fields.get("state") == "running" and not is_rate:
                found = unsure if changed else wanted
                found.setdefault(word.partition(":")[2], set()).add(job_id)
    for name in {*names, *wanted}:
        listed, sure = set(_members(engine, "places", name)), wanted.get(name, set())
        if not sure <= listed or not (remains or listed <= sure | unsure.get(name, set())):
            yield f"places:{name} lists {listed}, but {sure} run"


def _members(engine: Engine, kind: str, name: str) -> list[str]:
    found = engine.client.redis.zrange(engine.client.keys(kind, name), 0, -1)
    return [job_id.decode() for job_id in found]


def _key(engine: Engine, kind: str) -> str:
    return engine.client.keys(kind)
