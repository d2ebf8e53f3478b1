"""Compare jobs with a selection; what jobs were called with is read only if that decides."""

import json
import re
from collections.abc import Iterator, Sequence

from django_jobqueue.engine import Engine
from django_jobqueue.engine.contents import Content, read_contents, read_sketches
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
        self._words = [word.casefold() for word in chosen.words]

    def matching(self, jobs: Sequence[Job]) -> list[Job]:
        """Return the jobs that match, in their order."""
        near = list(filter(self._fits, jobs))
        unsure = near if self._chosen.exception else list(filter(self._missing, near))
        if self._chosen.depth is Depth.NAMES and not self._chosen.exception:
            wrong = {job.id for job in unsure}
        else:
            wrong = {job.id for job in unsure} - set(self._deeply(unsure))
        return [job for job in near if job.id not in wrong]

    def matching_ids(self, ids: Sequence[str]) -> list[str]:
        """Return the ids of the jobs that match; only the fields that decide are read."""
        fields, found = list(self._fields()), list[str]()
        for start in range(0, len(ids), SKETCHES):
            part = ids[start : start + SKETCHES]
            jobs = read_sketches(self._engine.client, part, fields)
            found += [job.id for job in self.matching(jobs)]
        return found

    def _fields(self) -> Iterator[str]:
        """Yield the fields of a record that `matching` reads; it may read contents too."""
        chosen = self._chosen
        yield from ("state", "queue", "task")
        if chosen.tag:
            yield "tags"
        if chosen.only:
            yield from ("attempts", "recoveries")
        if chosen.after is not None or chosen.before is not None:
            yield from ("enqueued_at", "finished_at", "took")
        yield "attempted_at"
        if self._reads_arguments:
            yield "payload"

    @property
    def _reads_arguments(self) -> bool:
        return bool(self._words) and self._chosen.depth >= Depth.TEXTS

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

    def _deeply(self, jobs: Sequence[Job]) -> Iterator[str]:
        """Yield the ids of the jobs whose contents match; these are read if that decides."""
        known = {job.id for job in jobs if self._is_called_so(job)}
        yield from known
        unread = [job for job in jobs if job.id not in known]
        for start in range(0, len(unread), PAGE):
            page = unread[start : start + PAGE]
            contents = read_contents(self._engine.client, page, with_payloads=self._reads_arguments)
            for job, content in zip(page, contents, strict=True):
                if self._has_exception(content) and self._has_words(job, content):
                    yield job.id

    def _is_called_so(self, job: Job) -> bool:
        """Return whether the arguments that stand in the record have all words that are missing."""
        if self._chosen.exception or not self._reads_arguments or job.payload is None:
            return False
        words = self._missing(job)
        text = self._arguments(job, job.payload, words)
        return all(word in text for word in words)

    def _has_exception(self, content: Content) -> bool:
        wanted = self._chosen.exception
        if not wanted:
            return True
        return ((content.run.exception if content.run else "") or NO_EXCEPTION) == wanted

    def _has_words(self, job: Job, content: Content) -> bool:
        missing = self._missing(job)
        if not missing or self._chosen.depth is Depth.NAMES:
            return not missing
        error = _error(content, is_open=self._chosen.depth >= Depth.TEXTS).casefold()
        missing = [word for word in missing if word not in error]
        if not missing or self._chosen.depth < Depth.TEXTS:
            return not missing
        text = self._arguments(job, content.payload or b"", missing)
        return all(word in text for word in missing)

    def _arguments(self, job: Job, payload: bytes, words: Sequence[str]) -> str:
        """Return the arguments as text; nothing if they lack a word, or if nobody signed them."""
        if not _may_have(payload, words):
            return ""
        try:
            data = self._engine.signer.verify(job.id, job.task, payload)
            if self._chosen.depth is Depth.SECRETS and _stands_there(data, words):
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


def _may_have(payload: bytes, words: Sequence[str]) -> bool:
    """Return False if the text of the arguments can't have all words, whoever has signed it.

    Letters stand in JSON as they are, unless they are escaped.
    """
    if b"\\u" in payload:
        return True
    stored = payload.decode(errors="replace").casefold()
    return all(part in stored for word in words for part in PLAIN.findall(word))


def _stands_there(data: bytes, words: Sequence[str]) -> bool:
    """Return whether the words stand in the JSON just as in the text: then it need not be read."""
    return data.startswith(b"[") and b"\\" not in data and all(map(PLAIN.fullmatch, words))


def _text(*parts: object) -> str:
    return ENCODER.encode(parts).casefold()
