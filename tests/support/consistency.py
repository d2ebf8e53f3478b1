"""The auditor: does each job stand in exactly one place, and is all of it there?"""

from collections import defaultdict
from collections.abc import Iterator

from django_jobqueue.engine import Engine
from django_jobqueue.engine.keys import INDEX_OF, INDEXES, JOB_PARTS, KINDS
from django_jobqueue.jobs.states import FINAL, State
from tests.support.acl import many
from tests.support.fairness import fair
from tests.support.limited import limited

EXPIRING = ("minute", "hour", "cached", "starts", "stacks")
LONG = ("task", "schedule", "tags", "limits", "parked")  # names that people give


def assert_consistent(engine: Engine, *, remains: bool = False) -> None:
    """Fail with every violation found among the keys of an alias.

    Looks at all keys, so it belongs to tests alone. `remains`: what scripts leave that were stopped
    half-way, and that nobody called again, is no violation: parts of a new job in no index, and an
    id in the index of another final state, until its retention ends.
    """
    found = list(_violations(engine, remains))
    assert not found, "\n".join(found)


def _violations(engine: Engine, remains: bool) -> Iterator[str]:
    client, prefix = engine.client.redis, engine.client.keys.prefix
    names: dict[str, list[str]] = defaultdict(list)
    pipeline, asked = many(client), []
    for key in client.scan_iter(match=prefix.replace("[", "\\[") + "*", count=1000):
        kind, _, name = key.decode(errors="backslashreplace").removeprefix(prefix).partition(":")
        if kind == "clock":  # of the test loader
            continue
        names[kind].append(name)
        if kind not in KINDS:
            yield f"{key!r}: unknown kind of key"
            continue
        asked.append((key, kind))
        pipeline.type(key).ttl(key)
    answers = iter(pipeline.execute())  # of all keys at once: a test's end waits for them
    for (key, kind), of_type, ttl in zip(asked, answers, answers, strict=True):
        actual = of_type.decode().upper()
        if actual == "NONE" and kind in EXPIRING:
            continue  # its time ended since the scan
        if actual != KINDS[kind].type:
            yield f"{key!r}: is a {actual}, not a {KINDS[kind].type}"
        if kind not in EXPIRING and ttl != -1:
            yield f"{key!r}: has a time to live"
    yield from _jobs(engine, names, remains)
    yield from _slots(engine, names)
    yield from _schedules(engine, names)
    yield from _ended(engine)
    for name in names["wake"]:
        if client.llen(engine.client.keys("wake", name)) > 1:
            yield f"wake:{name}: more than one token"


def _jobs(engine: Engine, names: dict[str, list[str]], remains: bool) -> Iterator[str]:
    places = _places(engine, names)
    records = _records(engine, names["job"])
    for job_id, fields in records.items():
        state, queue = fields.get("state", "?"), fields.get("queue", "?")
        if remains and job_id not in places and "fence" not in fields:
            continue  # it was never known
        if not _is_in_place(places.get(job_id, []), state, queue, remains):
            yield f"job {job_id} is {state} of {queue}, but stands in {places.get(job_id)}"
        if ("payload" in fields) == (job_id in names["payload"]) and fields.get(
            "reason"
        ) != "damaged":
            yield f"job {job_id} has no payload, or two"
        long = {
            name: value for name, value in fields.items() if len(value) > 64 and name not in LONG
        }
        if long:
            yield f"job {job_id} has long values {long}"
    for job_id in set(places) - set(records):
        yield f"{job_id} stands in {places[job_id]}, but has no record"
    for kind in JOB_PARTS[1:]:
        for job_id in set(names[kind]) - set(records):
            if remains and kind == "payload":
                continue
            yield f"{kind}:{job_id} belongs to no job"
    yield from _failed(engine, names, records, remains)
    yield from _tagged(engine, names, records, remains)
    yield from _locked(engine, names, records, remains)
    yield from limited(engine, names, records, remains)
    yield from fair(engine, names, remains)
    yield from _workflows(engine, names, records, remains)


def _records(engine: Engine, ids: list[str]) -> dict[str, dict[str, str]]:
    pipeline = many(engine.client.redis)
    for job_id in ids:
        pipeline.hgetall(engine.client.keys("job", job_id))
    return {
        job_id: {k.decode(): v.decode(errors="replace") for k, v in found.items()}
        for job_id, found in zip(ids, pipeline.execute(), strict=True)
    }


def _is_in_place(found: list[tuple[str, str]], state: str, queue: str, remains: bool) -> bool:
    own = (INDEX_OF.get(state, "?"), queue)
    if remains:
        found = [place for place in found if place == own or place[0] not in FINAL]
    return found == [own]


def _places(engine: Engine, names: dict[str, list[str]]) -> dict[str, list[tuple[str, str]]]:
    """Return each id with the indexes and queues in which it stands."""
    places: dict[str, list[tuple[str, str]]] = defaultdict(list)
    indexes = [(index, queue) for index in INDEXES for queue in names[index]]
    pipeline = many(engine.client.redis)
    for index, queue in indexes:
        pipeline.zrange(engine.client.keys(index, queue), 0, -1)
    for place, ids in zip(indexes, pipeline.execute(), strict=True):
        for job_id in ids:
            places[job_id.decode()].append(place)
    return places


