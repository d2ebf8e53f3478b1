"""What is left among the keys when all is over, before and after the end of all retentions."""

from dataclasses import dataclass, replace

from django_jobqueue.engine import Engine
from django_jobqueue.engine.client import Client
from django_jobqueue.jobs.states import FINAL
from tests.support.consistency import assert_consistent
from tests.support.places import places


@dataclass(frozen=True, slots=True)
class Rest:
    """What stays behind when all jobs are trimmed."""

    faults: list[str]
    remains: int  # records and payloads of jobs whose enqueue was refused half-way


def inconsistencies(engine: Engine, *, broken: bool = False) -> list[str]:
    """Return what the auditor finds among the keys; `broken`: scripts were stopped half-way."""
    try:
        assert_consistent(engine, remains=broken)
    except AssertionError as error:
        return str(error).splitlines()
    return []


def strays(engine: Engine) -> list[str]:
    """Return the locks, places and entries of keys whose job is gone, or does not stand for them.

    A place that a broken script left is freed once another job wants it.
    """
    client, keys, found = engine.client.redis, engine.client.keys, []

    def record(job_id: str, *names: str) -> list[str]:
        return [(one or b"").decode() for one in client.hmget(keys("job", job_id), names)]

    for digest, lock in client.hgetall(keys("unique")).items():
        holder, _, ends = lock.decode().partition(" ")
        state, unique = record(holder, "state", "unique")
        if not unique.startswith(digest.decode()) or (not ends and state in FINAL):
            found.append(f"the lock {digest.decode()} names {holder}, which is {state or 'gone'}")
    for kind in ("places", "parked"):
        for key in _keys(engine, kind):
            name = key.decode().removeprefix(f"{keys.prefix}{kind}:")
            waits = client.exists(keys("parked", name))
            for job_id in [one.decode() for one in client.zrange(key, 0, -1)]:
                state, parked = record(job_id, "state", "parked")
                is_its = (state, parked) == ("waiting", name)
                if kind == "places":
                    is_its = state == "running" or not waits
                if not state or not is_its:
                    found.append(f"{kind}:{name} names {job_id}, which is {state or 'gone'}")
    return found


def trim_all(engine: Engine, *, broken: bool) -> Rest:
    """Let all retentions end; after that no index may hold an id."""
    client = engine.client
    options = replace(client.options, retention=dict.fromkeys(FINAL, 0.0))
    trimmer = Engine(Client(client.alias, options, scripts=client.scripts))
    following = None
    while following != "":
        following = trimmer.queues.trim(following or "").next
    trimmer.client.close()
    faults = [
        f"after the trim {index}:{name} holds {ids}"
        for index, found in places(engine).items()
        for name, ids in found.items()
    ]
    remains = sum(len(_keys(engine, kind)) for kind in ("job", "payload"))
    return Rest(faults + inconsistencies(engine, broken=broken), remains)


def _keys(engine: Engine, kind: str) -> list[bytes]:
    return list(engine.client.redis.scan_iter(match=f"{engine.client.keys.prefix}{kind}:*"))
