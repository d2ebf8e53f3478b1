"""Define every key of the protocol: its name, Redis type, meaning and lifetime.

A key is `<prefix>:{<alias>}:<kind>` or `<prefix>:{<alias>}:<kind>:<name>`. The braces
are a hash tag: all keys of an alias share one hash slot, so a script may use all of them.
The Lua files append the same kinds to the prefix, which is KEYS[1].
"""

from typing import overload

from django_jobqueue.engine.flow_kinds import FLOW_KINDS, Kind
from django_jobqueue.jobs.text import raw

SCHEMA = "1.0"  # major.minor of what these keys hold

JOB_PARTS = ("job", "payload", "result", "attempts", "progress", "log")  # removed with their job
INDEXES = ("queued", "scheduled", "leases", "waiting", "succeeded", "failed", "cancelled")
# The index that holds the jobs of each state.
INDEX_OF = {state: state for state in INDEXES if state != "leases"} | {"running": "leases"}

KINDS: dict[str, Kind] = {
    "meta": Kind(
        type="HASH",
        of="",
        holds=(
            "schema, epoch, owner; former epoch; of the maintenance (ms): reaped_at, reap_after, "
            "walked_at, trimmed_at; trim_next: name with which trim goes on; added_minute; "
            "due: when the first scheduled job is due (ms); durable: 1 once there was a durable "
            "job; limits: the limited queues, each with the number of jobs that may run; rated: "
            "the lowest score of rates; fair: the queues that have a key fair; paused:<queue>: "
            "since when (ms), and by whom"
        ),
        until="for ever",
    ),
    "sequence": Kind(
        type="STRING",
        of="",
        holds="the number given to the job queued last",
        until="for ever",
    ),
    "names": Kind(
        type="ZSET",
        of="",
        holds="names of the queues that hold a job, in any state; score 0",
        until="the queue is empty",
    ),
    "work": Kind(
        type="ZSET",
        of="",
        holds=(
            "names of the queues with jobs to claim, but for paused ones; score when a slot that "
            "serves all queues last claimed one, or when the queue got a job, in ms"
        ),
        until="its last job is claimed, or the queue is paused",
    ),
    "due": Kind(
        type="ZSET",
        of="",
        holds="names of queues with scheduled jobs; score when the first of them is due, in ms",
        until="no job of the queue is scheduled",
    ),
    "sums": Kind(
        type="HASH",
        of="",
        holds=(
            "of more than 200 queues: index → jobs of all queues; at: when that sum began (ms); "
            "of the latest one: began; next: name with which it goes on; paged_at: its last page "
            "(ms); part:<index>: what it has so far"
        ),
        until="there are at most 200 queues",
    ),
    "totals": Kind(
        type="HASH",
        of="",
        holds="counts of what should be rare: stale, damaged, recovered, untold, windows_cut",
        until="for ever",
    ),
    "minute": Kind(
        type="HASH",
        of="number of the minute since the epoch",
        holds=(
            "<event>:<queue> → how often in this minute: enqueued, succeeded, failed, retried, "
            "recovered or stale; beyond 1,000 of these fields the queue is *"
        ),
        until="65 minutes (TTL)",
    ),
    "hour": Kind(
        type="HASH",
        of="number of the hour since the epoch",
        holds="the same of the minutes of an hour that have ended, at most 1,000 fields",
        until="25 hours (TTL)",
    ),
    "job": Kind(
        type="HASH",
        of="job id",
        holds=(
            "the small fields of a job; a value above 64 bytes would double its memory; a payload "
            "of at most 64 bytes is one of the fields"
        ),
        until="the job is trimmed or deleted",
    ),
    "payload": Kind(
        type="STRING",
        of="job id",
        holds="of more than 64 bytes: the arguments: version, signature and JSON, joined by dots",
        until="the job is trimmed or deleted",
    ),
    "result": Kind(
        type="STRING",
        of="job id",
        holds="the return value as JSON; absent: null",
        until="the job is trimmed or deleted",
    ),
    "attempts": Kind(
        type="LIST",
        of="job id",
        holds="one record per run, oldest first, the last 20; none of a first run that succeeded",
        until="the job is trimmed or deleted",
    ),
    "progress": Kind(
        type="STRING",
        of="job id",
        holds="current, total and text, joined by spaces",
        until="the job is trimmed or deleted",
    ),
    "log": Kind(
        type="LIST",
        of="job id",
        holds="lines that its runs wrote, oldest first, the last 100: ms and text",
        until="the job is trimmed or deleted",
    ),
    "queued": Kind(
        type="ZSET",
        of="queue",
        holds="ids; score (100 − priority) · 10^13 + sequence: lowest is claimed first",
        until="a worker claims the job",
    ),
    "scheduled": Kind(
        type="ZSET", of="queue", holds="ids; score due time in ms", until="the job is due"
    ),
    "leases": Kind(
        type="ZSET",
        of="queue",
        holds="ids of the running jobs; score end of the lease in ms",
        until="the job is finished, released or reaped",
    ),
    "waiting": Kind(
        type="ZSET",
        of="queue",
        holds="ids that wait for something other than a time; score as in queued",
        until="the job is admitted or cancelled",
    ),
    "succeeded": Kind(
        type="ZSET", of="queue", holds="ids; score finish time in ms", until="retention"
    ),
    "failed": Kind(
        type="ZSET", of="queue", holds="ids; score finish time in ms", until="retention"
    ),
    "cancelled": Kind(
        type="ZSET", of="queue", holds="ids; score finish time in ms", until="retention"
    ),
    "short-lived": Kind(
        type="ZSET",
        of="",
        holds=(
            "ids of succeeded jobs that their tasks keep for less than the retention; score until "
            "when, in ms"
        ),
        until="its time, also if the job is gone or runs again",
    ),
    "failed-of": Kind(
        type="ZSET",
        of="task path",
        holds="ids of the task's failed jobs; score finish time in ms",
        until="retention",
    ),
    "failed-tasks": Kind(
        type="ZSET",
        of="",
        holds="paths of the tasks that have failed jobs; score when the last one failed, in ms",
        until="the task has no failed job",
    ),
    "tag": Kind(
        type="ZSET",
        of="tag",
        holds="ids of the jobs with this tag, in whatever state; score when stored, in ms",
        until="the job is trimmed or deleted",
    ),
    "unique": Kind(
        type="HASH",
        of="",
        holds=(
            "digest of a unique job's key → the id of the job that holds its lock, and if that is "
            "one for a time, when it ends (ms)"
        ),
        until="the job is final, has started, or is trimmed or deleted: as its field says",
    ),
    "duplicate": Kind(
        type="STRING",
        of="job id",
        holds="id of the job that stands for a call whose caller has this id",
        until="that job is trimmed or deleted, or stands for 500 later calls",
    ),
    "duplicates": Kind(
        type="LIST",
        of="job id",
        holds="ids of the calls for which the job stands, oldest first, the last 500",
        until="the job is trimmed or deleted",
    ),
    "ended": Kind(
        type="ZSET",
        of="",
        holds=(
            "ids of at most 10,000 jobs that ended without a slot, and of whose end no receiver of "
            "`task_finished` was told yet; score finish time in ms"
        ),
        until="a worker tells of the job, or it is requeued, trimmed or deleted",
    ),
    "unsettled": Kind(
        type="ZSET",
        of="",
        holds=(
            "how durable jobs ended whose rows in the database may not say so yet: id, round, "
            "state and reason, joined by spaces; score when, in ms"
        ),
        until="a worker has written the row",
    ),
    "wake": Kind(
        type="LIST",
        of="queue; * for slots that serve all queues",
        holds="at most one token, which means nothing: an idle slot blocks on it",
        until="popped, or the queue is found empty",
    ),
    "cached": Kind(
        type="HASH",
        of="digest",
        holds=(
            "the cached value of a task with these arguments: value (JSON), at (end of its run, "
            "ms), begun (its start, ms); refresh: id of the job stored last to refresh it"
        ),
        until="for ever, or the task's seconds without a newer one (TTL)",
    ),
    "schedules": Kind(
        type="ZSET",
        of="",
        holds="names of schedules; score when a scheduler last registered it, in ms",
        until="30 days after that, or the schedule is deleted",
    ),
    "schedule": Kind(
        type="HASH",
        of="name",
        holds=(
            "high_water: the latest time that was handled; since:<rule>, seen:<rule>: when a rule "
            "of its times was first and last registered; firing: time and job of the fire that "
            "began last; nominal, fired_at, job: of the last fire; fired, missed, overlapped: how "
            "many times; missed_at: when some were missed last (all ms)"
        ),
        until="30 days after a scheduler last registered it, or the schedule is deleted",
    ),
    "schedulers": Kind(
        type="ZSET",
        of="",
        holds="ids of schedulers; score when last seen, in ms",
        until="a day after it was last seen, but for the last one",
    ),
    "workers": Kind(
        type="ZSET",
        of="",
        holds="worker ids; score when last seen in ms",
        until="10 minutes after it was last seen",
    ),
    "worker": Kind(
        type="HASH",
        of="worker id",
        holds=(
            "host, pid, queues, processes, threads, version, started_at, seen_at, stopping, quiet, "
            "memory (bytes), jobs (so many were run); weights: of the queues, if they have some; "
            "fault: what is wrong with it; told: quiet or stop, which somebody wants of it; "
            "stacks: 1 if somebody wants to see those"
        ),
        until="10 minutes after it was last seen",
    ),
    "renew_now": Kind(
        type="STRING",
        of="worker id",
        holds="1: the worker is to renew at once: its job was cancelled, or it was told a word",
        until="the worker has read it",
    ),
    "stacks": Kind(
        type="STRING",
        of="worker id",
        holds="JSON: slot → where its stack stood, or null if its process did not answer",
        until="a minute after somebody wanted it (TTL)",
    ),
    "slots": Kind(
        type="HASH",
        of="worker id",
        holds="slot → nonce, queue, job id and fence of its latest claim, joined by spaces",
        until="the slot is idle, or its worker was forgotten",
    ),
    **FLOW_KINDS,
}


class Keys:
    """Build the keys of one alias."""

    def __init__(self, prefix: str, alias: str) -> None:
        self.prefix = f"{prefix}:{{{alias}}}:"

    @overload
    def __call__(self, kind: str) -> str: ...
    @overload
    def __call__(self, kind: str, name: str) -> str | bytes: ...
    def __call__(self, kind: str, name: str | None = None) -> str | bytes:
        """Return the key of a kind, and of a name as `text` has read it."""
        if name is None:
            return f"{self.prefix}{kind}"
        key, found = f"{self.prefix}{kind}:", raw(name)
        return key + found if isinstance(found, str) else key.encode() + found