def _failed(
    engine: Engine,
    names: dict[str, list[str]],
    records: dict[str, dict[str, str]],
    remains: bool,
) -> Iterator[str]:
    failed: dict[str, set[str]] = defaultdict(set)
    for job_id, fields in records.items():
        if fields.get("state") == State.FAILED and "task" in fields:
            failed[fields["task"]].add(job_id)
    for task in {*names["failed-of"], *failed}:
        key = engine.client.keys("failed-of", task)
        listed = {job_id.decode() for job_id in engine.client.redis.zrange(key, 0, -1)}
        if remains:
            listed -= {job_id for job_id in records if job_id not in failed[task]}
        if listed != failed[task]:
            yield f"failed-of:{task} lists {listed}, failed are {failed[task]}"
    key = engine.client.keys("failed-tasks")
    tasks = {task.decode() for task in engine.client.redis.zrange(key, 0, -1)}
    if tasks != {task for task in failed if failed[task]}:
        yield f"failed-tasks lists {tasks}, failed are jobs of {set(failed)}"


def _tagged(
    engine: Engine,
    names: dict[str, list[str]],
    records: dict[str, dict[str, str]],
    remains: bool,
) -> Iterator[str]:
    wanted: dict[str, set[str]] = defaultdict(set)
    for job_id, fields in records.items():
        for tag in fields.get("tags", "").split():
            wanted[tag].add(job_id)
    for tag in {*names["tag"], *wanted}:
        key = engine.client.keys("tag", tag)
        listed = {job_id.decode() for job_id in engine.client.redis.zrange(key, 0, -1)}
        if remains:  # a new job that never became known
            listed = {job_id for job_id in listed if "state" in records.get(job_id, {})}
        if listed != wanted[tag]:
            yield f"tag:{tag} lists {listed}, but {wanted[tag]} have it"


def _locked(
    engine: Engine,
    names: dict[str, list[str]],
    records: dict[str, dict[str, str]],
    remains: bool,
) -> Iterator[str]:
    client, keys = engine.client.redis, engine.client.keys
    for digest, lock in () if remains else client.hgetall(keys("unique")).items():
        holder, _, ends = lock.decode().partition(" ")
        record = records.get(holder, {})
        its_digest, until, *_ = [*record.get("unique", "").split(" "), "", ""]
        if its_digest != digest.decode():
            yield f"the lock {digest.decode()} names {holder}, whose key is {its_digest!r}"
        elif not ends and record.get("state") in FINAL:
            yield f"the lock {its_digest} names {holder}, which is final"
        elif not ends and until != "done" and record.get("attempted_at"):
            yield f"the lock {its_digest} names {holder}, which has started"
    leads: dict[str, str] = {}
    for winner in names["duplicates"]:
        ids = client.lrange(keys("duplicates", winner), 0, -1)
        leads |= {one.decode(): winner for one in ids}
        if winner not in records:
            yield f"duplicates:{winner} belongs to no job"
    for one in names["duplicate"]:
        if leads.get(one) != client.get(keys("duplicate", one)).decode():
            yield f"duplicate:{one} leads to a job in whose list it does not stand"


def _schedules(engine: Engine, names: dict[str, list[str]]) -> Iterator[str]:
    key = engine.client.keys("schedules")
    listed = {name.decode() for name in engine.client.redis.zrange(key, 0, -1)}
    if listed != set(names["schedule"]):
        yield f"schedules lists {listed}, records are of {set(names['schedule'])}"


def _ended(engine: Engine) -> Iterator[str]:
    client, keys = engine.client.redis, engine.client.keys
    for noted in client.zrange(keys("ended"), 0, -1):
        state = client.hget(keys("job", noted.decode()), "state")
        if state not in {final.value.encode() for final in FINAL}:
            yield f"{noted.decode()} is noted as ended, but its state is {state!r}"


def _slots(engine: Engine, names: dict[str, list[str]]) -> Iterator[str]:
    client, keys = engine.client.redis, engine.client.keys
    holders: dict[str, str] = {}
    for worker in names["slots"]:
        for slot, held in client.hgetall(keys("slots", worker)).items():
            _, _, job_id, fence = held.decode().split(" ")
            if client.hget(keys("job", job_id), "fence") != fence.encode():
                continue  # a run that lost its lease
            if job_id in holders:
                yield f"job {job_id} is held by {holders[job_id]} and {worker} {slot.decode()}"
            holders[job_id] = f"{worker} {slot.decode()}"


def _workflows(
    engine: Engine,
    names: dict[str, list[str]],
    records: dict[str, dict[str, str]],
    remains: bool,
) -> Iterator[str]:
    """Nothing is left of a workflow that is gone; a member is open until its end was seen."""
    client, keys = engine.client.redis, engine.client.keys
    for kind in ("members", "steps", "open", "failed", "results", "added"):
        for name in set(names[f"workflow-{kind}"]) - set(names["workflow"]):
            if not remains:
                yield f"workflow-{kind}:{name} belongs to no workflow"
    looked_at = {one.decode() for one in client.zrange(keys("workflows"), 0, -1)}
    known = set(names["workflow"])  # one that is listed, and never was stored, goes with time
    if looked_at != known and not (remains and known <= looked_at):
        yield f"workflows lists {looked_at}, records are of {set(names['workflow'])}"
    noted = {one.decode().split(" ")[1] for one in client.zrange(keys("workflow-notes"), 0, -1)}
    for name in set(names["workflow"]) - noted:
        state = (client.hget(keys("workflow", name), "state") or b"").decode()
        left = {one.decode() for one in client.zrange(keys("workflow-open", name), 0, -1)}
        if (not left and state == "running") or (left and state in ("succeeded", "failed")):
            yield f"workflow {name} is {state}, and {len(left)} members are open"
        for number, job_id in client.hgetall(keys("workflow-members", name)).items():
            found = records.get(job_id.decode(), {}).get("state")
            is_open = number.decode() in left
            if number.isdigit() and found and is_open == (State(found) in FINAL):
                yield f"member {number.decode()} of {name} is {found}; open: {is_open}"
