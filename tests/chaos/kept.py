"""Were the limits and rates of keys and queues kept? By the server's own times of each run.

The journal are the records of the runs: a claim writes when a lease begins, and the script that
takes it away writes when it ends. A run that was cut off from Redis may go on after that, which is
documented: the lease is what counts.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import Outcome, State
from tests.chaos.evidence import Evidence, Violation
from tests.chaos.features import MOST_IN_NARROW, NARROW
from tests.chaos.jobs import Planned

PACE = "pace:"  # begins the keys of jobs that only wait for their rate, while slots are free
USED = 0.95  # share of such a rate that is to be used
BROKEN = 15.0  # seconds after which what a broken script left is surely mended
_WORD = re.compile(r"=?(\d+)([wsor])(?:(\d+)\.(\d+))?:(.+)")
OF_FLOWS = ("parent:", "not_called", "unsealed")  # why a member of a workflow never runs


class Word(NamedTuple):
    """A limit of a job, or its rate."""

    most: int
    mode: str
    window: int  # ms, of a rate
    burst: int
    key: str


class Lease(NamedTuple):
    """The time, in ms, in which a run held its job."""

    began: int
    ended: int
    job: str


def words_of(job: Job) -> list[Word]:
    found = filter(None, map(_WORD.fullmatch, job.limits))
    return [Word(int(n), mode, int(w or 0), int(b or 0), key) for n, mode, w, b, key in
            (one.groups() for one in found)]  # fmt: skip


def may_end(job: Job, planned: Planned | None) -> bool:
    """Return whether what the job has beside its kind explains its end; others judge whether so."""
    if job.state is not State.CANCELLED or planned is None:
        return False
    modes = {word.mode for word in words_of(job)}
    if job.reason == "superseded":
        return "o" in modes
    why = (
        (job.reason == "limit" and "s" in modes)
        or (job.reason == "expired" and planned.expires is not None)
        or (job.flow != "" and job.reason.startswith(OF_FLOWS))
    )
    return why and job.attempts == 0


def leases_of(job: Job) -> Iterator[Lease]:
    for run in job.runs:
        if run.outcome != Outcome.REQUEUED:
            is_last = run.fence == job.fence and job.finished_at is not None
            ended = min(run.finished_at, job.finished_at or 0) if is_last else run.finished_at
            yield Lease(run.started_at, ended, job.id)


def too_many_at_once(evidence: Evidence) -> Iterator[Violation]:
    """Of no key, and no limited queue, more jobs hold a lease at one instant than may."""
    leases, most = defaultdict[str, list[Lease]](list), dict[str, int]()
    for job in evidence.jobs.values():
        for word in words_of(job):
            if word.mode != "r":
                most[word.key] = word.most
                leases[word.key] += leases_of(job)
        if job.queue == NARROW:
            most["queue " + NARROW] = MOST_IN_NARROW
            leases["queue " + NARROW] += leases_of(job)
    for key, found in leases.items():
        held: list[Lease] = []
        for lease in sorted(one for one in found if one.ended > one.began):
            held = [*(one for one in held if one.ended > lease.began), lease]
            until = min(one.ended for one in held) / 1000
            # The end that a broken script left unwritten is written when its call is repeated.
            if len(held) > most[key] and not evidence.broke(lease.began / 1000, until):
                ids = ", ".join(one.job for one in held)
                yield Violation(lease.job, f"{key}: {ids} held leases at {lease.began}")


def too_many_starts(evidence: Evidence) -> Iterator[Violation]:
    """In no window of a rate more jobs start than it allows."""
    for word, starts in _starts(evidence).items():
        for first, last in zip(starts, starts[word.most :], strict=False):
            if last - first <= word.window:
                says = f"{word.most + 1} starts in {last - first} ms, from {first} on"
                yield Violation("", f"{word.key}: {says}")


def too_few_starts(evidence: Evidence) -> Iterator[Violation]:
    """While jobs wait for nothing else, the rate is used."""
    for word, starts in _starts(evidence).items():
        if word.key.startswith(PACE) and (used := _used(word, starts)) < USED:
            yield Violation("", f"{word.key}: {len(starts)} starts used {used:.1%} of it")


def paces(evidence: Evidence) -> dict[str, float]:
    """Return how much of each rate was used for which jobs waited while slots were free."""
    found = _starts(evidence).items()
    return {word.key: _used(word, starts) for word, starts in found if word.key.startswith(PACE)}


def _used(word: Word, starts: list[int]) -> float:
    pause = word.window / word.most
    return len(starts) * pause / (starts[-1] - starts[0] + pause)


def _starts(evidence: Evidence) -> dict[Word, list[int]]:
    found = defaultdict[Word, list[int]](list)
    for job in evidence.jobs.values():
        for word in words_of(job):
            if word.mode == "r":
                found[word] += [lease.began for lease in leases_of(job)]
    return {word: sorted(starts) for word, starts in found.items() if starts}


def ended_in_vain(evidence: Evidence) -> Iterator[Violation]:
    """A job is skipped only while another one of the key runs, and cancelled only for a newer one.

    And once the newer one is stored, no older one starts any more.
    """
    of_key = defaultdict[str, list[Job]](list)
    for job in evidence.jobs.values():
        for word in words_of(job):
            of_key[word.key].append(job)
    for job in evidence.jobs.values():
        for word in words_of(job):
            others = [one for one in of_key[word.key] if one.id != job.id]
            if word.mode == "s" and job.reason == "limit":
                yield from _skipped(evidence, job, others)
            if word.mode == "o":
                yield from _superseded(evidence, job, others)


def _skipped(evidence: Evidence, job: Job, others: list[Job]) -> Iterator[Violation]:
    at = job.finished_at or 0
    leases = (lease for other in others for lease in leases_of(other))
    if any(lease.began <= at <= lease.ended for lease in leases):
        return
    if not evidence.broke(at / 1000 - BROKEN, at / 1000 + BROKEN):
        yield Violation(job.id, "it was skipped while no other job of its key ran")


def _superseded(evidence: Evidence, job: Job, others: list[Job]) -> Iterator[Violation]:
    newer = [one.enqueued_at for one in others if one.enqueued_at >= job.enqueued_at]
    ended = job.finished_at or 0
    if job.reason == "superseded" and not any(at <= ended for at in newer):
        yield Violation(job.id, "it was cancelled for a newer job, and there was none")
    later = [at for at in newer if at > job.enqueued_at]
    if not later or evidence.broke(min(later) / 1000, min(later) / 1000 + BROKEN):
        return
    for lease in leases_of(job):
        if lease.began > min(later):
            yield Violation(job.id, f"it started at {lease.began}, and a newer one was stored")


def newer(evidence: Evidence, job: Job) -> list[int]:
    """Return when jobs were stored, in ms, for which this one is to end."""
    keys = {word.key for word in words_of(job) if word.mode == "o"}
    return [
        one.enqueued_at
        for one in (evidence.jobs.values() if keys else ())
        if one.enqueued_at >= job.enqueued_at
        and one.id != job.id
        and keys.intersection(word.key for word in words_of(one) if word.mode == "o")
    ]


def strays(evidence: Evidence) -> Iterator[Violation]:
    for text in evidence.strays:
        yield Violation("", text)
