"""The job."""

import os

from taskiq_redis import RedisStreamBroker

from benchmarks.record import note

broker = RedisStreamBroker(os.environ["BENCHMARK_REDIS_URL"])


@broker.task
async def noop(number: int) -> int:
    note(number)
    return number
