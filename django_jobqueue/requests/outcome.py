"""What a task returns for the person who asked, and how it is read from the job's result.

A task may also return None or a text; of any other value the person sees nothing. Next: settling.py
writes it into the request.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage

from django_jobqueue.jobs.text import spelled

KIND = "jobqueue_outcome"  # the name in the JSON by which an outcome is known
SCHEMES = ("https://", "http://", "/")
FOLDER = "job_requests"  # of the default storage
LONGEST_NAME = 200  # bytes; file systems take 255, and a storage may add some
LONGEST_SUFFIX = 20  # characters


class PublicError(Exception):
    """Raise this in a task to fail with a text that is shown to the person who asked.

    The text of any other exception may tell secrets, so the person sees a general sentence.
    """


class Outcome(dict[str, Any]):
    """The return value of a task that has done what was asked: a text, an address, a file.

    `file` is the name under which the default storage holds it: see `save_file`.
    Raises: ValueError for an address that is neither a path of this site nor http(s).
    """

    def __init__(self, *, text: str = "", url: str = "", file: str = "") -> None:
        url = str(url)
        if url and not is_safe_url(url):
            raise ValueError(f"url={url!r}: give a path such as /books/7/, or https://…")
        super().__init__({KIND: "done", "text": str(text), "url": url, "file": str(file)})


class Partial(Outcome):
    """The return value of a task that has done a part: `done` of `total`, and what failed.

    Without failures and with all done it counts as done.
    Raises: ValueError, also if `done` is not between 0 and `total`.
    """

    def __init__(self, done: int, total: int, failures: Iterable[str] = (), **more: str) -> None:
        super().__init__(**more)
        if not 0 <= done <= total:
            raise ValueError(f"done={done!r}, total={total!r}: give 0 <= done <= total.")
        failed = [str(text) for text in failures]
        self |= {KIND: "partly", "done": done, "total": total, "failures": failed}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a job's result tells the person who asked."""

    text: str = ""
    url: str = ""
    file: str = ""
    done: int = 0
    total: int = 0
    failures: tuple[str, ...] = ()

    @property
    def is_partial(self) -> bool:
        return bool(self.failures) or self.done < self.total


def told(value: Any) -> Told:
    """Return what a return value tells, whatever it is."""
    if isinstance(value, str):
        return Told(text=_text(value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Told(text=str(value))
    if not isinstance(value, Mapping) or KIND not in value:
        return Told()
    url, failures = _text(value.get("url")), value.get("failures")
    return Told(
        text=_text(value.get("text")),
        url=url if is_safe_url(url) else "",
        file=_text(value.get("file")),
        done=_count(value.get("done")),
        total=_count(value.get("total")),
        failures=tuple(_text(str(one)) for one in failures) if isinstance(failures, list) else (),
    )


def save_file(name: str, content: "bytes | str | File[Any]") -> str:
    """Store a file that a request will offer for download; return the name for `Outcome`.

    Its folder can't be guessed, because many sites serve all files of the default storage. Of the
    name, what no storage or browser takes is replaced, and what is too long is cut.
    """
    path = f"{FOLDER}/{secrets.token_urlsafe(16)}/{_file_name(name)}"
    return default_storage.save(
        path, content if isinstance(content, File) else ContentFile(content)
    )


def _file_name(given: str) -> str:
    """Return the last part of a path as a name that each file system takes, with its suffix."""
    name = "".join(char if char.isprintable() and char != "\\" else "_" for char in given)
    path = PurePath(name)
    if path.name in ("", ".."):
        return "file"
    suffix = path.suffix if len(path.suffix) <= LONGEST_SUFFIX else ""
    stem = path.name.removesuffix(suffix).encode()[: LONGEST_NAME - len(suffix.encode())]
    return stem.decode(errors="ignore") + suffix


def is_safe_url(url: str) -> bool:
    """Return whether it is a path of this site, or names http(s), so that it runs no script."""
    return url.startswith(SCHEMES) and not url.startswith(("//", "/\\"))


def _text(value: Any) -> str:
    """Return a text without the characters that not every database takes."""
    return spelled(value, kept="\n\t") if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
