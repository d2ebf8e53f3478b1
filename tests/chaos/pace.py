"""After the storm: jobs that wait for nothing but their rate, while all slots are free."""

from django_jobqueue import Rate
from django_jobqueue.engine import Engine
from django_jobqueue.engine.jobs import CHUNK
from tests.chaos import tasks
from tests.chaos.features import Feature
from tests.chaos.jobs import Kind, Planned, new_job
from tests.chaos.kept import PACE
from tests.chaos.options import Options
from tests.chaos.storm import Storm

RATES = {Rate("50/s", burst=10): 510, Rate("100/m", burst=20): 120}  # and how many jobs
SHORT = 1.0  # minutes of a storm that is over before a rate would be
PATIENCE = 120.0  # seconds


def run(engine: Engine, storm: Storm, options: Options) -> list[Planned]:
    """Store jobs, wait until they have run, and return them; none in a short storm."""
    planned: list[Planned] = []
    if options.minutes < SHORT:
        return planned
    for rate, count in RATES.items():
        called = tasks.quick.using(rate=Rate(rate.rate, key=f"{PACE}{rate.rate}", burst=rate.burst))
        planned += [
            Planned(
                number=2 * options.jobs + len(planned) + n,
                kind=Kind.NOOP,
                queue="default",
                priority=0,
                task=called,
                features=frozenset([Feature.PLAIN]),
            )
            for n in range(count)
        ]
    new = [new_job(engine, one) for one in planned]
    for start in range(0, len(new), CHUNK):
        engine.jobs.enqueue(new[start : start + CHUNK])
    storm.wait(lambda: not storm.open_jobs(), PATIENCE)
    return planned
