"""The header `Prefer` of RFC 7240: whether and how long a client wants to wait."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from django_jobqueue.requests import conf


@dataclass(frozen=True, slots=True)
class Preference:
    """What a client asks for."""

    respond_async: bool = False
    wait: float | None = None  # seconds; None: it says nothing

    def patience(self, default: float) -> float:
        """Return the seconds to wait for a result: not longer than callers may wait."""
        if self.wait is not None:
            return min(self.wait, conf.LONGEST_WAIT)
        return 0.0 if self.respond_async else default

    def note(self, answer: HttpResponse) -> None:
        """Say in the answer which preferences were met."""
        met = ["respond-async"] if self.respond_async and answer.status_code == 202 else []
        if self.wait is not None and self.wait <= conf.LONGEST_WAIT:
            met.append(f"wait={self.wait:g}")
        if met:
            answer.headers["Preference-Applied"] = ", ".join(met)
        patch_vary_headers(answer, ["Prefer"])


def of(request: HttpRequest) -> Preference:
    """Return the preferences of a web request; what can't be read counts as absent."""
    respond_async, wait = False, None
    for part in request.headers.get("Prefer", "").split(","):
        name, _, value = part.partition(";")[0].partition("=")
        name, value = name.strip().lower(), value.strip().strip('"')
        if name == "respond-async":
            respond_async = True
        elif name == "wait" and value.isascii() and value.isdecimal() and wait is None:
            wait = float(value[:9])
    return Preference(respond_async, wait)
