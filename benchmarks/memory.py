"""What a queued job costs in the server's memory, all its keys and indexes included."""

from dataclasses import dataclass

from benchmarks.producer import fill
from django_jobqueue.engine import Engine

SAMPLES = 100  # elements of the index that MEMORY USAGE looks at
STEP = 50_000  # jobs whose ids are held at a time


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes per queued no-op job, and the parts that MEMORY USAGE tells of."""

    server: str
    jobs: int
    per_job: float  # growth of used_memory, by jobs
    record: int  # the hash
    payload: int  # the string
    index: float  # share of the ZSET "queued"

    @property
    def rest(self) -> float:
        """Bytes that belong to no key: the tables of the keyspace."""
        return self.per_job - self.record - self.payload - self.index


def measure(engine: Engine, server: str, jobs: int) -> Memory:
    """Enqueue jobs on an empty server and return what they cost."""
    client, keys = engine.client.redis, engine.client.keys
    last = fill(1)[0]  # loads the script and makes the keys that there is one of
    before = _used(engine)
    for start in range(0, jobs, STEP):
        last = fill(min(STEP, jobs - start))[-1]
    grown = _used(engine) - before
    index = client.memory_usage(keys("queued", "default"), samples=SAMPLES)
    return Memory(
        server=server,
        jobs=jobs,
        per_job=grown / jobs,
        record=client.memory_usage(keys("job", last)) or 0,
        payload=client.memory_usage(keys("payload", last)) or 0,
        index=(index or 0) / (jobs + 1),
    )


def _used(engine: Engine) -> int:
    return int(engine.client.redis.info("memory")["used_memory"])
