"""Read jobs, pages and workers for people; write nothing. See queue_reader.py for queues.

No decision of the engine depends on it. Next: admin/rows.py shows what it reads.
"""

from collections.abc import Iterable, Sequence

from redis.client import Pipeline

from django_jobqueue.engine.client import Client
from django_jobqueue.engine.job_reader import read_job, read_progress
from django_jobqueue.engine.merging import merged_ids
from django_jobqueue.engine.queue_reader import QueueReader
from django_jobqueue.engine.schedules import ScheduleReader
from django_jobqueue.engine.tags import TagReader
from django_jobqueue.engine.workers import WorkerReader, WorkerStats
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import text

MERGE_DEPTH = 5_000  # rank up to which several queues or tasks are merged into pages
MOST_TASKS = 500  # tasks with failed jobs that are named


class Inspector(QueueReader):
    """Read one alias for people."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.schedules = ScheduleReader(client)
        self.tags = TagReader(client, self.jobs)

    def job(self, job_id: str) -> Job:
        """Return one job with payload, result, progress, runs and log.

        Raises: JobNotFound.
        """
        job = read_job(job_id, self._client.run("get_job", id=job_id))
        if job is None:
            raise JobNotFound(f"There is no job {job_id}.")
        return job

    def page(
        self,
        state: State,
        start: int,
        stop: int,
        *,
        queues: Sequence[str] | None = None,
        newest_first: bool = True,
    ) -> list[Job]:
        """Return the jobs of a state from rank `start` to before `stop`.

        Pages of one queue are exact at any rank; several queues are merged by score, to rank 5,000.
        Without `queues` they are the first 200.
        Final jobs are sorted by finish time, scheduled ones by due time, running ones by the end
        of their lease, queued and waiting ones in the order of their claim.
        """
        names = self.queues() if queues is None else queues
        indexes = [self._index(state, name) for name in names]
        return self.jobs(self.ids(indexes, start, stop, newest_first))

    def failed_tasks(self) -> list[str]:
        """Return the 500 tasks of which a job failed last; the latest comes first."""
        key = self._keys("failed-tasks")
        tasks = self._read(lambda pipe: pipe.zrange(key, 0, MOST_TASKS - 1, desc=True))[0]
        return list(map(text, tasks or ()))

    def count_failed_tasks(self) -> int:
        """Return how many tasks have failed jobs."""
        return int(self._read(lambda pipe: pipe.zcard(self._keys("failed-tasks")))[0] or 0)

    def failed_of(
        self, tasks: Sequence[str], start: int, stop: int, *, newest_first: bool = True
    ) -> list[Job]:
        """Return the failed jobs of tasks from rank `start` to before `stop`; see `page`."""
        indexes = [self._keys("failed-of", task) for task in tasks]
        return self.jobs(self.ids(indexes, start, stop, newest_first))

    def count_failed_of(self, tasks: Sequence[str]) -> int:
        """Return how many failed jobs the tasks have together."""
        keys = [self._keys("failed-of", task) for task in tasks]
        return sum(filter(None, self._read(lambda pipe: [pipe.zcard(key) for key in keys])))

    def jobs(self, ids: Iterable[str]) -> list[Job]:
        """Return the small fields and progress of the given jobs; leave out unknown ids."""
        wanted = list(ids)

        def ask(pipe: Pipeline) -> None:
            for job_id in wanted:
                pipe.hgetall(self._keys("job", job_id))
                pipe.get(self._keys("progress", job_id))

        replies = self._read(ask)
        rows = zip(wanted, replies[::2], replies[1::2], strict=True)
        return [
            Job.read(i, (fields or {}).items(), progress=read_progress(done))
            for i, fields, done in rows
            if fields or fields is None
        ]

    def glance(self, job_id: str, queue: str) -> tuple[Job | None, int | None, int]:
        """Return a job's small fields and progress, how many jobs are before it, its lease's end.

        It is one round trip of four cheap commands, for pages that ask again and again. None stand
        for an unknown job, and for one that is not queued in `queue`; 0: it does not run.
        """

        def ask(pipe: Pipeline) -> None:
            pipe.hgetall(self._keys("job", job_id))
            pipe.get(self._keys("progress", job_id))
            pipe.zrank(self._index(State.QUEUED, queue), job_id)
            pipe.zscore(self._index(State.RUNNING, queue), job_id)

        fields, done, rank, lease_ends = self._read(ask)
        if not fields or not fields.keys() & {b"state", b"task"}:  # see whole_job in ending.lua
            return None, None, 0
        job = Job.read(job_id, fields.items(), progress=read_progress(done))
        place = None if rank is None or job.state is not State.QUEUED else int(rank)
        return job, place, int(lease_ends or 0)

    def workers(self) -> list[WorkerStats]:
        """Return all workers that have a record."""
        return WorkerReader(self._client).all()

    def ids(
        self, indexes: Sequence[str | bytes], start: int, stop: int, newest_first: bool
    ) -> list[str]:
        """Return the ids of one index by rank, or of several ones merged by score."""
        if len(indexes) != 1:
            stop = min(stop, MERGE_DEPTH)
            return merged_ids(self._client, indexes, start, stop, newest_first=newest_first)
        if stop <= start:
            return []
        key = indexes[0]
        ids = self._read(lambda pipe: pipe.zrange(key, start, stop - 1, desc=newest_first))[0]
        return list(map(text, ids or ()))
