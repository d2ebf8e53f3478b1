"""The pages beside the lists (failures, tasks): their addresses, their frame, the links to them."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.admin.links import list_url
from django_jobqueue.admin.source import Source
from django_jobqueue.admin.viewer import Viewer
from django_jobqueue.models import Job, Queue, Schedule, Worker

TITLES: dict[str, Promise] = {
    "failures": gettext_lazy("Failures"),
    "tasks": gettext_lazy("Tasks"),
}


class Link(NamedTuple):
    """A link to one page."""

    text: str
    url: str
    is_here: bool


class Page:
    """One request for a page beside the lists; who may view jobs may see it."""

    def __init__(self, request: HttpRequest, site: AdminSite, name: str) -> None:
        """Raises: PermissionDenied."""
        self.request = request
        self.site = site
        self.name = name
        self.viewer = Viewer(request.user)
        self.source = Source()
        if not self.viewer.may("view_job"):
            raise PermissionDenied
        wanted = request.GET.get("alias", "")
        known = self.source.aliases
        self.alias = wanted if wanted in known else next(iter(known), "")

    @property
    def where(self) -> dict[str, str]:
        """Return what the address of a list needs if there are several aliases."""
        return {"alias": self.alias} if len(self.source.aliases) > 1 else {}

    def show(self, **context: Any) -> HttpResponse:
        """Return the page with what its template needs, and the faults of its reads."""
        self.request.current_app = self.site.name
        given = {
            **self.site.each_context(self.request),
            "title": TITLES[self.name],
            "opts": Job._meta,
            "pages": links(self.site, self.viewer, self.name, **self.where),
            "aliases": list(self._aliases()),
            "faults": list(self.source.faults.values()),
            **context,
        }
        template = f"admin/django_jobqueue/{self.name}.html"
        return TemplateResponse(self.request, template, given)

    def _aliases(self) -> Iterator[Link]:
        for alias in self.source.aliases if self.where else ():
            yield Link(alias, f"?alias={alias}", alias == self.alias)


def name_of(page: str) -> str:
    """Return the name of a page's address."""
    return f"django_jobqueue_job_{page}"


def links(site: AdminSite, viewer: Viewer, here: str, **where: str) -> list[Link]:
    """Return links to the overview, the lists and the pages that the user may see."""
    overview = reverse("admin:app_list", args=[Job._meta.app_label], current_app=site.name)
    found = [Link(_("Overview"), overview, here == "overview")]
    for model in (Job, Queue, Worker, Schedule):
        name = model._meta.model_name
        if not viewer.may(f"view_{name}"):
            continue
        with suppress(NoReverseMatch):  # this site does not have the model
            filters = where if model is Job else {}
            title = str(model._meta.verbose_name_plural)
            found.append(Link(title, list_url(site, model, **filters), here == f"{name}s"))
            for page, text in TITLES.items() if model is Job else ():
                found.append(Link(str(text), page_url(site, page, **where), here == page))
    return found if len(found) > 1 else []


def page_url(site: AdminSite, page: str, **where: str) -> str:
    """Return the address of a page.

    Raises: NoReverseMatch if the site does not have the jobs.
    """
    url = reverse(f"admin:{name_of(page)}", current_app=site.name)
    return f"{url}?{urlencode(where)}" if where else url
