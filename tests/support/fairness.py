"""The auditor of queues that number fairly: they know keys only as long as they have jobs."""

from collections.abc import Iterator, Mapping

from django_jobqueue.engine import Engine


def fair(engine: Engine, names: Mapping[str, list[str]], remains: bool) -> Iterator[str]:
    """Yield what is wrong with the keys of fairness; see assert_consistent."""
    client, keys = engine.client.redis, engine.client.keys
    noted = (client.hget(keys("meta"), "fair") or b"").decode(errors="backslashreplace")
    known, queued = set(names.get("fair", ())), set(names.get("queued", ()))
    if noted and not (noted[0] == noted[-1] == " " and noted.split()):
        yield f"meta names the fair queues as {noted!r}"
    if remains:
        return
    if known != set(noted.split()):
        yield f"meta names the fair queues {noted.split()}, there are {known}"
    for queue in known - queued:
        yield f"fair:{queue} is left, and no job is queued"
    number = int(client.get(keys("sequence")) or 0)
    for queue in known:
        found: dict[bytes, float] = dict(client.zscan_iter(keys("fair", queue)))
        for member, score in found.items():
            steps = 100 - int(member.partition(b":")[0])
            if not 0 < score - steps * 10**13 <= number:
                yield f"fair:{queue} has {member!r} at {score}; {number} is the last number"
