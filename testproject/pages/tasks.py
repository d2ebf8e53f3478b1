"""The tasks that check one page on request, and the demo's own pages on a schedule."""

import http.client
import urllib.error
import urllib.request
from typing import IO
from urllib.parse import urlsplit

from django.conf import settings

from django_jobqueue import JobContext, schedule, task

TIMEOUT = 5  # seconds
WATCHED = ("/", "/pages/", "/homework/")


@task
def is_page_ok(url: str) -> bool:
    """Return whether a page answers with 200 OK; redirects are followed only on its own host."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url!r} is no http or https address.")
    opener = urllib.request.build_opener(_SameHost)
    try:
        with opener.open(url, timeout=TIMEOUT) as response:
            return bool(response.status == http.HTTPStatus.OK)
    except (OSError, http.client.HTTPException):  # URLError and HTTPError are OSErrors.
        return False


@task(takes_context=True)
def watch_pages(context: JobContext) -> dict[str, bool]:
    """Check the demo's own pages, and return which are all right."""
    found = {path: is_page_ok(settings.DEMO_URL + path) for path in WATCHED}
    for path, is_ok in found.items():
        context.log(f"{path} is {'all right' if is_ok else 'not all right'}")
    return found


schedule(
    "watch-pages",
    watch_pages,
    every=getattr(settings, "DEMO_WATCH_SECONDS", 60),
    overlap="skip",
)


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Refuse redirects to another host."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        here, there = urlsplit(req.full_url), urlsplit(newurl)
        if (there.scheme, there.netloc) != (here.scheme, here.netloc):
            raise urllib.error.HTTPError(newurl, code, "redirect to another host", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
