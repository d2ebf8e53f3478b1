"""Compare jobs with a selection; what jobs were called with is read only if that decides."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from django_jobqueue.engine import Engine
from django_jobqueue.engine.contents import (
    Content,
    may_have_failed,
    read_contents,
    read_sketches,
)
from django_jobqueue.exceptions import BadSignature
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.payload import load_call
from django_jobqueue.jobs.states import State
from django_jobqueue.steering.call import redactor_of
from django_jobqueue.steering.selection import NO_EXCEPTION, Depth, Selection, time_of

PLAIN = re.compile(r"\w*[^\W\d_]\w*")  # letters, with figures: a number may be spelled otherwise
ENCODER = json.JSONEncoder(ensure_ascii=False)
SKETCHES = 500  # jobs that are there at once: Python's collector looks at all of them
PAGE = 100  # jobs whose contents one read returns: arguments may have 64 KiB


class Matcher:
    """Find the jobs of a selection among those of one alias."""

    def __init__(self, engine: Engine, chosen: Selection) -> None:
        self._engine = engine
        self._chosen = chosen
        words = [word.casefold() for word in chosen.words]
        self._words = {word: PLAIN.findall(word) for word in words}  # each with its plain parts
        self._reads_arguments = bool(words) and chosen.depth >= Depth.TEXTS

    def matching(self, jobs: Iterable[Job]) -> list[Job]:
        """Return the jobs that match, in their order."""
        near = list(filter(self._fits, jobs) if self._chosen.narrows else jobs)
        missing = {job.id: self._missing(job) for job in near}
        found = {job.id: self._is_known_to_match(job, missing[job.id]) for job in near}
        unsure = [job for job in near if found[job.id] is None]
        for start in range(0, len(unsure), PAGE):
            page = unsure[start : start + PAGE]
            contents = read_contents(self._engine.client, page, with_payloads=self._reads_arguments)
            for job, content in zip(page, contents, strict=True):
                found[job.id] = self._has(job, content, missing[job.id])
        return [job for job in near if found[job.id]]

    def matching_ids(self, ids: Sequence[str]) -> list[str]:
        """Return the ids of the jobs that match; only the fields that decide are read."""
        sketches, found = read_sketches(self._engine.client, ids, list(self._fields())), list[str]()
        while jobs := list(islice(sketches, SKETCHES)):
            found += [job.id for job in self.matching(jobs)]
        return found

    def _fields(self) -> Iterator[str]:
        """Yield the fields of a record that `matching` reads; it may read contents too."""
        chosen = self._chosen
        yield from ("state", "task", "attempted_at")
        if chosen.queues:
            yield "queue"
        if chosen.tag:
            yield "tags"
        if chosen.only:
            yield from ("attempts", "recoveries")
        if chosen.after is not None or chosen.before is not None:
            yield from ("enqueued_at", "finished_at", "took")
        if self._reads_arguments:
            yield "payload"

    def _fits(self, job: Job) -> bool:
        """Return whether all matches that the record of the job tells."""
        chosen = self._chosen
        given = ((chosen.states, job.state), (chosen.queues, job.queue), (chosen.tasks, job.task))
        if any(wanted and value not in wanted for wanted, value in given):
            return False
        if chosen.tag and chosen.tag not in job.tags:
            return False
        if chosen.only == "retrying" and not (job.state is State.SCHEDULED and job.attempts):
            return False
        if chosen.only == "recovered" and not job.recoveries:
            return False
        at = time_of(job)
        too_early = chosen.after is not None and at < chosen.after
        return not too_early and (chosen.before is None or at < chosen.before)

    def _missing(self, job: Job) -> list[str]:
        """Return the words that the names of a job don't have."""
        text = f"{job.task} {job.id}".casefold()
        return [word for word in self._words if word not in text]

    def _is_known_to_match(self, job: Job, missing: Sequence[str]) -> bool | None:
        """Return whether a job that fits matches; None if its contents decide that."""
        chosen = self._chosen
        if chosen.exception:
            return None
        if not missing or chosen.depth is Depth.NAMES:
            return not missing
        if self._reads_arguments:
            if job.payload is None:
                return None
            if self._is_called_so(job, job.payload, missing):
                return True
        return None if may_have_failed(job) else False

    def _is_called_so(self, job: Job, payload: bytes, words: Sequence[str]) -> bool:
        text = self._arguments(job, payload, words)
        return all(word in text for word in words)

    def _has(self, job: Job, content: Content, missing: Sequence[str]) -> bool:
        """Return whether a job that fits matches, by what it was called with and how it ended."""
        return self._has_exception(content) and self._has_words(job, content, missing)

    def _has_exception(self, content: Content) -> bool:
        wanted = self._chosen.exception
        if not wanted:
            return True
        return ((content.run.exception if content.run else "") or NO_EXCEPTION) == wanted

    def _has_words(self, job: Job, content: Content, missing: Sequence[str]) -> bool:
        if not missing or self._chosen.depth is Depth.NAMES:
            return not missing
        error = _error(content, is_open=self._chosen.depth >= Depth.TEXTS).casefold()
        missing = [word for word in missing if word not in error]
        if not missing or self._chosen.depth < Depth.TEXTS:
            return not missing
        return self._is_called_so(job, content.payload or b"", missing)

    def _arguments(self, job: Job, payload: bytes, words: Sequence[str]) -> str:
        """Return the arguments as text; nothing if they lack a word, or if nobody signed them."""
        parts = [part for word in words for part in self._words[word]]
        if not _may_have(payload, parts):
            return ""
        try:
            data = self._engine.signer.verify(job.id, job.task, payload)
            if self._chosen.depth is Depth.SECRETS and parts == words and _stands_there(data):
                return data.decode().casefold()
            call = load_call(data)
        except (BadSignature, ValueError, RecursionError):
            return ""
        whole = _text(*call)
        if self._chosen.depth is Depth.SECRETS or any(word not in whole for word in words):
            return whole
        args, kwargs, metadata = call
        redactor = redactor_of(self._engine, job.task)
        return _text(*redactor.call(args, kwargs), redactor.value(metadata))


def matching(engine: Engine, chosen: Selection) -> Iterator[Job]:
    """Yield the jobs of a selection, state by state."""
    matcher = Matcher(engine, chosen)
    for page in chosen.pages(engine):
        yield from matcher.matching(page)


def _error(content: Content, *, is_open: bool) -> str:
    if content.run is None:
        return ""
    return f"{content.run.exception} {content.run.message if is_open else ''}"


def _may_have(payload: bytes, parts: Sequence[str]) -> bool:
    """Return False if the text of the arguments can't have all parts, whoever has signed it.

    Letters stand in JSON as they are, unless they are escaped.
    """
    if b"\\u" in payload:
        return True
    stored = payload.decode(errors="replace").casefold()
    return all(part in stored for part in parts)


def _stands_there(data: bytes) -> bool:
    """Return whether plain words stand in the JSON just as in the text, so it need not be read."""
    return data.startswith(b"[") and b"\\" not in data


def _text(*parts: object) -> str:
    return ENCODER.encode(parts).casefold()
